"""Outgoing HTTP: the only module that imports aiohttp as a client.

One `AioHttp` is one connection pool; `via()` gives cheap views of it with another proxy or certificate bundle, so that
a thousand accounts share connections. A failure before the first byte of a request is `Transient`; a time-out or broken
answer after it is `OutcomeUnknown`, unless the caller declares the request idempotent.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.netguard import guard_url, public_address
from battcrm.infra.redact import redact
from battcrm.kit.errors import BattError, Invalid, OutcomeUnknown, Permanent, Transient
from battcrm.kit.text import dumps

MAX_ANSWER: Final = 16 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class _TooLarge(ValueError):
    """The answer went over the caller's limit."""


@lru_cache(maxsize=64)
def _tls(ca_bundle: str) -> ssl.SSLContext:
    """System roots plus the bundle: some vendors' chains end in a root that no default store has."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_bundle)
    except OSError as error:
        raise Invalid(f"the certificate bundle cannot be read: {error.strerror}", field="ca_bundle") from None
    return context


class _PublicOnly(AbstractResolver):
    """Resolves at connect time to public addresses only: a name cannot change its mind after the check."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: Any = 0,
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [item for item in found if public_address(item["host"])]
        if not public:
            raise OSError("no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


class _Pool:
    """Two sessions: one for addresses that we build, one that connects to public addresses only."""

    def __init__(self, connect_timeout: float, limit: int, limit_per_host: int, allow_private: bool) -> None:
        self._connect_timeout = connect_timeout
        self._limits = (limit, limit_per_host)
        self.allow_private = allow_private
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def session(self, *, guarded: bool = False) -> aiohttp.ClientSession:
        guarded = guarded and not self.allow_private
        found = self._sessions.get(guarded)
        if found is None:
            found = self._sessions[guarded] = self._open(guarded)
        return found

    def _open(self, guarded: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_sent)
        connector = aiohttp.TCPConnector(
            limit=self._limits[0],
            limit_per_host=self._limits[1],
            # Shorter than what vendors close at: a POST on a just-closed connection has an unknown outcome.
            keepalive_timeout=12.0,
            resolver=_PublicOnly() if guarded else None,
            ttl_dns_cache=60,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout),
            auto_decompress=True,
            trust_env=False,
            headers={"User-Agent": "BattCRM"},
            trace_configs=[trace],
        )

    def timeout(self, total: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=total, sock_connect=min(self._connect_timeout, total))

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()


async def _mark_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Aiohttp calls this right before the first byte goes out."""
    mark = context.trace_request_ctx
    if mark is not None:
        mark.sent = True


class AioHttp:
    """HttpClient over aiohttp. Close it (or leave its `async with`) once; views made by `via` need no closing."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        connect_timeout: float = 5.0,
        limit: int = 512,
        limit_per_host: int = 256,
        allow_private: bool = False,
    ) -> None:
        """`allow_private` lets `download` reach private addresses (tests, emulators); sizes are connections."""
        self._pool = _Pool(connect_timeout, limit, limit_per_host, allow_private)
        self._proxy = proxy
        self._ca_bundle = ca_bundle

    def via(self, *, proxy: str | None = None, ca_bundle: str | None = None) -> AioHttp:
        """The same pool with another outbound proxy (http://…) and certificate bundle (a PEM file)."""
        view = object.__new__(AioHttp)
        view._pool, view._proxy, view._ca_bundle = self._pool, proxy, ca_bundle
        return view

    def for_settings(self, settings: Mapping[str, Any]) -> AioHttp:
        """The view an account's settings ask for: keys `proxy` and `ca_bundle`."""
        proxy, bundle = settings.get("proxy"), settings.get("ca_bundle")
        if not proxy and not bundle:
            return self
        return self.via(proxy=str(proxy) if proxy else None, ca_bundle=str(bundle) if bundle else None)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        raw: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float = 20.0,
        idempotent: bool = False,
    ) -> HttpResponse:
        """One request, no retries, no redirects; any status is an answer. `timeout` is the whole time in seconds.

        At most one of `json`, `form` (urlencoded; multipart together with `files`) and `raw` (sent as it is).
        """
        mark = SimpleNamespace(sent=False)
        head, data = dict(headers or {}), _content(json, form, files, raw)
        if json is not None:
            head.setdefault("Content-Type", "application/json")
        try:
            async with self._pool.session().request(
                method,
                _address(url),
                headers=head,
                data=data,
                params=params,
                allow_redirects=False,
                trace_request_ctx=mark,
                **self._options(timeout),
            ) as answer:
                body = await _read_limited(answer, MAX_ANSWER)
                return HttpResponse(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _mapped(error, method, url, sent=mark.sent and not idempotent) from None

    async def download(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        trusted: bool = False,
        redirects: int = 3,
    ) -> HttpResponse:
        """GET a file of at most `max_bytes`. Each hop is guarded unless `trusted` (an address we built).

        Raises Invalid (private address, too large: code `too_large`) or Transient; 4xx/5xx are returned.
        """
        for _ in range(redirects + 1):
            if not trusted:
                await guard_url(url, allow_private=self._pool.allow_private)
            answer = await self._get(url, max_bytes, headers, timeout, trusted)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            following = urljoin(url, target)
            if urlsplit(following).netloc != urlsplit(url).netloc:
                # Credentials belong to the first host, and a host it names is not an address we built.
                headers, trusted = None, False
            url = following
        raise Permanent("too many redirects", code="redirects")

    async def _get(
        self, url: str, max_bytes: int, headers: Mapping[str, str] | None, timeout: float, trusted: bool
    ) -> HttpResponse:
        try:
            async with self._pool.session(guarded=not trusted).get(
                url, headers=dict(headers or {}), allow_redirects=False, **self._options(timeout)
            ) as answer:
                if (answer.content_length or 0) > max_bytes:
                    raise _TooLarge
                body = await _read_limited(answer, max_bytes)
                return HttpResponse(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _mapped(error, "GET", url, sent=False) from None

    def _options(self, timeout: float) -> dict[str, Any]:
        options: dict[str, Any] = {"timeout": self._pool.timeout(timeout), "proxy": self._proxy}
        if self._ca_bundle:
            options["ssl"] = _tls(self._ca_bundle)
        return options

    async def close(self) -> None:
        """Close the pool's connections."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _address(url: str) -> str | URL:
    """An address with percent signs goes out as its builder encoded it: aiohttp would decode what need not be encoded,
    and some platforms want it encoded all the same (`~` in Avito's chat ids)."""
    return URL(url, encoded=True) if "%" in url and url.isascii() and " " not in url else url


def _content(
    json: Any, form: Mapping[str, str] | None, files: Mapping[str, tuple[str, bytes, str]] | None, raw: bytes | None
) -> Any:
    if files is not None:
        return _multipart(form, files)
    if json is not None:
        return dumps(json)
    return dict(form) if form is not None else raw


def _multipart(form: Mapping[str, str] | None, files: Mapping[str, tuple[str, bytes, str]]) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    for name, value in (form or {}).items():
        data.add_field(name, value)
    for name, (filename, content, mime) in files.items():
        safe = filename.replace('"', "'").replace("\r", " ").replace("\n", " ")
        data.add_field(name, content, filename=safe, content_type=mime)
    return data


async def _read_limited(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body, counted after decompression, so that a small bomb is caught too."""
    chunks: list[bytes] = []
    total = 0
    async for chunk in answer.content.iter_chunked(_CHUNK):
        total += len(chunk)
        if total > limit:
            answer.close()
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _mapped(error: Exception, method: str, url: str, *, sent: bool) -> BattError:
    """Our error for aiohttp's. The text names method and host only: paths and queries carry tokens."""
    where = f"{method} {urlsplit(url).hostname or '?'}"
    if isinstance(error, _TooLarge) and not sent:
        return Invalid(f"{where}: answer is too large", field="url", code="too_large")
    # aiohttp's certificate error is a ValueError too, but a connection error first.
    if isinstance(error, aiohttp.InvalidURL | ValueError) and not isinstance(error, OSError) and not sent:
        return Invalid(f"{where}: not a usable address", field="url", code="url_malformed")
    name = "time-out" if isinstance(error, TimeoutError | asyncio.TimeoutError) else type(error).__name__
    detail = redact(f"{where}: {name}")
    if sent:
        return OutcomeUnknown(f"{detail}, the request had been sent", code="answer_lost")
    return Transient(detail, code="certificate" if isinstance(error, aiohttp.ClientSSLError) else "unreachable")

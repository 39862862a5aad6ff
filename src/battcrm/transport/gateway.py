"""The door over HTTP: one unguessable path for each channel."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import structlog

from battcrm.infra.telemetry import METRICS
from battcrm.kit.errors import Invalid, Transient
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import Manifest, Reply, WebhookRequest
from battcrm.transport.door import Door
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
PREFIX: Final = "/hook/"
BODY_LIMIT: Final = 5 * 1024 * 1024
HARD_LIMIT: Final = 32 * 1024 * 1024


_UNKNOWN: Final = Reply(404, b'{"error":"unknown channel"}')


@dataclass(frozen=True, slots=True)
class _Body:
    data: bytes
    too_large: bool


class _Disconnected(Exception):
    """The platform hung up before its body was whole."""


class Gateway:
    """Authenticate, parse, commit, and only then acknowledge: an ASGI application for `/hook/{kind}/{channel}/{key}`.

    Plain ASGI, because a framework's request costs more than all the rest of the door.
    """

    def __init__(self, door: Door, channels: ChannelDirectory, *, max_waiting: int = 4000) -> None:
        self._door = door
        self._channels = channels
        self._max_waiting = max_waiting

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One webhook call. Never a 500: what cannot be read is kept, what cannot be kept is refused with a retry."""
        parts = scope["path"].removeprefix(PREFIX).split("/")
        kind = parts[0]
        headers: list[tuple[bytes, bytes]] = []
        try:
            if scope["method"] not in ("GET", "POST"):
                reply = Reply(405, b"")
            elif len(parts) != 3:
                reply = _UNKNOWN
            else:
                reply = await self._handle(scope, receive, *parts)
        except Transient as error:
            reply = Reply(503, b"")
            headers.append((b"retry-after", str(int(error.retry_after or 1)).encode()))
        except _Disconnected:
            reply = Reply(400, b"")
        METRICS.webhooks.labels("unknown" if reply is _UNKNOWN else kind, str(reply.status)).inc()
        headers.append((b"content-type", reply.content_type.encode()))
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _handle(
        self, scope: MutableMapping[str, Any], receive: Receive, kind: str, channel: str, key: str
    ) -> Reply:
        connected = await self._find(kind, channel, key)
        if connected is None:
            return _UNKNOWN
        if self._door.depth > self._max_waiting:
            raise Transient("the door is overloaded", code="overload", retry_after=2)
        manifest = manifest_of(connected.account.kind)
        body = await _read(receive)
        request = WebhookRequest(
            scope["method"],
            key,
            dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]},
            body.data,
        )
        if body.too_large:
            return await self._oversize(manifest, connected, request)
        return await self._accept(manifest, connected, request)

    async def _accept(self, manifest: Manifest, connected: Connected, request: WebhookRequest) -> Reply:
        began = time.monotonic()
        account = connected.account
        try:
            verdict = manifest.verify(request, account)
        except Invalid:
            return await self._unreadable(manifest, connected, request.body, "unreadable")
        if verdict.immediate is not None:
            return verdict.immediate
        if not verdict.ok:
            METRICS.rejected.labels(account.kind, verdict.reason or "authenticity").inc()
            return Reply(401, b"")
        try:
            messages = manifest.parse(request.body, account)
        except Invalid as error:
            return await self._unreadable(manifest, connected, request.body, error.text)
        except Exception as error:  # noqa: BLE001 - a parser's bug must not cost the platform's queue (A4)
            log.error("parse.failed", channel_id=str(account.channel_id), error=type(error).__name__)
            await self._door.bury(account, request.body, f"parser failed: {type(error).__name__}")
            return manifest.accepted
        await self._door.accept(account, messages, request.body)
        METRICS.acknowledge.observe(time.monotonic() - began)
        return manifest.accepted

    async def _unreadable(self, manifest: Manifest, connected: Connected, body: bytes, reason: str) -> Reply:
        METRICS.rejected.labels(connected.account.kind, "unreadable").inc()
        if manifest.secret_in_body:
            return Reply(400, b'{"error":"unreadable body"}')
        await self._door.bury(connected.account, body, reason)
        return manifest.accepted

    async def _oversize(self, manifest: Manifest, connected: Connected, request: WebhookRequest) -> Reply:
        """Header authentication is checked on what was read; a secret inside such a body cannot be (A4)."""
        METRICS.rejected.labels(connected.account.kind, "oversize").inc()
        if manifest.secret_in_body:
            return Reply(400, b'{"error":"body too large"}')
        verdict = manifest.verify(request, connected.account)
        if not verdict.ok:
            return Reply(401, b"")
        await self._door.bury(connected.account, request.body, "body over 5 MB")
        return manifest.accepted

    async def _find(self, kind: str, channel: str, key: str) -> Connected | None:
        try:
            channel_id = UUID(channel)
        except ValueError:
            return None
        connected = await self._channels.find(channel_id)
        if connected is None or connected.account.kind != kind or connected.state == "disabled":
            return None
        if not hmac.compare_digest(connected.hook_key.encode(), key.encode("utf-8", "surrogatepass")):
            return None
        return connected


async def _read(receive: Receive) -> _Body:
    """The body up to 5 MB; of a larger one the whole is read (bounded at 32 MB), so that its digest can be kept."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size <= HARD_LIMIT:
            chunks.append(chunk)
        if not message.get("more_body"):
            return _Body(chunks[0] if len(chunks) == 1 else b"".join(chunks), size > BODY_LIMIT)

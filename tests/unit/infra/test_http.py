"""The HTTP client against real sockets: what each failure means for what may be repeated."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from battcrm.infra.embedded.process import free_port
from battcrm.infra.http import AioHttp
from battcrm.infra.netguard import guard_url, public_address
from battcrm.infra.redact import redact
from battcrm.kit.errors import Invalid, OutcomeUnknown, Permanent, Transient
from tests.support.waiting import outcome_is_unknown

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def raw_server() -> AsyncIterator[Serve]:
    """Servers that do exactly what the test says with each connection."""
    started: list[asyncio.Server] = []

    async def serve(handler: Handler) -> str:
        async def close_after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(close_after, "127.0.0.1", 0)
        started.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield serve
    for server in started:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


@pytest.fixture
def unused_port() -> int:
    return free_port()


async def cut_after_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ok"')
    await writer.drain()


async def test_refused_connection_is_transient(http: AioHttp, unused_port: int) -> None:
    with pytest.raises(Transient) as caught:
        await http.request("POST", f"http://127.0.0.1:{unused_port}/bot1:secret/x", json={})
    assert "secret" not in caught.value.text
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("behaviour", [cut_after_request, half_an_answer])
async def test_after_the_first_byte_the_outcome_is_unknown(
    http: AioHttp, raw_server: Serve, behaviour: Handler
) -> None:
    url = await raw_server(behaviour)
    with pytest.raises(OutcomeUnknown):
        await http.request("POST", f"{url}/send", json={"a": 1})
    with pytest.raises(Transient):
        await http.request("POST", f"{url}/send", json={"a": 1}, idempotent=True)


async def test_a_deadline_after_the_first_byte_leaves_the_outcome_unknown(http: AioHttp, raw_server: Serve) -> None:
    url = await raw_server(silent)
    assert await outcome_is_unknown(lambda seconds: http.request("POST", url, json={}, timeout=seconds))
    with pytest.raises(Transient):
        await http.request("POST", url, json={}, timeout=0.2, idempotent=True)


async def test_cancellation_is_not_swallowed(http: AioHttp, raw_server: Serve) -> None:
    url = await raw_server(silent)
    running = asyncio.ensure_future(http.request("POST", url, timeout=3600))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_bad_address_is_invalid(http: AioHttp) -> None:
    with pytest.raises(Invalid):
        await http.request("GET", "http://")


@pytest.fixture
async def files() -> AsyncIterator[str]:
    async def big(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000)

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 1000)
        return answer

    async def bomb(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"0" * 1_000_000), headers={"Content-Encoding": "gzip"})

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"authorization": request.headers.get("Authorization")})

    app = web.Application()
    for path, handler in (("/big", big), ("/endless", endless), ("/bomb", bomb), ("/away", away), ("/echo", echo)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_download_stops_at_the_limit_however_the_size_is_hidden(http: AioHttp, files: str) -> None:
    assert len((await http.download(f"{files}/big", max_bytes=1000)).body) == 1000
    for name in ("big", "endless", "bomb"):
        with pytest.raises(Invalid) as caught:
            await http.download(f"{files}/{name}", max_bytes=999)
        assert caught.value.code == "too_large"


async def test_every_redirect_is_guarded(files: str) -> None:
    async with AioHttp() as strict:
        with pytest.raises(Invalid) as caught:
            await strict.download(f"{files}/big", max_bytes=9999)
        assert caught.value.code == "url_private"
        # An address we built may stand inside, but where it redirects to is not ours.
        with pytest.raises(Invalid):
            await strict.download(f"{files}/away?to=http://169.254.169.254/latest", max_bytes=9999, trusted=True)


async def test_redirects_are_followed_a_few_times_and_not_for_api_calls(http: AioHttp, files: str) -> None:
    assert (await http.request("GET", f"{files}/away?to=/big")).status == 302
    assert len((await http.download(f"{files}/away?to=/big", max_bytes=2000)).body) == 1000
    with pytest.raises(Permanent):
        await http.download(f"{files}/away?to=/away%3Fto=/away", max_bytes=2000, redirects=0)


async def test_credentials_do_not_follow_to_another_host(http: AioHttp, files: str) -> None:
    other = files.replace("127.0.0.1", "localhost")
    headers = {"Authorization": "Bearer x"}
    kept = await http.download(f"{files}/away?to={files}/echo", max_bytes=2000, headers=headers)
    assert b"Bearer x" in kept.body
    dropped = await http.download(f"{files}/away?to={other}/echo", max_bytes=2000, headers=headers)
    assert b"Bearer x" not in dropped.body


async def test_proxy_carries_the_request(http: AioHttp, raw_server: Serve) -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()

    address = await raw_server(proxy)
    through = http.for_settings({"proxy": address})
    assert (await through.request("GET", "http://api.example.org/x")).body == b"ok"
    assert seen == [b"GET http://api.example.org/x HTTP/1.1\r\n"]
    assert http.for_settings({}) is http


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.9.9",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "x",
    ],
)
def test_addresses_of_our_own_network_are_not_public(address: str) -> None:
    assert not public_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert public_address(address)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org/", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("https://", "url_scheme"),
        ("https://user:pass@example.org/", "url_credentials"),
        ("http://example.org:99999/", "url_malformed"),
        ("http://mixed.example/", "url_private"),
        ("http://nowhere.example/", "url_private"),
    ],
)
async def test_guard_refuses(url: str, code: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return {"mixed.example": ["8.8.8.8", "10.0.0.1"]}.get(host, [])

    with pytest.raises(Invalid) as caught:
        await guard_url(url, resolve=resolve)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://[::1]/", "http://localhost/"]
)
async def test_guard_sees_through_spellings_of_this_host(url: str) -> None:
    with pytest.raises((Invalid, Transient)):
        await guard_url(url)


async def test_guard_lets_public_addresses_pass() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    assert await guard_url("https://example.org/a?b", resolve=resolve) == "https://example.org/a?b"
    assert await guard_url("http://127.0.0.1:1/", allow_private=True) == "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    "text",
    [
        "POST https://api.telegram.org/bot7012345678:AAHsecretvalue/sendMessage",
        "https://api.telegram.org/file/bot7012345678:AAHsecretvalue/photos/1.jpg",
        "token 7012345678:AAHsecretvalueAAHsecretvalue failed",
        "https://x/method?access_token=AAHsecretvalue&v=5",
        '{"client_secret": "AAHsecretvalue"}',
        "Authorization: Bearer AAHsecretvalue",
        "http://user:AAHsecretvalue@proxy.example:3128",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    assert "AAHsecretvalue" not in redact(text)

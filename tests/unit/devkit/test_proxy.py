from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from battcrm.devkit.faults.proxy import Proxy
from tests.support.waiting import eventually


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    proxy = await Proxy("127.0.0.1", server.sockets[0].getsockname()[1]).start()
    yield proxy
    await proxy.stop()
    server.close()
    await server.wait_closed()


class Line:
    """A client's connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, proxy: Proxy) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.here))

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))


async def test_everything_passes(proxy: Proxy) -> None:
    line = await Line.open(proxy)
    data = bytes(range(256)) * 4000
    assert await line.ask(data) == data
    assert proxy.in_doubt == 0
    line.writer.close()


async def test_a_delay_counts_both_ways(proxy: Proxy) -> None:
    line = await Line.open(proxy)
    proxy.delay = 0.1
    began = time.monotonic()
    await line.ask(b"x")
    assert time.monotonic() - began >= 0.2
    line.writer.close()


async def test_a_thin_line_takes_its_time(proxy: Proxy) -> None:
    line = await Line.open(proxy)
    proxy.bandwidth = 100_000
    began = time.monotonic()
    await line.ask(bytes(10_000))
    assert time.monotonic() - began >= 0.2
    line.writer.close()


async def test_a_reset_is_seen_at_once_and_what_was_asked_is_in_doubt(proxy: Proxy) -> None:
    asking, silent = await Line.open(proxy), await Line.open(proxy)
    await silent.ask(b"before")
    proxy.mute = True
    asking.writer.write(b"question")
    await eventually(lambda: any(link.asked for link in proxy._links))
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asking.reader.readexactly(1)
    assert proxy.in_doubt == 1
    proxy.mute = False
    again = await Line.open(proxy)
    assert await again.ask(b"after") == b"after"
    again.writer.close()


async def test_half_open_holds_everything_until_it_thaws(proxy: Proxy) -> None:
    line = await Line.open(proxy)
    proxy.freeze()
    asked = asyncio.ensure_future(line.ask(b"held"))
    await eventually(lambda: any(link.asked for link in proxy._links))
    assert not asked.done()
    proxy.thaw()
    assert await asked == b"held"
    line.writer.close()


async def test_who_is_away_refuses_and_comes_back_at_the_same_place(proxy: Proxy) -> None:
    before = proxy.here
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await Line.open(proxy)
    await proxy.listen()
    assert proxy.here == before
    line = await Line.open(proxy)
    assert await line.ask(b"back") == b"back"
    line.writer.close()

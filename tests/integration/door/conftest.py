"""The gateway as it runs: uvicorn on a free port, PostgreSQL behind a cable that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
import io
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import pytest
import uvicorn

from battcrm.devkit.faults.bench import SECRET, Bench, Shop, bench
from battcrm.devkit.faults.messenger import KIND, SECRET_HEADER
from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import Pool, open_pool
from battcrm.infra.wake import Wakeups
from battcrm.transport.accounts import ChannelDirectory
from battcrm.workers.gateway import GatewayApp
from battcrm.workers.runtime import Runtime
from tests.support.waiting import eventually


class Cable:
    """A TCP proxy to the database."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The database's address through the cable."""
        host = self._parts.netloc.rsplit("@", 1)[0] + f"@127.0.0.1:{self.port}"
        return urlunsplit(self._parts._replace(netloc=host))

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass
class House:
    """A running gateway with one shop."""

    world: Bench
    shop: Shop
    base: str
    cable: Cable
    http: AioHttp
    secret: str = SECRET
    extra: dict[str, Any] = field(default_factory=dict)

    async def post(self, body: bytes, **changes: Any) -> HttpResponse:
        """POST to the shop's hook; `secret`, `channel`, `key` and `kind` may be wrong."""
        channel = changes.get("channel", self.shop.account.channel_id)
        path = f"/hook/{changes.get('kind', KIND)}/{channel}/{changes.get('key', 'key')}"
        headers = {SECRET_HEADER: changes.get("secret", self.secret), "content-type": "application/json"}
        if len(body) > 1_000_000:
            return await asyncio.to_thread(self._post_large, self.base + path, body, headers)
        return await self.http.request("POST", self.base + path, raw=body, headers=headers)

    async def accepts(self, body: bytes) -> bool:
        """True for a 2xx."""
        return (await self.post(body)).status == 200

    @staticmethod
    def _post_large(url: str, body: bytes, headers: dict[str, str]) -> HttpResponse:
        """By the standard library: our own client sends nothing as large."""
        request = urllib.request.Request(url, io.BytesIO(body), {**headers, "content-length": str(len(body))})
        try:
            with urllib.request.urlopen(request) as answer:
                return HttpResponse(answer.status, {}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return HttpResponse(error.code, {}, error.read())

    async def count(self, table: str) -> int:
        """Rows of a table."""
        number: int = await self.world.pool.fetchval(f"SELECT count(*) FROM {table}")
        return number


@pytest.fixture
async def house(clean_database: str) -> AsyncIterator[House]:
    cable = Cable(clean_database)
    await cable.plug()
    async with bench(clean_database) as world, contextlib.AsyncExitStack() as stack:
        pool = await open_pool(cable.url, maximum=4, name="door-test")
        stack.callback(pool.terminate)
        stack.push_async_callback(cable.pull)
        base = await stack.enter_async_context(_served(world, pool))
        http = AioHttp(allow_private=True)
        stack.push_async_callback(http.close)
        yield House(world, await world.shop(), base, cable, http)


@contextlib.asynccontextmanager
async def _served(world: Bench, pool: Pool) -> AsyncIterator[str]:
    wakeups = Wakeups()
    channels = ChannelDirectory(pool, world.vault, world.clock, wakeups)
    parts = SimpleNamespace(pool=pool, clock=world.clock, ids=world.ids, wakeups=wakeups, channels=channels)
    app = GatewayApp(cast("Runtime", parts))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, lifespan="off", http="httptools", loop="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    await eventually(lambda: server.started, what="the gateway listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving

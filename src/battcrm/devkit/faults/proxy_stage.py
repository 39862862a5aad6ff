"""The stage of the fault table: the bench's world with a proxy before each server, and the hands that break things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psutil
from redis.asyncio import Redis

from battcrm.devkit.bench.world import WORKER_ROLES, Bench, Shape, listening_on, start_role, wait_ready, world
from battcrm.devkit.faults.proxy import Proxy
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Permanent

SHARDS: Final = 4
TARGETS: Final = ("postgres", "redis", "graph", "model", "messenger")
_VARIABLES: Final = {
    "postgres": ("DATABASE_URL", "BATTCRM_OWNER_URL"),
    "redis": ("REDIS_URL",),
    "graph": ("NEO4J_URL",),
    "model": ("OPENAI_BASE_URL",),
}
_MOVE: Final = """
UPDATE channel SET settings = settings || jsonb_build_object('base_url', $1::text) WHERE tenant_id IS NOT NULL
"""
_LIVE: Final = "SELECT count(*) FROM consumer_group WHERE state = 'live' /* all tenants: places of consumers */"
_SENDING: Final = "SELECT count(*) FROM outgoing WHERE state = 'sending' AND tenant_id IS NOT NULL"


@dataclass
class Stage:
    """A running world and what stands before its servers. `doubt` bounds what may become unknown (PROTOCOL K)."""

    bench: Bench
    proxies: dict[str, Proxy]
    pool: Pool
    http: AioHttp
    folder: Path
    clock: SystemClock = field(default_factory=SystemClock)
    doubt: int = 0

    def proxy(self, target: str) -> Proxy:
        """The proxy before a server."""
        return self.proxies[target]

    async def note_doubt(self) -> None:
        """Sends that are under way right now may become unknown by what happens next."""
        self.doubt += await self.pool.fetchval(_SENDING)

    async def messenger_fault(self, **fault: Any) -> None:
        """Script a fault of the emulated messenger."""
        await self._control(self.bench.telegram_url, fault)

    async def model_fault(self, **fault: Any) -> None:
        """Script a fault of the emulated model."""
        await self._control(self.bench.model_url, fault)

    async def _control(self, address: str, fault: dict[str, Any]) -> None:
        answer = await self.http.request("POST", f"{address}/_control/fault", json=fault)
        if answer.status != 200:
            raise Permanent(f"the emulator refused a fault: {answer.status}")

    def redis(self) -> Redis:
        """A client that goes past the proxy."""
        return Redis.from_url(self.bench.servers.redis_url)

    def server(self, port_of: str) -> psutil.Process:
        """The process behind a server's URL."""
        return listening_on(urlsplit(port_of).port)[0]

    async def restart(self, name: str) -> None:
        """`kill -9` of our process and its restart."""
        process = self.bench.processes[name]
        await self.note_doubt()
        if process.returncode is None:
            process.kill()
        await process.wait()
        await self.note_doubt()
        await self.start(name)

    async def start(self, name: str) -> None:
        """Start a process of ours, behind the proxies."""
        roles = "gateway" if name == "gateway" else WORKER_ROLES
        await start_role(name, roles, self.bench.environment, self.bench.processes, self.folder)

    async def heal(self) -> None:
        """End every fault; what the messenger was asked and never answered was in doubt."""
        for proxy in self.proxies.values():
            proxy.heal()
            await proxy.listen()
        self.doubt += self.proxies["messenger"].in_doubt
        self.proxies["messenger"].in_doubt = 0


@asynccontextmanager
async def stage(folder: Path, *, tenants: int = 20, graph: bool = True) -> AsyncIterator[Stage]:
    """Start a world, put the proxies in, and start our processes anew behind them."""
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(world(Shape(tenants=tenants, graph=graph, model_ms=(50, 150)), folder))
        for name in ("gateway", "worker"):
            bench.processes[name].terminate()
            await bench.processes[name].wait()
        pool = await open_pool(bench.servers.postgres_url, maximum=4, name="fault-table")
        stack.push_async_callback(pool.close)
        http = await stack.enter_async_context(AioHttp(allow_private=True))
        proxies: dict[str, Proxy] = {}
        for target, address in _addresses(bench).items():
            parts = urlsplit(address)
            proxies[target] = await Proxy(parts.hostname or "127.0.0.1", parts.port or 80).start()
            stack.push_async_callback(proxies[target].stop)
        for target, variables in _VARIABLES.items():
            for variable in variables if target in proxies else ():
                bench.environment[variable] = _through(bench.environment[variable], proxies[target])
        await pool.execute(_MOVE, _through(bench.telegram_url, proxies["messenger"]))
        found = Stage(bench, proxies, pool, http, folder)
        for name in ("gateway", "worker"):
            await found.start(name)
        await wait_ready(bench)
        if graph:
            await _following(found)
        yield found


async def _following(ready: Stage) -> None:
    """The consumers have their places: they answer for what happens from now on."""
    async with asyncio.timeout(180):
        while await ready.pool.fetchval(_LIVE) < SHARDS:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)


def _addresses(bench: Bench) -> dict[str, str]:
    servers = bench.servers
    found = (servers.postgres_url, servers.redis_url, servers.neo4j_url, bench.model_url, bench.telegram_url)
    return {target: address for target, address in zip(TARGETS, found, strict=True) if address}


def _through(url: str, proxy: Proxy) -> str:
    """The URL with the proxy's address."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    place = f"127.0.0.1:{proxy.here}"
    return urlunsplit(parts._replace(netloc=f"{user}@{place}" if user else place))


async def seconds(value: float) -> None:
    """Let the fault last."""
    await asyncio.sleep(value)

"""`kill -9` under load: every role in its own process, killed at random moments and started again; in between the
servers themselves die, stop, or lose what they know."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import psutil
from redis.asyncio import Redis

from battcrm.devkit.bench import accounting, plan
from battcrm.devkit.bench.runner import received_log
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.infra import embedded
from battcrm.infra.postgres import UNAVAILABLE, Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Permanent

VICTIMS: Final = {
    "gateway": "gateway",
    "processor": "processor",
    "ai": "ai-worker",
    "out": "out-worker",
    "events": "relay,event-processor,caretaker",
}
_IN_FLIGHT: Final = "SELECT count(*) FROM outgoing WHERE state = 'sending' AND tenant_id IS NOT NULL"
# One process has each role, so what is leased in its table was the dead one's: time passes for it here and now.
_EXPIRE: Final = {
    "ai": "UPDATE client_work SET lease_until = $1 WHERE lease_until > $1 AND tenant_id IS NOT NULL",
    "out": "UPDATE outgoing SET lease_until = $1 WHERE lease_until > $1 AND tenant_id IS NOT NULL",
    "events": "UPDATE lease SET until = $1 WHERE until > $1 /* all tenants: roles of processes */",
}
_BREAK: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE 'battcrm-%' /* all tenants: a server's restart */
"""
_SETTLED: Final = """
SELECT (SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL)
     + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outbox WHERE published_at IS NULL AND tenant_id IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Assault:
    """What to do. `pause` is the mean time between kills in seconds."""

    kills: int = 20
    rate: float = 20.0
    pause: float = 1.5
    tenants: int = 20
    seed: int = 1
    drain: float = 300.0


@dataclass
class Outcome:
    """PROTOCOL K after the assault. `in_flight` bounds `verdict.unknown`; `faults` counts what befell the servers."""

    verdict: accounting.Verdict
    kills: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    waiting: int = 0
    dead_letters: int = 0


async def assault(options: Assault, folder: Path) -> Outcome:
    """Run load and kills on throw-away servers, drain, and count."""
    seconds = options.kills * options.pause + 4.0
    async with world(Shape(tenants=options.tenants, graph=False, model=False), folder) as bench:
        calls = plan.make_plan(options.rate, seconds, tenants=options.tenants, seed=options.seed, model_share=0.0)
        pool = await open_pool(bench.servers.postgres_url, maximum=2, name="bench-kills")
        try:
            return await _Assault(options, bench, pool, folder).run(calls)
        finally:
            await pool.close()


class _Assault:
    def __init__(self, options: Assault, bench: Bench, pool: Pool, folder: Path) -> None:
        self._options = options
        self._bench = bench
        self._pool = pool
        self._folder = folder
        self._clock = SystemClock()
        self._rng = random.Random(options.seed)
        self._kills = dict.fromkeys(VICTIMS, 0)
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "redis wiped": self._wipe_redis,
            "valkey killed": self._kill_valkey,
            "connections cut": self._break_connections,
            "postgres stopped fast": lambda: self._stop_postgres(signal.SIGINT),
            "postgres stopped at once": lambda: self._stop_postgres(signal.SIGQUIT),
        }
        self._befell = dict.fromkeys(self._faults, 0)
        self._in_flight = 0

    async def run(self, calls: list[plan.Call]) -> Outcome:
        worker = self._bench.processes["worker"]
        worker.terminate()
        await worker.wait()
        for name in VICTIMS:
            if name != "gateway":
                await self._start(name)
        generator = await self._generate(calls)
        for number in range(self._options.kills):
            await asyncio.sleep(self._rng.uniform(0.3, 1.7) * self._options.pause)
            await self._kill(list(VICTIMS)[number % len(VICTIMS)])
            if number % self._every == self._every - 1:
                await self._befall(list(self._faults)[number // self._every % len(self._faults)])
        await generator.wait()
        waiting = await self._drain()
        return await self._count(calls, waiting)

    @property
    def _every(self) -> int:
        """So many kills between two faults of servers: each comes at least once, and the last kills come after it."""
        return max(2, min(10, self._options.kills // (len(self._faults) + 1)))

    async def _befall(self, fault: str) -> None:
        await self._faults[fault]()
        self._befell[fault] += 1

    async def _start(self, name: str) -> None:
        command = str(Path(sys.executable).parent / "battcrm")
        with (self._folder / f"{name}.log").open("ab") as log:
            self._bench.processes[name] = await asyncio.create_subprocess_exec(
                command, "run", VICTIMS[name], env=self._bench.environment, stdout=log, stderr=log
            )

    async def _kill(self, name: str) -> None:
        process = self._bench.processes[name]
        if name == "gateway":
            await self._listening()
        if process.returncode is not None:
            raise Permanent(f"{name} ended by itself with {process.returncode}; see {self._folder / (name + '.log')}")
        process.kill()
        await process.wait()
        self._kills[name] += 1
        if name == "out":
            await self._note_in_flight()
        if name in _EXPIRE:
            await self._ask(_EXPIRE[name], self._clock.now())
        await self._start(name)

    async def _listening(self) -> None:
        """On a busy machine a start takes longer than the time between two kills: what never listened accepts nothing."""
        until = time.monotonic() + self._options.drain
        while time.monotonic() < until and not await _open(self._bench.gateway_url):  # noqa: ASYNC110 - a port tells nobody
            await asyncio.sleep(0.1)

    async def _wipe_redis(self) -> None:
        async with Redis.from_url(self._bench.servers.redis_url) as client:
            await client.flushall()

    async def _kill_valkey(self) -> None:
        """What the last second brought is not on disk, streams and groups are older than the consumers think."""
        await self._end_server("redis", await self._pid_of("redis"), signal.SIGKILL)

    async def _stop_postgres(self, how: signal.Signals) -> None:
        """SIGINT: sessions are cut, a checkpoint is written. SIGQUIT: no farewell, the log is read again at the start."""
        await self._note_in_flight()
        lock = self._bench.servers.home / "postgres" / "data" / "postmaster.pid"
        await self._end_server("postgres", int(lock.read_text().split("\n", 1)[0]), how)
        await self._note_in_flight()

    async def _end_server(self, name: str, pid: int, how: signal.Signals) -> None:
        """End it and start it again on its data and port. While it is away the load goes on."""
        os.kill(pid, how)
        while _lives(pid):  # noqa: ASYNC110 - no child of ours
            await asyncio.sleep(0.02)
        await asyncio.sleep(self._rng.uniform(0.0, 1.0))
        await embedded.start(self._bench.servers.home, which=frozenset({name}))

    async def _pid_of(self, name: str) -> int:
        return next(s.pid for s in await embedded.status(self._bench.servers.home) if s.name == name)

    async def _note_in_flight(self) -> None:
        self._in_flight += await self._ask(_IN_FLIGHT)

    async def _ask(self, statement: str, *arguments: Any) -> Any:
        """The answer's first value; asked again while the connection is one of those that were cut."""
        while True:
            try:
                return await self._pool.fetchval(statement, *arguments)
            except UNAVAILABLE:
                await asyncio.sleep(0.05)

    async def _break_connections(self) -> None:
        await self._note_in_flight()
        await self._ask(_BREAK)

    async def _generate(self, calls: list[plan.Call]) -> asyncio.subprocess.Process:
        plan.save(calls, self._folder / "plan.json")
        (self._folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in self._bench.shops]))
        start = repr(time.monotonic() + 1.0)
        files = [str(self._folder / name) for name in ("plan.json", "hooks.json", "sent.json")]
        command = [sys.executable, "-m", "battcrm.devkit.bench.generator", *files[:2]]
        generator = await asyncio.create_subprocess_exec(*command, self._bench.gateway_url, start, files[2])
        # It ends with the world, also when the assault fails half-way.
        self._bench.processes["generator"] = generator
        return generator

    async def _drain(self) -> int:
        """Rows that still wait when nothing moves any more, at most `drain` seconds later."""
        until = time.monotonic() + self._options.drain
        while time.monotonic() < until:
            waiting: int = await self._ask(_SETTLED)
            if waiting == 0:
                return 0
            await asyncio.sleep(0.3)
        return waiting

    async def _count(self, calls: list[plan.Call], waiting: int) -> Outcome:
        log = orjson.loads((self._folder / "sent.json").read_bytes())
        received = await received_log(self._bench.telegram_url)
        tables = await accounting.read_tables(self._pool)
        verdict = accounting.judge(accounting.Evidence(calls, self._bench.shops, log, received, *tables))
        dead = await self._pool.fetchval("SELECT count(*) FROM dead_letter WHERE tenant_id IS NOT NULL")
        return Outcome(verdict, self._kills, self._befell, self._in_flight, waiting, dead)


async def _open(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    writer.close()
    return True


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

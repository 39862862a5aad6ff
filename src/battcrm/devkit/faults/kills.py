"""`kill -9` under load: every role in its own process, killed at random moments and started again."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from redis.asyncio import Redis

from battcrm.devkit.bench import accounting, plan
from battcrm.devkit.bench.runner import received_log
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.infra.postgres import Pool, open_pool
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
    drain: float = 60.0


@dataclass
class Outcome:
    """PROTOCOL K after the assault. `in_flight` bounds `verdict.unknown`."""

    verdict: accounting.Verdict
    kills: dict[str, int] = field(default_factory=dict)
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
            if number == self._options.kills // 3:
                await self._wipe_redis()
            if number == self._options.kills // 2:
                await self._break_connections()
        await generator.wait()
        waiting = await self._drain()
        return await self._count(calls, waiting)

    async def _start(self, name: str) -> None:
        command = str(Path(sys.executable).parent / "battcrm")
        with (self._folder / f"{name}.log").open("ab") as log:
            self._bench.processes[name] = await asyncio.create_subprocess_exec(
                command, "run", VICTIMS[name], env=self._bench.environment, stdout=log, stderr=log
            )

    async def _kill(self, name: str) -> None:
        process = self._bench.processes[name]
        if process.returncode is not None:
            raise Permanent(f"{name} ended by itself with {process.returncode}; see {self._folder / (name + '.log')}")
        process.kill()
        await process.wait()
        self._kills[name] += 1
        if name == "out":
            self._in_flight += await self._pool.fetchval(_IN_FLIGHT)
        if name in _EXPIRE:
            await self._pool.execute(_EXPIRE[name], self._clock.now())
        await self._start(name)

    async def _wipe_redis(self) -> None:
        async with Redis.from_url(self._bench.servers.redis_url) as client:
            await client.flushall()

    async def _break_connections(self) -> None:
        self._in_flight += await self._pool.fetchval(_IN_FLIGHT)
        await self._pool.fetchval(_BREAK)

    async def _generate(self, calls: list[plan.Call]) -> asyncio.subprocess.Process:
        plan.save(calls, self._folder / "plan.json")
        (self._folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in self._bench.shops]))
        start = repr(time.monotonic() + 1.0)
        files = [str(self._folder / name) for name in ("plan.json", "hooks.json", "sent.json")]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "battcrm.devkit.bench.generator",
            *files[:2],
            self._bench.gateway_url,
            start,
            files[2],
        )

    async def _drain(self) -> int:
        """Rows that still wait when nothing moves any more, at most `drain` seconds later."""
        until = time.monotonic() + self._options.drain
        while time.monotonic() < until:
            waiting: int = await self._pool.fetchval(_SETTLED)
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
        return Outcome(verdict, self._kills, self._in_flight, waiting, dead)

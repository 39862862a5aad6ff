"""The cases of the fault table that a line between us and a server brings, and those of the servers themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from redis.exceptions import RedisError

from battcrm.devkit.faults.proxy_load import Load
from battcrm.devkit.faults.proxy_stage import SHARDS, Stage, seconds
from battcrm.infra.postgres import UNAVAILABLE

Act = Callable[[Stage], Awaitable[None]]
_CUT: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE 'battcrm-%' /* all tenants: the server's sessions */
"""
_LOCK: Final = "LOCK TABLE inbox, client_work, outgoing IN ACCESS EXCLUSIVE MODE /* all tenants: a careless operator */"
_SNAPSHOT: Final = "SELECT count(*) FROM outbox WHERE tenant_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table. `act` begins a second after the load and ends before the load does."""

    name: str
    group: str
    injected: str
    act: Act
    load: Load = field(default_factory=Load)
    dead: int = 0
    """Dead letters that belong to the fault."""


def _line(target: str, breaks: Callable[[Any], Any], lasts: float) -> Act:
    async def act(stage: Stage) -> None:
        if target in ("postgres", "messenger"):
            await stage.note_doubt()
        breaks(stage.proxy(target))
        await seconds(lasts)
        if target == "postgres":
            await stage.note_doubt()

    return act


def _slow(delay: float) -> Callable[[Any], Any]:
    return lambda proxy: setattr(proxy, "delay", delay)


def _thin(bandwidth: float) -> Callable[[Any], Any]:
    return lambda proxy: setattr(proxy, "bandwidth", bandwidth)


def _resets(target: str, times: int, pause: float) -> Act:
    async def act(stage: Stage) -> None:
        for _ in range(times):
            await stage.note_doubt()
            stage.proxy(target).reset()
            await stage.note_doubt()
            await seconds(pause)

    return act


def _frozen(target: str, lasts: float, *, dies: bool) -> Act:
    """Half-open for a while; then it goes on, or turns out to be dead."""

    async def act(stage: Stage) -> None:
        proxy = stage.proxy(target)
        await stage.note_doubt()
        proxy.freeze()
        await seconds(lasts)
        if dies:
            proxy.reset()
            await stage.note_doubt()

    return act


def _refused(target: str, lasts: float) -> Act:
    async def act(stage: Stage) -> None:
        await stage.note_doubt()
        await stage.proxy(target).refuse()
        await stage.note_doubt()
        await seconds(lasts)

    return act


def _unanswered(target: str, times: int) -> Act:
    """Statements take effect, and nobody hears of it."""

    async def act(stage: Stage) -> None:
        proxy = stage.proxy(target)
        for _ in range(times):
            proxy.mute = True
            await seconds(0.4)
            await stage.note_doubt()
            proxy.reset()
            proxy.mute = False
            await stage.note_doubt()
            await seconds(0.8)

    return act


async def _sessions_ended(stage: Stage) -> None:
    await stage.note_doubt()
    await stage.pool.fetchval(_CUT)
    await stage.note_doubt()


async def _backend_killed(stage: Stage) -> None:
    """A backend that dies makes the server throw everybody out and recover from its log."""
    await stage.note_doubt()
    backends = [p for p in stage.server(stage.bench.servers.postgres_url).children() if "battcrm_worker" in p.name()]
    process = stage.server(stage.bench.servers.postgres_url)
    victims = backends or [p for p in process.children() if "127.0.0.1" in " ".join(p.cmdline())]
    victims[0].kill()
    await seconds(0.5)
    while True:
        try:
            await stage.note_doubt()
        except UNAVAILABLE:
            await seconds(0.2)
        else:
            return


async def _no_connections_left(stage: Stage) -> None:
    """Strangers take every connection while ours are thrown out and must come back."""
    taken: list[asyncpg.Connection] = []
    await stage.note_doubt()
    try:
        for round_ in range(2):
            with contextlib.suppress(*UNAVAILABLE, asyncpg.PostgresError):
                while True:
                    taken.append(await asyncpg.connect(stage.bench.servers.postgres_url, timeout=5))
            if not round_:
                await taken[0].fetchval(_CUT)
        await seconds(3.0)
    finally:
        for connection in taken:
            connection.terminate()
    await stage.note_doubt()


async def _tables_locked(stage: Stage) -> None:
    async with stage.pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOCK)
        await seconds(3.0)


async def _old_snapshot(stage: Stage) -> None:
    async with stage.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.fetchval(_SNAPSHOT)
        await seconds(4.0)


async def _flushed(stage: Stage) -> None:
    async with stage.redis() as client:
        await client.flushall()
        await seconds(1.0)
        await client.flushall()


async def _redis_killed(stage: Stage) -> None:
    """`kill -9`; two seconds later it is there again, empty or not, as its configuration says."""
    process = stage.server(stage.bench.servers.redis_url)
    command, folder, user = process.cmdline(), process.cwd(), process.uids().real
    process.kill()
    await seconds(2.0)
    log = (stage.folder / "valkey-again.log").open("ab")
    again = await asyncio.create_subprocess_exec(*command, cwd=folder, user=user, stdout=log, stderr=log)
    log.close()
    stage.bench.processes["emulator-valkey"] = again


async def _groups_destroyed(stage: Stage) -> None:
    async with stage.redis() as client:
        for shard in range(SHARDS):
            with contextlib.suppress(RedisError):
                await client.xgroup_destroy(f"events:{{{shard}}}", "graph")


async def _streams_trimmed(stage: Stage) -> None:
    """The consumer falls behind what the streams still hold: they are emptied under it again and again."""
    async with stage.redis() as client:
        for _ in range(40):
            for shard in range(SHARDS):
                await client.xtrim(f"events:{{{shard}}}", maxlen=0, approximate=False)
            await seconds(0.1)


_PG, _RD, _GR, _ML, _MS = "postgres", "redis", "graph", "model", "messenger"

CASES: Final = (
    Case("PostgreSQL slow", _PG, "every chunk 40 ms later, both ways, 4 s", _line(_PG, _slow(0.04), 4.0)),
    Case("PostgreSQL thin", _PG, "150 kB/s a connection, 4 s", _line(_PG, _thin(150_000), 4.0)),
    Case("PostgreSQL connections reset", _PG, "RST to all, 5 times in 4 s", _resets(_PG, 5, 0.8)),
    Case("PostgreSQL half-open, comes back", _PG, "nothing passes for 3 s", _frozen(_PG, 3.0, dies=False)),
    Case("PostgreSQL half-open, is dead", _PG, "nothing passes for 3 s, then RST", _frozen(_PG, 3.0, dies=True)),
    Case("PostgreSQL away", _PG, "refuses connections for 3 s", _refused(_PG, 3.0)),
    Case("PostgreSQL's answers lost", _PG, "commits without an answer, then RST, 3 times", _unanswered(_PG, 3)),
    Case("PostgreSQL ends sessions", _PG, "pg_terminate_backend of all of ours", _sessions_ended),
    Case("PostgreSQL crashes", _PG, "kill -9 of a backend: crash recovery", _backend_killed),
    Case("PostgreSQL out of connections", _PG, "strangers hold all for 3 s, ours are cut", _no_connections_left),
    Case("PostgreSQL tables locked", _PG, "ACCESS EXCLUSIVE on three queues, 3 s", _tables_locked),
    Case("PostgreSQL old snapshot", _PG, "a transaction held open during the load", _old_snapshot),
    Case("Redis slow", _RD, "every chunk 200 ms later, 4 s", _line(_RD, _slow(0.2), 4.0)),
    Case("Redis thin", _RD, "20 kB/s a connection, 4 s", _line(_RD, _thin(20_000), 4.0)),
    Case("Redis connections reset", _RD, "RST to all, 5 times in 4 s", _resets(_RD, 5, 0.8)),
    Case("Redis half-open", _RD, "nothing passes for 4 s, then RST", _frozen(_RD, 4.0, dies=True)),
    Case("Redis away", _RD, "refuses connections for 4 s", _refused(_RD, 4.0)),
    Case("Redis answers lost", _RD, "commands without an answer, then RST, 3 times", _unanswered(_RD, 3)),
    Case("Redis wiped", _RD, "FLUSHALL, twice", _flushed),
    Case("Redis killed", _RD, "kill -9, back after 2 s", _redis_killed),
    Case("consumer group deleted", _RD, "XGROUP DESTROY on every shard", _groups_destroyed),
    Case("consumer behind the trim point", _RD, "streams emptied 10 times a second, 4 s", _streams_trimmed),
    Case("graph slow", _GR, "every chunk 300 ms later, 4 s", _line(_GR, _slow(0.3), 4.0)),
    Case("graph connections reset", _GR, "RST to all, 5 times in 4 s", _resets(_GR, 5, 0.8)),
    Case("graph half-open", _GR, "nothing passes for 4 s, then RST", _frozen(_GR, 4.0, dies=True)),
    Case("graph away", _GR, "refuses connections for 4 s", _refused(_GR, 4.0)),
    Case("model slow", _ML, "every chunk 1 s later, 4 s", _line(_ML, _slow(1.0), 4.0)),
    Case("model connections reset", _ML, "RST to all, 5 times in 4 s", _resets(_ML, 5, 0.8)),
    Case("model half-open", _ML, "nothing passes for 4 s, then RST", _frozen(_ML, 4.0, dies=True)),
    Case("model away", _ML, "refuses connections for 4 s", _refused(_ML, 4.0)),
    Case("messenger slow", _MS, "every chunk 1 s later, 4 s", _line(_MS, _slow(1.0), 4.0)),
    Case("messenger thin", _MS, "2 kB/s a connection, 4 s", _line(_MS, _thin(2_000), 4.0)),
    Case("messenger connections reset", _MS, "RST to all, 5 times in 4 s", _resets(_MS, 5, 0.8)),
    Case("messenger half-open", _MS, "nothing passes for 4 s, then RST", _frozen(_MS, 4.0, dies=True)),
    Case("messenger away", _MS, "refuses connections for 4 s", _refused(_MS, 4.0)),
    Case("messenger's answers lost", _MS, "requests arrive, answers vanish, then RST, 3 times", _unanswered(_MS, 3)),
)

"""A pool that dies, or loses its connection, at the n-th statement of a role.

Each statement has two points: just before it is sent and just after its effect, before the role hears of it. BEGIN and
COMMIT are statements too. A dead pool never answers again, as a killed process never goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import asyncpg

from battcrm.infra.postgres import UNAVAILABLE, Pool

_GONE: Final = """
SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1::int[]) /* all tenants: the server's own view */
"""


class Fault(StrEnum):
    """What happens at the point. A dropped connection may or may not have carried the statement out."""

    DIE = "die"
    DROP = "drop"


@dataclass
class Traffic:
    """What all pools of a bench share: how many statements are on their way right now."""

    busy: int = 0


@dataclass
class _Armed:
    left: int
    fault: Fault


@dataclass
class FaultyPool:
    """One role's view of the database. `fired` says whether the armed fault has happened."""

    real: Pool
    traffic: Traffic
    dead: bool = False
    fired: bool = False
    points: int = 0
    _armed: _Armed | None = None
    _open: set[Any] = field(default_factory=set)

    def arm(self, after: int, fault: Fault) -> None:
        """The fault comes at the point number `after` from now, 0 = the next one."""
        self._armed, self.fired = _Armed(after, fault), False

    def disarm(self) -> None:
        """No fault comes any more."""
        self._armed = None

    async def kill(self) -> None:
        """Nothing gets through from now on; the server has forgotten the open connections when this returns."""
        self.dead = True
        self._armed = None
        pids = [raw.get_server_pid() for raw in self._open if not raw.is_closed()]
        for raw in list(self._open):
            raw.terminate()
        await self.gone(pids)

    async def gone(self, pids: list[int]) -> None:
        """Return when the server has forgotten these backends."""
        while pids and await self._still_there(pids):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)

    async def _still_there(self, pids: list[int]) -> bool:
        """Does the server still know one of these backends? Asked anew when the asker's own connection was cut."""
        try:
            return bool(await self.real.fetchval(_GONE, pids))
        except UNAVAILABLE:
            return True

    def acquire(self) -> Any:
        """An async context manager with a connection, as asyncpg's."""
        return self._acquired()

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        async with self._acquired() as connection:
            return await connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        async with self._acquired() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        async with self._acquired() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        async with self._acquired() as connection:
            return await connection.execute(query, *arguments)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[FaultyConnection]:
        await self._living()
        proxy: Any = await self.counted(self.real.take)
        # The proxy forgets the connection when it is released.
        raw = proxy._con
        self._open.add(raw)
        try:
            yield FaultyConnection(self, proxy)
        except BaseException as error:
            self._open.discard(raw)
            await self.counted(self.real.give_back, proxy, error)
            raise
        self._open.discard(raw)
        await self.counted(self.real.give_back, proxy)

    async def point(self, raw: Any) -> None:
        """A place between two statements, where a fault may come."""
        await self._living()
        self.points += 1
        armed = self._armed
        if armed is None:
            return
        armed.left -= 1
        if armed.left >= 0:
            return
        self._armed, self.fired = None, True
        if armed.fault is Fault.DIE:
            self.dead = True
            await self._living()
        raw.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def run(self, raw: Any, call: Any, *arguments: Any) -> Any:
        """One statement with its two points."""
        await self.point(raw)
        result = await self.counted(call, *arguments)
        await self.point(raw)
        return result

    async def counted(self, call: Any, *arguments: Any) -> Any:
        """A call to the server that counts as traffic."""
        self.traffic.busy += 1
        try:
            return await call(*arguments)
        finally:
            self.traffic.busy -= 1

    async def _living(self) -> None:
        if self.dead:
            await asyncio.get_running_loop().create_future()


class FaultyConnection:
    """A connection of a FaultyPool."""

    def __init__(self, pool: FaultyPool, raw: Any) -> None:
        self._pool = pool
        self._raw = raw

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        return await self._pool.run(self._raw, self._raw.fetch, query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        return await self._pool.run(self._raw, self._raw.fetchrow, query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        return await self._pool.run(self._raw, self._raw.fetchval, query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> Any:
        """As asyncpg's."""
        return await self._pool.run(self._raw, self._raw.execute, query, *arguments)

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:
        """As asyncpg's; nothing reaches the server from a dead role, not even a rollback."""
        transaction = self._raw.transaction(**options)
        await self._pool.run(self._raw, transaction.start)
        finished = False
        try:
            yield
            finished = True
        finally:
            if not finished and not self._pool.dead and not self._raw.is_closed():
                await self._pool.counted(transaction.rollback)
        await self._pool.run(self._raw, transaction.commit)

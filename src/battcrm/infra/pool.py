"""A stack of ready connections in front of the driver's pool.

The driver's own pool ends each use in a task of its own, which costs turns of the event loop on the way of every message.
A connection that comes back in order is given out again at once; all else (an interrupted statement, an open transaction,
a lost server) is left to the driver's pool, which knows how to mend or replace it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy


class Pool:
    """At most `maximum` connections at once; who finds none free waits its turn. The driver's pool must allow as many."""

    def __init__(self, driver: asyncpg.Pool, maximum: int) -> None:
        self._driver = driver
        self._room = maximum
        self._idle: list[PoolConnectionProxy] = []
        self._waiting: deque[asyncio.Future[PoolConnectionProxy | None]] = deque()
        self._closing = False

    def acquire(self) -> _Lease:
        """An async context manager that lends a connection."""
        return _Lease(self)

    async def take(self) -> PoolConnectionProxy:
        """A connection to be given back. InterfaceError when the pool is closed."""
        while self._idle:
            connection = self._idle.pop()
            if not _lost(connection):
                return connection
            await self.give_back(connection)
        if self._room <= 0:
            handed = await self._handed()
            if handed is not None:
                return handed
        else:
            self._room -= 1
        try:
            taken: PoolConnectionProxy = await self._driver.acquire()
        except BaseException:
            self._vacate()
            raise
        return taken

    async def give_back(self, connection: PoolConnectionProxy, error: BaseException | None = None) -> None:
        """Return what was taken; `error` is how its use ended."""
        if self._in_order(connection, error):
            self._hand(connection)
            return
        try:
            await self._driver.release(connection)
        finally:
            self._vacate()

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[Any]:
        """The rows of one statement; TimeoutError after `timeout` seconds, the pool's own limit if not given."""
        async with _Lease(self) as connection:
            rows: list[Any] = await connection.fetch(query, *arguments, timeout=timeout)
            return rows

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        """The first row of one statement, or None."""
        async with _Lease(self) as connection:
            return await connection.fetchrow(query, *arguments, timeout=timeout)

    async def fetchval(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        """The first value of the first row of one statement, or None."""
        async with _Lease(self) as connection:
            return await connection.fetchval(query, *arguments, timeout=timeout)

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        """Run one statement, or a script without arguments; the status of the last."""
        async with _Lease(self) as connection:
            status: str = await connection.execute(query, *arguments, timeout=timeout)
            return status

    async def close(self) -> None:
        """Wait for the connections in use, then close all."""
        self._closing = True
        while self._idle:
            await self.give_back(self._idle.pop())
        await self._driver.close()

    def terminate(self) -> None:
        """Close all connections at once, those in use too."""
        self._closing = True
        self._driver.terminate()

    def _in_order(self, connection: PoolConnectionProxy, error: BaseException | None) -> bool:
        """An interrupted statement may still be on its way; only the driver can see that."""
        interrupted = error is not None and not isinstance(error, asyncpg.PostgresError)
        return not (interrupted or self._closing or _lost(connection) or connection.is_in_transaction())

    async def _handed(self) -> PoolConnectionProxy | None:
        """Wait for a connection, or for the room of one (None)."""
        waiter: asyncio.Future[PoolConnectionProxy | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It came too late for us: the next one has it.
                connection = waiter.result()
                if connection is None:
                    self._vacate()
                else:
                    self._hand(connection)
            raise

    def _hand(self, connection: PoolConnectionProxy) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def _vacate(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._room += 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[PoolConnectionProxy | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None


def _lost(connection: PoolConnectionProxy) -> bool:
    """Has the server, or the way to it, gone? The driver takes a connection away from whoever has it then."""
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:
        return True
    return closed


class _Lease:
    """One use of a connection."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: PoolConnectionProxy | None = None

    async def __aenter__(self) -> PoolConnectionProxy:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.give_back(connection, error)

"""Servers shared by many histories: pools stay open, tables are emptied in between."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import redis as redis_sync

from battcrm.devkit.faults.bench import Bench, end, pools
from battcrm.devkit.faults.messenger import KIND, Messenger
from battcrm.events.bus import RedisBus
from battcrm.infra.redis import open_redis
from battcrm.transport import registry
from tests.support.waiting import PATIENCE

_UNPUBLISHED = "SELECT type FROM outbox WHERE published_at IS NULL"
_UNTOLD = """
SELECT m.external_id FROM message m WHERE m.direction = 'in' AND m.kind = 'message' AND NOT EXISTS (
  SELECT 1 FROM outbox o WHERE o.tenant_id = m.tenant_id AND o.type = 'message.received'
  AND o.data->>'message_id' = m.message_id::text)
"""


class Place:
    """One loop, one database, one Redis."""

    def __init__(self, pg_url: str, redis_url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._redis_url = redis_url
        self._stack = contextlib.AsyncExitStack()
        self.loop.run_until_complete(self._enter(pg_url))

    async def _enter(self, pg_url: str) -> None:
        self._own, self._real = await self._stack.enter_async_context(pools(pg_url))
        self._redis = open_redis(self._redis_url, connect_timeout=PATIENCE)
        self._stack.push_async_callback(self._redis.aclose)

    def open(self, *, together: bool) -> Bench:
        """A bench on empty tables; `together`: work is handed over inside a process."""
        return self.loop.run_until_complete(self._open(together))

    async def _open(self, together: bool) -> Bench:
        await self._own.execute("SELECT test_support.wipe()")
        messenger = Messenger()
        messenger.connect()
        return Bench(self._own, self._real, messenger, RedisBus(self._redis), together=together)

    def close(self, world: Bench) -> None:
        """End a history."""
        registry.unregister(KIND)
        self.loop.run_until_complete(end(world))

    def wipe_redis(self) -> None:
        """FLUSHDB: this worker's part of the server."""
        with redis_sync.Redis.from_url(self._redis_url, socket_timeout=PATIENCE) as client:
            client.flushdb()

    def untold(self) -> list[Any]:
        """Events that never left, and stored messages that no event speaks of."""
        return self.loop.run_until_complete(self._untold())

    async def _untold(self) -> list[Any]:
        return [*await self._own.fetch(_UNPUBLISHED), *await self._own.fetch(_UNTOLD)]

    def leave(self) -> None:
        """Close everything."""
        self.loop.run_until_complete(self._stack.aclose())
        self.loop.close()

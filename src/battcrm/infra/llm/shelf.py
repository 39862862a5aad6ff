"""Answers kept in Redis for other processes: read and written in batches, so that a burst of questions is one call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from battcrm.infra.batcher import Batcher

_REDIS_S: Final = 0.05
_WRITE_PACE_S: Final = 0.05


class Store(Protocol):
    """The part of a Redis client that is used."""

    def pipeline(self, *, transaction: bool) -> Any: ...


class Shelf:
    """Bytes by name for `ttl` seconds. A store that is slow or away is an empty one: nothing here raises."""

    def __init__(self, store: Store, ttl: int) -> None:
        self._store, self._ttl = store, ttl
        self._reads: Batcher[str, bytes | None] = Batcher(self._read)
        self._writes: Batcher[tuple[str, bytes], None] = Batcher(self._write, pace=_WRITE_PACE_S)

    async def get(self, name: str) -> bytes | None:
        """What is kept under the name, within some 50 ms."""
        return await self._reads.submit(name)

    def put(self, name: str, value: bytes) -> None:
        """Keep the value, soon; nobody waits for it."""
        self._writes.post((name, value))

    async def drain(self) -> None:
        """Wait until what was put is written, or was tried."""
        await self._writes.drain()

    async def _read(self, names: Sequence[str]) -> Sequence[bytes | None]:
        found = await self._call([("GET", name) for name in names])
        return [value if isinstance(value, bytes) else None for value in found]

    async def _write(self, items: Sequence[tuple[str, bytes]]) -> Sequence[None]:
        await self._call([("SET", name, value, "EX", self._ttl) for name, value in items])
        return [None] * len(items)

    async def _call(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Every command's answer; what failed has an exception or None in its place."""
        try:
            async with asyncio.timeout(_REDIS_S), self._store.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return list(await pipe.execute(raise_on_error=False))
        except Exception:  # noqa: BLE001 - a cache may fail in any way; the model is then asked
            return [None] * len(commands)

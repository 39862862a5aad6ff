"""Looking at every event as it passes, outside any group: for caches, which each process has of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from redis.asyncio import Redis

from battcrm.events.bus import START, Packed, packed_of, stream
from battcrm.infra.redis import AWAY
from battcrm.kit.clock import Clock

log = structlog.get_logger(__name__)
_BLOCK_MS: Final = 5_000
_COUNT: Final = 1_000
# A cache may be so much behind; what passes meanwhile is read at once.
_PAUSE: Final = 0.2


class Tail:
    """Hands over the events of some types from now on, packed as they are. What passes while Redis is away is not seen: caches have a TTL."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        shards: int,
        types: Sequence[str],
        seen: Callable[[Sequence[Packed]], None],
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._types = frozenset(types)
        self._seen = seen
        self._positions: dict[str, str | None] = {stream(shard): None for shard in range(shards)}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.step(_BLOCK_MS)
                await self._clock.sleep(_PAUSE)
            except AWAY as error:
                log.warning("tail.redis", error=type(error).__name__)
                await self._clock.sleep(1.0)

    async def step(self, block_ms: int) -> int:
        """One read; how many events were handed over. The first finds out where the streams end now, and reads on from there."""
        for key, place in self._positions.items():
            if place is None:
                last: Any = await self._redis.xrevrange(key, count=1)
                self._positions[key] = _text(last[0][0]) if last else START
        positions: dict[Any, Any] = dict(self._positions)
        answer: Any = await self._redis.xread(positions, count=_COUNT, block=block_ms)
        events: list[Packed] = []
        for key, entries in answer or ():
            for place, fields in entries:
                self._positions[_text(key)] = _text(place)
                packed = packed_of(fields)
                if packed is not None and packed.type in self._types:
                    events.append(packed)
        if events:
            self._seen(events)
        return len(events)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

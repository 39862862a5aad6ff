"""The list in Redis: elements are moved to a list of this process, and leave that only when PostgreSQL has them.

Every key lies in the hash slot of the shared list, so that all of it works on Redis Cluster too:
`{Q}:processing:W` holds what worker W has taken and not yet stored, `{Q}:processing` names these lists, and
`{Q}:alive:W` expires when W has died. Whoever finds the list of a dead worker stores what is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.asyncio import Redis

from battcrm.infra.redis import AWAY
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid, Transient
from battcrm.migration.queue.settings import Side

_CALL_S: Final = 5.0
_ALIVE_S: Final = 30
_BEAT_S: Final = 5.0
_MOST: Final = 256
_PAGE: Final = 500
FAILURES: Final = (*AWAY, TimeoutError)


@dataclass(frozen=True, slots=True)
class Batch:
    """Elements and the list that holds them until they are settled."""

    raws: tuple[bytes, ...]
    key: str = ""

    def __bool__(self) -> bool:
        return bool(self.raws)


class Source(Protocol):
    """Where tasks come from. Every call raises Transient while Redis is away."""

    async def take(self) -> Batch:
        """What is there now, perhaps nothing. What was taken comes again unless it is settled."""
        ...

    async def orphans(self) -> Sequence[Batch]:
        """What dead workers had taken and not settled."""
        ...

    async def settle(self, batch: Batch) -> None:
        """These are stored."""
        ...

    async def leave(self) -> None:
        """Take nothing more from now on."""
        ...


def tag_of(queue: str) -> str:
    """A prefix that puts keys into the slot of `queue`. Invalid for the few names that allow none."""
    opening = queue.find("{")
    closing = queue.find("}", opening + 1) if opening >= 0 else -1
    if closing > opening + 1:
        return queue
    if "}" in queue:
        raise Invalid(f"the list's name {queue!r} has a brace that hash tags do not allow", field="queue")
    return "{" + queue + "}"


async def _within(call: Awaitable[Any]) -> Any:
    """Nobody waits long for Redis."""
    try:
        async with asyncio.timeout(_CALL_S):
            return await call
    except FAILURES as error:
        raise Transient(f"Redis is not available: {type(error).__name__}", code="redis") from error


class TakenList:
    """Takes elements away. `pushed` is the side the other system pushes to; the oldest element is taken first."""

    def __init__(self, redis: Redis, queue: str, pushed: Side, clock: Clock, worker: str) -> None:
        self._redis, self._clock = redis, clock
        self._queue, self._from = queue, pushed.other.value.upper()
        tag = tag_of(queue)
        self._registry = f"{tag}:processing"
        self._alive = f"{tag}:alive:"
        self._worker = worker
        self._own = f"{self._registry}:{worker}"
        self._beat = float("-inf")
        self._ask = 1
        self._doubt = False

    @property
    def processing(self) -> str:
        """The key of this process's own list."""
        return self._own

    async def take(self) -> Batch:
        """Move what is there, at most some hundreds, in one transaction with the note that this list exists."""
        if self._doubt:
            # An answer was lost: what it said we hold stands in our list.
            found = await self._all(self._own)
            self._doubt = False
            if found:
                return Batch(tuple(found), self._own)
        try:
            answers: list[Any] = await _within(self._move())
        except BaseException:
            self._doubt = True
            raise
        taken = tuple(answer for answer in answers if isinstance(answer, bytes))
        self._ask = min(_MOST, self._ask * 2) if len(taken) == self._ask else max(1, len(taken))
        return Batch(taken, self._own)

    async def _move(self) -> list[Any]:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.sadd(self._registry, self._own)
            now = self._clock.monotonic()
            if now - self._beat >= _BEAT_S:
                pipe.set(self._alive + self._worker, b"1", ex=_ALIVE_S)
                self._beat = now
            for _ in range(self._ask):
                pipe.lmove(self._queue, self._own, self._from, "LEFT")
            return await pipe.execute()

    async def settle(self, batch: Batch) -> None:
        """Drop these from the list that holds them; the others there stay."""

        async def run() -> None:
            async with self._redis.pipeline(transaction=False) as pipe:
                for raw in batch.raws:
                    pipe.lrem(batch.key, 1, raw)  # type: ignore[arg-type]  # the library's types know text alone
                await pipe.execute()

        await _within(run())

    async def orphans(self) -> Sequence[Batch]:
        """Everything in the lists of workers that have died; their empty lists are forgotten."""
        found = []
        for key in await self._abandoned():
            held = await self._all(key)
            if held:
                found.append(Batch(tuple(held), key))
            else:
                await _within(self._redis.srem(self._registry, key))
        return found

    async def leave(self) -> None:
        """Whoever comes next need not wait until this worker is known to be dead."""
        await _within(self._redis.delete(self._alive + self._worker))

    async def _abandoned(self) -> list[str]:
        names: set[bytes] = await _within(self._redis.smembers(self._registry))
        gone = []
        for key in sorted(name.decode() for name in names):
            worker = key.removeprefix(f"{self._registry}:")
            if key != self._own and not await _within(self._redis.exists(self._alive + worker)):
                gone.append(key)
        return gone

    async def _all(self, key: str) -> list[bytes]:
        found: list[bytes] = []
        while True:
            page: list[bytes] = await _within(self._redis.lrange(key, len(found), len(found) + _PAGE - 1))
            found += page
            if len(page) < _PAGE:
                return found


class PeekedList:
    """Looks at the list and takes nothing away. An element that comes and goes between two looks is never seen."""

    def __init__(self, redis: Redis, queue: str, *, most: int = 10_000) -> None:
        self._redis, self._queue, self._most = redis, queue, most
        self._seen: frozenset[bytes] = frozenset()

    async def take(self) -> Batch:
        """Elements that were not there at the last look."""
        present: list[bytes] = await _within(self._redis.lrange(self._queue, 0, self._most - 1))
        self._seen &= frozenset(present)
        return Batch(tuple(raw for raw in dict.fromkeys(present) if raw not in self._seen))

    async def settle(self, batch: Batch) -> None:
        """They need not be seen again while they stand in the list."""
        self._seen |= frozenset(batch.raws)

    async def orphans(self) -> Sequence[Batch]:
        """None: nothing was taken."""
        return ()

    async def leave(self) -> None:
        """Nothing to leave."""

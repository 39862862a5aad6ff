"""A small in-process cache: bounded, timed, invalidated by event, one load per key at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class LocalCache(Generic[V]):
    """Values by key, each under a group (such as tenant + brand) that an event can drop at once.

    `now` is the caller's monotonic time in seconds, so that the cache itself needs no clock call on the hot path.
    """

    def __init__(self, *, ttl: float, maximum: int) -> None:
        self._ttl = ttl
        self._maximum = maximum
        self._values: OrderedDict[Hashable, tuple[float, Hashable, V]] = OrderedDict()
        self._groups: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        self._epochs: dict[Hashable, int] = {}
        self._drops = 0
        self._loading: dict[Hashable, asyncio.Future[V]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, now: float) -> V | None:
        """The value if it is there and fresh."""
        entry = self._values.get(key)
        if entry is None or entry[0] <= now:
            return None
        return entry[2]

    def mark(self, group: Hashable) -> int:
        """Take before reading what will be `put`: shows whether the group was dropped in between."""
        return self._epochs.get(group, 0)

    def put(self, key: Hashable, group: Hashable, value: V, now: float, mark: int) -> None:
        """Keep a value unless its group was dropped since `mark`; the oldest entries give way."""
        if self.mark(group) != mark:
            return
        self._remove(key)
        self._values[key] = (now + self._ttl, group, value)
        self._groups[group].add(key)
        while len(self._values) > self._maximum:
            self._remove(next(iter(self._values)))

    def drop(self, group: Hashable) -> int:
        """Forget a group; a load under way for it is not kept either. Returns how many entries went."""
        self._drops += 1
        self._epochs.pop(group, None)
        self._epochs[group] = self._drops
        while len(self._epochs) > self._maximum:
            del self._epochs[next(iter(self._epochs))]
        keys = list(self._groups.get(group, ()))
        for key in keys:
            self._remove(key)
        return len(keys)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._groups.clear()

    async def load(
        self, key: Hashable, group: Hashable, read: Callable[[], Awaitable[V]], now: Callable[[], float]
    ) -> V:
        """The cached value, or the result of `read`, called once however many wait. Its error goes to all of them."""
        while True:
            found = self.get(key, now())
            if found is not None:
                return found
            pending = self._loading.get(key)
            if pending is None:
                return await self._lead(key, group, read, now)
            try:
                return await asyncio.shield(pending)
            except asyncio.CancelledError:
                if not pending.cancelled():
                    raise  # it is us who were cancelled, not the one that loads

    async def _lead(
        self, key: Hashable, group: Hashable, read: Callable[[], Awaitable[V]], now: Callable[[], float]
    ) -> V:
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._loading[key] = future
        mark = self.mark(group)
        try:
            value = await read()
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # nobody may be waiting; it is not an unhandled error then
            else:
                future.cancel()
            raise
        else:
            self.put(key, group, value, now(), mark)
            future.set_result(value)
            return value
        finally:
            self._loading.pop(key, None)

    def _remove(self, key: Hashable) -> None:
        entry = self._values.pop(key, None)
        if entry is None:
            return
        members = self._groups.get(entry[1])
        if members is not None:
            members.discard(key)
            if not members:
                del self._groups[entry[1]]

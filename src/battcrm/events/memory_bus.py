"""The bus in memory, for tests and for trying layers without a server. Holds the same contract as RedisBus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from battcrm.events.bus import START, Claimed, Delivery, Entry, GroupState, Packed
from battcrm.events.bus_calls import GroupMissing
from battcrm.kit.clock import Clock

_Place = tuple[int, int]


@dataclass(slots=True)
class _Pending:
    worker: str
    since: float
    attempts: int


@dataclass(slots=True)
class _Group:
    last: _Place
    read: int
    pending: dict[_Place, _Pending] = field(default_factory=dict)


@dataclass(slots=True)
class _Stream:
    entries: dict[_Place, Packed] = field(default_factory=dict)
    last: _Place = (0, 0)
    added: int = 0
    groups: dict[str, _Group] = field(default_factory=dict)


class MemoryBus:
    """Streams of one process. `wipe` forgets everything, as FLUSHALL does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[int, _Stream] = {}
        self._changed = asyncio.Condition()
        self._generation = 1

    async def wipe(self) -> None:
        """Lose all streams and groups."""
        self._streams.clear()
        self._generation += 1
        async with self._changed:
            self._changed.notify_all()

    async def publish(self, shard: int, events: Sequence[Packed]) -> None:
        """Append."""
        found = self._streams.setdefault(shard, _Stream())
        millis = int(self._clock.now().timestamp() * 1000)
        for event in events:
            found.last = (millis, 0) if millis > found.last[0] else (found.last[0], found.last[1] + 1)
            found.entries[found.last] = event
            found.added += 1
        async with self._changed:
            self._changed.notify_all()

    async def read(
        self, group: str, worker: str, shards: Sequence[int], *, count: int, block: float
    ) -> Sequence[Delivery]:
        """Wait for new entries."""
        try:
            async with asyncio.timeout(block), self._changed:
                while True:
                    found = [d for s in shards if (d := self._new(group, worker, s, count)).entries]
                    if found:
                        return found
                    await self._changed.wait()
        except TimeoutError:
            return []

    def _new(self, group: str, worker: str, shard: int, count: int) -> Delivery:
        source, mine = self._find(group, shard)
        places = [place for place in source.entries if place > mine.last][:count]
        now = self._clock.monotonic()
        before = mine.read
        for place in places:
            mine.pending[place] = _Pending(worker, now, 1)
            mine.last = place
            # As Valkey counts: what was trimmed before it counts as read.
            mine.read = max(mine.read + 1, source.added - len(source.entries) + 1)
        entries = tuple(Entry(_id(p), source.entries[p]) for p in places)
        return Delivery(shard, entries, gap=mine.read - before != len(places))

    async def reread(self, group: str, worker: str, shard: int, *, count: int) -> Delivery:
        """The worker's own pending entries."""
        source, mine = self._find(group, shard)
        places = sorted(p for p, held in mine.pending.items() if held.worker == worker)[:count]
        for place in places:
            mine.pending[place].attempts += 1
            mine.pending[place].since = self._clock.monotonic()
        return Delivery(shard, tuple(Entry(_id(p), source.entries.get(p)) for p in places))

    async def claim(
        self, group: str, worker: str, shard: int, *, idle: float, count: int, start: str = START
    ) -> Claimed:
        """Take over; trimmed entries leave the pending list, as XAUTOCLAIM has it."""
        source, mine = self._find(group, shard)
        now = self._clock.monotonic()
        stale = sorted(p for p, h in mine.pending.items() if p >= _place(start) and now - h.since >= idle)
        taken, rest = stale[:count], stale[count:]
        gone = [p for p in taken if p not in source.entries]
        for place in gone:
            del mine.pending[place]
        kept = [p for p in taken if p in source.entries]
        for place in kept:
            mine.pending[place] = _Pending(worker, now, mine.pending[place].attempts + 1)
        entries = [Entry(_id(p), source.entries[p]) for p in kept] + [Entry(_id(p), None) for p in gone]
        attempts = {_id(p): mine.pending[p].attempts for p in kept}
        return Claimed(tuple(entries), attempts, _id(rest[0]) if rest else START)

    async def excuse(self, group: str, worker: str, shard: int, ids: Sequence[str]) -> None:
        """What the worker holds already stays with it."""
        _, mine = self._find(group, shard)
        for id_ in ids:
            mine.pending[_place(id_)] = _Pending(worker, self._clock.monotonic(), 0)

    async def ack(self, group: str, shard: int, ids: Sequence[str]) -> None:
        """Finished."""
        source = self._streams.get(shard)
        if source is not None and group in source.groups:
            for id_ in ids:
                source.groups[group].pending.pop(_place(id_), None)

    async def ensure_group(self, group: str, shard: int) -> bool:
        """From now on."""
        found = self._streams.setdefault(shard, _Stream())
        if group in found.groups:
            return False
        found.groups[group] = _Group(found.last, found.added)
        return True

    async def destroy_group(self, group: str, shard: int) -> None:
        """What an administrator may do by accident."""
        self._streams[shard].groups.pop(group, None)

    async def state(self, group: str, shard: int) -> GroupState:
        """How far."""
        source, mine = self._find(group, shard)
        trimmed = source.added - len(source.entries)
        first = min(mine.pending) if mine.pending else mine.last
        drained = not mine.pending and mine.last == source.last
        lost = max(0, trimmed - mine.read)
        return GroupState(lost, trimmed, len(mine.pending), drained, source.entries.get(first))

    async def forgive(self, group: str, shard: int, trimmed: int) -> None:
        """Trimmed entries count as read."""
        source, mine = self._find(group, shard)
        mine.read = source.added if mine.last == source.last else max(mine.read, trimmed)

    async def tidy(self, group: str, shard: int, *, idle: float) -> int:
        """Workers are known here by what they hold alone."""
        self._find(group, shard)
        del idle
        return 0

    async def trim(self, shard: int, *, before: datetime, maximum: int) -> int:
        """Exactly what was asked for."""
        source = self._streams.get(shard)
        if source is None:
            return 0
        border = (int(before.timestamp() * 1000), 0)
        places = list(source.entries)
        doomed = {p for p in places if p < border} | set(places[: max(0, len(places) - maximum)])
        for place in doomed:
            del source.entries[place]
        return len(doomed)

    async def generation(self, shard: int) -> str:
        """Grows with every wipe."""
        return f"{shard}.{self._generation}"

    def _find(self, group: str, shard: int) -> tuple[_Stream, _Group]:
        source = self._streams.get(shard)
        if source is None or group not in source.groups:
            raise GroupMissing(f"no group {group} on shard {shard}")
        return source, source.groups[group]


def _id(place: _Place) -> str:
    return f"{place[0]}-{place[1]}"


def _place(id_: str) -> _Place:
    millis, _, number = id_.partition("-")
    return int(millis), int(number or 0)

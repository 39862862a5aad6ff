"""The event bus: ordered streams, one a shard, read by consumer groups. Carries events, never remembers for us.

Needs only the base commands of Redis >= 7.0 (Valkey, Redis Cluster). What the bus loses, consumers find in the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import orjson
from redis.asyncio import Redis

from battcrm.events.bus_calls import LIMIT, GroupExists, GroupMissing, call
from battcrm.events.catalogue import Envelope

START: Final = "0-0"
_TYPE: Final = b"t"
_BODY: Final = b"e"
_ONLY: Final = b"c"


@dataclass(frozen=True, slots=True)
class Packed:
    """An event ready for the bus: its type in the clear, so that nobody decodes what he does not follow."""

    type: str
    body: bytes
    only: str = ""

    def about(self) -> tuple[str, dict[str, Any]]:
        """The tenant's id as text, and the data: for who looks at much and keeps little. Raises as `event` does."""
        d = orjson.loads(self.body)
        return d["t"], d["d"]

    def event(self) -> Envelope:
        """The event again. ValueError, KeyError or TypeError for bytes that `pack` did not write."""
        d = orjson.loads(self.body)
        return Envelope(
            event_id=UUID(d["i"]),
            tenant_id=UUID(d["t"]),
            type=self.type,
            version=d["v"],
            key=UUID(d["k"]),
            data=d["d"],
            occurred_at=datetime.fromisoformat(d["o"]),
            seq=d["s"],
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in a stream. `packed` is None when the entry was trimmed away after it had been delivered."""

    id: str
    packed: Packed | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Entries of one shard, in the order of the stream. `gap`: before them others were trimmed that nobody had read."""

    shard: int
    entries: tuple[Entry, ...]
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """Entries taken over from workers that died; `attempts` counts deliveries by entry id; `next` continues."""

    entries: tuple[Entry, ...]
    attempts: Mapping[str, int]
    next: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """`lost`: entries trimmed before the group read them; after its next read that one alone tells (`Delivery.gap`).

    `trimmed`: all that were ever trimmed. `oldest`: where unfinished work begins, if it is known. `drained`: nothing
    unread and nothing unfinished.
    """

    lost: int
    trimmed: int
    pending: int
    drained: bool
    oldest: Packed | None


class EventBus(Protocol):
    """What relay and consumers need. Raises Transient when the server is away and GroupMissing where it says so."""

    async def publish(self, shard: int, events: Sequence[Packed]) -> None:
        """Append events in order, all or none (after a lost answer perhaps all of them twice)."""
        ...

    async def read(
        self, group: str, worker: str, shards: Sequence[int], *, count: int, block: float
    ) -> Sequence[Delivery]:
        """New entries, at most `count` a shard; waits up to `block` seconds for the first. May raise GroupMissing.

        What was trimmed unread is told once, by the read that comes after it: `gap`.
        """
        ...

    async def reread(self, group: str, worker: str, shard: int, *, count: int) -> Delivery:
        """What was delivered to this worker and not acknowledged, oldest first. May raise GroupMissing."""
        ...

    async def claim(
        self, group: str, worker: str, shard: int, *, idle: float, count: int, start: str = START
    ) -> Claimed:
        """Take over what has been unfinished for `idle` seconds. May raise GroupMissing."""
        ...

    async def excuse(self, group: str, worker: str, shard: int, ids: Sequence[str]) -> None:
        """Count the deliveries of these entries, which the worker holds, from none again."""
        ...

    async def ack(self, group: str, shard: int, ids: Sequence[str]) -> None:
        """Finished. Unknown ids are ignored."""
        ...

    async def ensure_group(self, group: str, shard: int) -> bool:
        """Make the group, reading from now on, unless it is there. True if it was made."""
        ...

    async def state(self, group: str, shard: int) -> GroupState:
        """How far the group is. May raise GroupMissing."""
        ...

    async def forgive(self, group: str, shard: int, trimmed: int) -> None:
        """Count the first `trimmed` entries as read: somebody has caught up from the outbox since these were trimmed."""
        ...

    async def tidy(self, group: str, shard: int, *, idle: float) -> int:
        """Forget workers that hold nothing and were not seen for `idle` seconds; returns how many."""
        ...

    async def trim(self, shard: int, *, before: datetime, maximum: int) -> int:
        """Drop entries older than `before` and all but about the last `maximum`; returns how many."""
        ...

    async def generation(self, shard: int) -> str:
        """Changes whenever the server may have forgotten something: it was wiped, restarted or replaced."""
        ...


def pack(event: Envelope, *, only: str = "") -> Packed:
    """Pack for the bus. With `only` nobody but that consumer takes it, even if it did so before."""
    return pack_text(
        event.event_id,
        event.tenant_id,
        event.type,
        event.version,
        event.key,
        orjson.dumps(event.data),
        event.occurred_at,
        event.seq,
        only=only,
    )


def pack_text(
    event_id: UUID,
    tenant_id: UUID,
    type_: str,
    version: int,
    key: UUID,
    data: bytes | str,
    occurred_at: datetime,
    seq: int,
    *,
    only: str = "",
) -> Packed:
    """The same with the data as the JSON text that the database returned: the relay's hot path parses nothing."""
    body = {
        "i": str(event_id),
        "t": str(tenant_id),
        "v": version,
        "k": str(key),
        "d": orjson.Fragment(data),
        "o": occurred_at.isoformat(),
        "s": seq,
    }
    return Packed(type_, orjson.dumps(body), only)


def stream(shard: int) -> str:
    """Key of a shard's stream. The hash tag keeps all keys of a shard on one cluster node."""
    return f"events:{{{shard}}}"


class RedisBus:
    """Streams of one Redis or Valkey. `spread`: a cluster, which refuses a read over several shards at once."""

    def __init__(self, redis: Redis, *, spread: bool = False) -> None:
        self._redis = redis
        self._spread = spread

    async def publish(self, shard: int, events: Sequence[Packed]) -> None:
        """One MULTI: a half-written batch would put later events of a key before earlier ones."""
        key = stream(shard)
        async with self._redis.pipeline(transaction=True) as pipe:
            for event in events:
                fields: dict[Any, Any] = {_TYPE: event.type, _BODY: event.body}
                if event.only:
                    fields[_ONLY] = event.only
                pipe.xadd(key, fields)
            await call(pipe.execute())

    async def read(
        self, group: str, worker: str, shards: Sequence[int], *, count: int, block: float
    ) -> Sequence[Delivery]:
        """Look, wait for the end of the streams to move if there was nothing, and look again.

        Waiting and taking are two commands: only a take inside MULTI can be compared with the group's counter.
        """
        found, ends = await self._take(group, worker, shards, count)
        if found or block <= 0 or not await self._moved(ends, block):
            return found
        return (await self._take(group, worker, shards, count))[0]

    async def _take(
        self, group: str, worker: str, shards: Sequence[int], count: int
    ) -> tuple[list[Delivery], dict[Any, Any]]:
        """What there is, and by stream the last entry the group knows. A cluster takes one shard after the other."""
        found: list[Delivery] = []
        ends: dict[Any, Any] = {}
        for part in [(shard,) for shard in shards] if self._spread else [tuple(shards)]:
            keys = [stream(shard) for shard in part]
            async with self._redis.pipeline(transaction=True) as pipe:
                for key in keys:
                    pipe.xinfo_groups(key)
                pipe.xreadgroup(group, worker, dict.fromkeys(keys, ">"), count=count)
                for key in keys:
                    pipe.xinfo_groups(key)
                answers = await call(pipe.execute())
            taken = {_text(key): _entries(entries) for key, entries in answers[len(part)] or ()}
            for shard, key, before, after in zip(part, keys, answers, answers[len(part) + 1 :], strict=False):
                was, now = _group(before, group), _group(after, group)
                ends[key] = _text(now["last-delivered-id"])
                if entries := taken.get(key, ()):
                    found.append(Delivery(shard, entries, gap=_skipped(was, now, len(entries))))
        return found, ends

    async def _moved(self, ends: Mapping[Any, Any], block: float) -> bool:
        """Was something added behind these entries within `block` seconds? On a cluster each stream gets its share."""
        parts = [{key: end} for key, end in ends.items()] if self._spread else [dict(ends)]
        for part in parts:
            wait = block / len(parts)
            command = self._redis.xread(part, count=1, block=max(1, int(wait * 1000)))
            if await call(command, wait + LIMIT):
                return True
        return False

    async def reread(self, group: str, worker: str, shard: int, *, count: int) -> Delivery:
        """The worker's own pending list."""
        answer = await call(self._redis.xreadgroup(group, worker, {stream(shard): "0"}, count=count))
        return Delivery(shard, _entries(answer[0][1]) if answer else ())

    async def claim(
        self, group: str, worker: str, shard: int, *, idle: float, count: int, start: str = START
    ) -> Claimed:
        """XAUTOCLAIM; its third part names pending entries that were trimmed away."""
        key = stream(shard)
        idle_ms = max(0, int(idle * 1000))
        following, raw, deleted = await call(
            self._redis.xautoclaim(key, group, worker, idle_ms, start_id=start, count=count)
        )
        entries = _entries(raw)
        gone = tuple(Entry(_text(id_), None) for id_ in deleted)
        attempts: dict[str, int] = {}
        if entries:
            details = await call(
                self._redis.xpending_range(key, group, entries[0].id, entries[-1].id, count * 2, consumername=worker)
            )
            attempts = {_text(d["message_id"]): d["times_delivered"] for d in details}
        return Claimed(entries + gone, attempts, _text(following))

    async def excuse(self, group: str, worker: str, shard: int, ids: Sequence[str]) -> None:
        """XCLAIM of what the worker has already, for the sake of its RETRYCOUNT."""
        if ids:
            await call(self._redis.xclaim(stream(shard), group, worker, 0, list(ids), retrycount=0, justid=True))

    async def ack(self, group: str, shard: int, ids: Sequence[str]) -> None:
        """XACK."""
        if ids:
            await call(self._redis.xack(stream(shard), group, *ids))

    async def ensure_group(self, group: str, shard: int) -> bool:
        """XGROUP CREATE at the stream's end."""
        try:
            await call(self._redis.xgroup_create(stream(shard), group, id="$", mkstream=True))
        except GroupExists:
            return False
        info, mine = await self._inspect(group, shard)
        await self._count_as_read(group, shard, mine, info["entries-added"] - info["length"], info)
        return True

    async def state(self, group: str, shard: int) -> GroupState:
        """From XINFO, XPENDING and the entry at which unfinished work begins."""
        key = stream(shard)
        info, mine = await self._inspect(group, shard)
        trimmed = info["entries-added"] - info["length"]
        read = mine["entries-read"]
        first = _text(mine["last-delivered-id"])
        if mine["pending"]:
            summary = await call(self._redis.xpending(key, group))
            first = _text(summary["min"]) if summary["min"] else first
        found = _entries(await call(self._redis.xrange(key, first, first)))
        oldest = found[0].packed if found else None
        drained = not mine["pending"] and _text(mine["last-delivered-id"]) == _text(info["last-generated-id"])
        lost = max(0, trimmed - read) if read is not None else 0
        return GroupState(lost, trimmed, mine["pending"], drained, oldest)

    async def forgive(self, group: str, shard: int, trimmed: int) -> None:
        """XGROUP SETID where the group already is, with a read count that includes what was trimmed."""
        info, mine = await self._inspect(group, shard)
        await self._count_as_read(group, shard, mine, trimmed, info)

    async def _count_as_read(
        self, group: str, shard: int, mine: Mapping[str, Any], trimmed: int, info: Mapping[str, Any]
    ) -> None:
        last = _text(mine["last-delivered-id"])
        at_end = last == _text(info["last-generated-id"])
        read = info["entries-added"] if at_end else max(trimmed, mine["entries-read"] or 0)
        if read != mine["entries-read"]:
            await call(self._redis.xgroup_setid(stream(shard), group, last, entries_read=read))

    async def tidy(self, group: str, shard: int, *, idle: float) -> int:
        """Every restarted process leaves a name behind."""
        key = stream(shard)
        count = 0
        for worker in await call(self._redis.xinfo_consumers(key, group)):
            if not worker["pending"] and worker["idle"] >= idle * 1000:
                await call(self._redis.xgroup_delconsumer(key, group, worker["name"]))
                count += 1
        return count

    async def trim(self, shard: int, *, before: datetime, maximum: int) -> int:
        """Approximate trimming: whole nodes of the stream, which costs almost nothing."""
        key = stream(shard)
        minimum = int(before.timestamp() * 1000)
        by_age = await call(self._redis.xtrim(key, minid=f"{minimum}-0", approximate=True))
        by_length = await call(self._redis.xtrim(key, maxlen=maximum, approximate=True))
        return int(by_age) + int(by_length)

    async def generation(self, shard: int) -> str:
        """A mark in the data (gone after a wipe) and the server's run id (new after a restart or fail-over)."""
        key = f"{stream(shard)}:generation"
        await call(self._redis.set(key, uuid4().hex, nx=True))
        mark = await call(self._redis.get(key))
        info = await call(self._redis.info("server"))
        runs = [info] if "run_id" in info else [part for _, part in sorted(info.items())]
        return ".".join([_text(mark or b""), *(str(part["run_id"])[:16] for part in runs)])

    async def _inspect(self, group: str, shard: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        key = stream(shard)
        info = await call(self._redis.xinfo_stream(key))
        return info, _group(await call(self._redis.xinfo_groups(key)), group)


def _group(groups: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """One group's line of XINFO GROUPS."""
    for found in groups:
        if _text(found["name"]) == name:
            return found
    raise GroupMissing(f"no group {name} on the stream")


def _skipped(before: Mapping[str, Any], after: Mapping[str, Any], taken: int) -> bool:
    """Did the read count move by more than what was taken? A count that is not known is no proof of the contrary."""
    was, now = before["entries-read"], after["entries-read"]
    return was is None or now is None or now - was != taken


def _entries(raw: Sequence[tuple[Any, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(_text(id_), packed_of(fields)) for id_, fields in raw if id_ is not None)


def packed_of(fields: Mapping[bytes, bytes] | None) -> Packed | None:
    """The event of a stream entry's fields; None for an entry that is not one of ours."""
    if not fields or _BODY not in fields:
        return None
    return Packed(_text(fields[_TYPE]), fields[_BODY], _text(fields.get(_ONLY, b"")))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()

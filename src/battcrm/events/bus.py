"""The event bus: ordered streams, one a shard, read by consumer groups. Carries events, never remembers for us.

Needs only the base commands of Redis >= 7.0 (Valkey, Redis Cluster). What the bus loses, consumers find in the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID, uuid4

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from battcrm.events.catalogue import Envelope
from battcrm.infra.redis import AWAY
from battcrm.kit.errors import BattError, Conflict, Transient

T = TypeVar("T")
START: Final = "0-0"
_LIMIT: Final = 10.0
_TYPE: Final = b"t"
_BODY: Final = b"e"
_ONLY: Final = b"c"


@dataclass(frozen=True, slots=True)
class Packed:
    """An event ready for the bus: its type in the clear, so that nobody decodes what he does not follow."""

    type: str
    body: bytes
    only: str = ""

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
    """Entries of one shard, in the order of the stream."""

    shard: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """Entries taken over from workers that died; `attempts` counts deliveries by entry id; `next` continues."""

    entries: tuple[Entry, ...]
    attempts: Mapping[str, int]
    next: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """`lost`: entries trimmed before the group read them. `oldest`: where unfinished work begins, if it is known.

    `drained`: nothing unread and nothing unfinished.
    """

    lost: int
    pending: int
    drained: bool
    oldest: Packed | None


class GroupMissing(Conflict):
    """The stream or the consumer group is not there: Redis was wiped, or the group was destroyed."""


class EventBus(Protocol):
    """What relay and consumers need. Raises Transient when the server is away and GroupMissing where it says so."""

    async def publish(self, shard: int, events: Sequence[Packed]) -> None:
        """Append events in order, all or none (after a lost answer perhaps all of them twice)."""
        ...

    async def read(
        self, group: str, worker: str, shards: Sequence[int], *, count: int, block: float
    ) -> Sequence[Delivery]:
        """New entries, at most `count` a shard; waits up to `block` seconds for the first. May raise GroupMissing."""
        ...

    async def reread(self, group: str, worker: str, shard: int, *, count: int) -> Delivery:
        """What was delivered to this worker and not acknowledged, oldest first. May raise GroupMissing."""
        ...

    async def claim(
        self, group: str, worker: str, shard: int, *, idle: float, count: int, start: str = START
    ) -> Claimed:
        """Take over what has been unfinished for `idle` seconds. May raise GroupMissing."""
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

    async def forgive(self, group: str, shard: int) -> None:
        """Count what was lost so far as read: somebody has caught up from the outbox."""
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
            await _call(pipe.execute())

    async def read(
        self, group: str, worker: str, shards: Sequence[int], *, count: int, block: float
    ) -> Sequence[Delivery]:
        """One blocking call for all shards; on a cluster one shard after the other, the block shared between them."""
        if not self._spread:
            return await self._read(group, worker, shards, count, max(1, int(block * 1000)))
        found: list[Delivery] = []
        for shard in shards:
            wait = None if found else max(1, int(block * 1000 / len(shards)))
            found += await self._read(group, worker, (shard,), count, wait)
        return found

    async def _read(
        self, group: str, worker: str, shards: Sequence[int], count: int, block: int | None
    ) -> list[Delivery]:
        streams: dict[Any, Any] = {stream(shard): ">" for shard in shards}
        command = self._redis.xreadgroup(group, worker, streams, count=count, block=block)
        answer = await _call(command, (block or 0) / 1000 + _LIMIT)
        by_key = {stream(shard).encode(): shard for shard in shards}
        return [Delivery(by_key[_bytes(key)], _entries(entries)) for key, entries in answer or ()]

    async def reread(self, group: str, worker: str, shard: int, *, count: int) -> Delivery:
        """The worker's own pending list."""
        answer = await _call(self._redis.xreadgroup(group, worker, {stream(shard): "0"}, count=count))
        return Delivery(shard, _entries(answer[0][1]) if answer else ())

    async def claim(
        self, group: str, worker: str, shard: int, *, idle: float, count: int, start: str = START
    ) -> Claimed:
        """XAUTOCLAIM; its third part names pending entries that were trimmed away."""
        key = stream(shard)
        idle_ms = max(0, int(idle * 1000))
        following, raw, deleted = await _call(
            self._redis.xautoclaim(key, group, worker, idle_ms, start_id=start, count=count)
        )
        entries = _entries(raw)
        gone = tuple(Entry(_text(id_), None) for id_ in deleted)
        attempts: dict[str, int] = {}
        if entries:
            details = await _call(
                self._redis.xpending_range(key, group, entries[0].id, entries[-1].id, count * 2, consumername=worker)
            )
            attempts = {_text(d["message_id"]): d["times_delivered"] for d in details}
        return Claimed(entries + gone, attempts, _text(following))

    async def ack(self, group: str, shard: int, ids: Sequence[str]) -> None:
        """XACK."""
        if ids:
            await _call(self._redis.xack(stream(shard), group, *ids))

    async def ensure_group(self, group: str, shard: int) -> bool:
        """XGROUP CREATE at the stream's end."""
        try:
            await _call(self._redis.xgroup_create(stream(shard), group, id="$", mkstream=True))
        except _GroupExists:
            return False
        await self.forgive(group, shard)
        return True

    async def state(self, group: str, shard: int) -> GroupState:
        """From XINFO, XPENDING and the entry at which unfinished work begins."""
        key = stream(shard)
        info, mine = await self._inspect(group, shard)
        trimmed = info["entries-added"] - info["length"]
        read = mine["entries-read"]
        first = _text(mine["last-delivered-id"])
        if mine["pending"]:
            summary = await _call(self._redis.xpending(key, group))
            first = _text(summary["min"]) if summary["min"] else first
        found = _entries(await _call(self._redis.xrange(key, first, first)))
        oldest = found[0].packed if found else None
        drained = not mine["pending"] and _text(mine["last-delivered-id"]) == _text(info["last-generated-id"])
        return GroupState(max(0, trimmed - read) if read is not None else 0, mine["pending"], drained, oldest)

    async def forgive(self, group: str, shard: int) -> None:
        """XGROUP SETID where the group already is, with a read count that includes all that was trimmed."""
        info, mine = await self._inspect(group, shard)
        at_end = _text(mine["last-delivered-id"]) == _text(info["last-generated-id"])
        read = info["entries-added"] if at_end else info["entries-added"] - info["length"]
        await _call(self._redis.xgroup_setid(stream(shard), group, _text(mine["last-delivered-id"]), entries_read=read))

    async def tidy(self, group: str, shard: int, *, idle: float) -> int:
        """Every restarted process leaves a name behind."""
        key = stream(shard)
        count = 0
        for worker in await _call(self._redis.xinfo_consumers(key, group)):
            if not worker["pending"] and worker["idle"] >= idle * 1000:
                await _call(self._redis.xgroup_delconsumer(key, group, worker["name"]))
                count += 1
        return count

    async def trim(self, shard: int, *, before: datetime, maximum: int) -> int:
        """Approximate trimming: whole nodes of the stream, which costs almost nothing."""
        key = stream(shard)
        minimum = int(before.timestamp() * 1000)
        by_age = await _call(self._redis.xtrim(key, minid=f"{minimum}-0", approximate=True))
        by_length = await _call(self._redis.xtrim(key, maxlen=maximum, approximate=True))
        return int(by_age) + int(by_length)

    async def generation(self, shard: int) -> str:
        """A mark in the data (gone after a wipe) and the server's run id (new after a restart or fail-over)."""
        key = f"{stream(shard)}:generation"
        await _call(self._redis.set(key, uuid4().hex, nx=True))
        mark = await _call(self._redis.get(key))
        info = await _call(self._redis.info("server"))
        runs = [info] if "run_id" in info else [part for _, part in sorted(info.items())]
        return ".".join([_text(mark or b""), *(str(part["run_id"])[:16] for part in runs)])

    async def _inspect(self, group: str, shard: int) -> tuple[dict[str, Any], dict[str, Any]]:
        key = stream(shard)
        info = await _call(self._redis.xinfo_stream(key))
        for found in await _call(self._redis.xinfo_groups(key)):
            if _text(found["name"]) == group:
                return info, found
        raise GroupMissing(f"no group {group} on shard {shard}")


class _GroupExists(BattError):
    """XGROUP CREATE met a group of that name."""


_CODES: Final[tuple[tuple[str, type[BattError]], ...]] = (
    ("NOGROUP", GroupMissing),
    ("UNBLOCKED", GroupMissing),
    ("no such key", GroupMissing),
    ("BUSYGROUP", _GroupExists),
)


async def _call(command: Awaitable[T], limit: float = _LIMIT) -> Any:
    """The answer of one command, or our own error. A server that stands still counts as away after `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            return await command
    except ResponseError as error:
        for word, ours in _CODES:
            if word in str(error):
                raise ours(f"the event stream is not there: {word}") from error
        raise Transient(f"Redis refused: {type(error).__name__}", code="redis", retry_after=1.0) from error
    except AWAY as error:
        raise Transient(f"Redis is away: {type(error).__name__}", code="redis", retry_after=1.0) from error


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

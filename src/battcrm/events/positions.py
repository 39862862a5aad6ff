"""What the database knows of consumers: how far they are, and the events they may have missed (PROTOCOL F4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Envelope
from battcrm.events.ordered import fetch_by_index
from battcrm.events.registry import Begin
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.kit.ids import BUCKETS, uuid7_floor

KEPT: Final = timedelta(days=14)
# An event may be written that long after the moment it carries.
SLACK: Final = timedelta(minutes=15)
# Time to get through the oldest events before they are too old to be there.
_HEAD_START: Final = timedelta(hours=1)

_REGISTER: Final = """
INSERT INTO consumer_group (consumer, shard, position, position_seq, state, updated_at)
VALUES ($1, $2, $3, 0, 'catching_up', $4) ON CONFLICT DO NOTHING /* all tenants: a consumer's place in a shard */
"""
_LOAD: Final = """
SELECT position, position_seq, state FROM consumer_group
WHERE consumer = $1 AND shard = $2 /* all tenants: a consumer's place in a shard */
"""
_STORE: Final = """
UPDATE consumer_group SET position = $3, position_seq = greatest(position_seq, $4), state = $5, updated_at = $6
WHERE consumer = $1 AND shard = $2 /* all tenants: a consumer's place in a shard */
"""
_TENANTS: Final = "SELECT tenant_id FROM tenant WHERE bucket = ANY($1) AND tenant_id > $2 ORDER BY tenant_id LIMIT $3"
# OFFSET 0 keeps the question a look-up for each event instead of a join with all that the consumer ever handled.
_MISSED: Final = """
SELECT o.event_id, o.tenant_id, o.type, o.version, o.key, o.data, o.occurred_at, o.seq
FROM outbox o
WHERE o.tenant_id = $1 AND o.event_id > $2 AND o.type = ANY($3) AND NOT EXISTS (
  SELECT 1 FROM processed p WHERE p.consumer = $4 AND p.event_id = o.event_id AND p.tenant_id = o.tenant_id OFFSET 0)
ORDER BY o.event_id LIMIT $5
"""
_OLDEST_UNPUBLISHED: Final = """
SELECT min(occurred_at) FROM (
  SELECT occurred_at FROM outbox WHERE published_at IS NULL AND bucket = ANY($1) ORDER BY seq LIMIT 1000) AS o
"""


class GroupStatus(StrEnum):
    """`broken`: events were lost for this consumer, because it was away for longer than the outbox keeps them."""

    LIVE = "live"
    CATCHING_UP = "catching_up"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Position:
    """All events before `time` are handled; `generation` is the bus as it was last seen whole, empty when it is not."""

    time: datetime
    generation: str
    status: GroupStatus

    @property
    def text(self) -> str:
        """As stored: time and generation with a blank between."""
        return f"{self.time.astimezone(UTC).isoformat()} {self.generation}"


class Positions:
    """Rows of `consumer_group`, and the outbox as consumers read it when the bus has lost something."""

    def __init__(self, pool: Pool, clock: Clock, shards: int) -> None:
        self._pool = pool
        self._clock = clock
        self._shards = shards

    async def register(self, consumer: str, shard: int, begin: Begin) -> Position:
        """The consumer's place; that of a new one is at its `begin`."""
        known = await self.find(consumer, shard)
        if known is not None:
            return known
        now = self._clock.now()
        first = Position(now if begin is Begin.NOW else now - KEPT + _HEAD_START, "", GroupStatus.CATCHING_UP)
        await self._pool.execute(_REGISTER, consumer, shard, first.text, now)
        return await self.find(consumer, shard) or first

    async def find(self, consumer: str, shard: int) -> Position | None:
        """The consumer's place; None before its first start."""
        row: Any = await self._pool.fetchrow(_LOAD, consumer, shard)
        if row is None:
            return None
        time, _, generation = row["position"].partition(" ")
        return Position(datetime.fromisoformat(time), generation, GroupStatus(row["state"]))

    async def store(self, consumer: str, shard: int, position: Position, seq: int = 0) -> None:
        """Remember a place."""
        await self._pool.execute(_STORE, consumer, shard, position.text, seq, position.status.value, self._clock.now())

    async def oldest_unpublished(self, shard: int) -> datetime | None:
        """When the oldest event happened that is not on the bus yet."""
        (row,) = await fetch_by_index(self._pool, _OLDEST_UNPUBLISHED, self._buckets(shard))
        value: datetime | None = row[0]
        return value

    async def missed(
        self, consumer: str, shard: int, types: Collection[str], since: datetime, *, page: int = 500
    ) -> AsyncIterator[list[Envelope]]:
        """Events since `since` that the consumer has not recorded, in keyset pages, each a transaction of its own.

        A page is in the order of `seq`; pages of one tenant follow each other in time.
        """
        floor = uuid7_floor(max(since, self._clock.now() - KEPT))
        tenant = UUID(int=0)
        while tenants := await self._pool.fetch(_TENANTS, self._buckets(shard), tenant, 500):
            for row in tenants:
                tenant = row["tenant_id"]
                after = floor
                while found := await fetch_by_index(self._pool, _MISSED, tenant, after, list(types), consumer, page):
                    after = found[-1]["event_id"]
                    yield sorted((_envelope(event) for event in found), key=lambda event: event.seq)
                    if len(found) < page:
                        break

    def _buckets(self, shard: int) -> list[int]:
        return [bucket for bucket in range(BUCKETS) if bucket % self._shards == shard]


def _envelope(row: Any) -> Envelope:
    return Envelope(
        event_id=row["event_id"],
        tenant_id=row["tenant_id"],
        type=row["type"],
        version=row["version"],
        key=row["key"],
        data=row["data"],
        occurred_at=row["occurred_at"],
        seq=row["seq"],
    )

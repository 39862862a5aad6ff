"""The door: whatever a platform tells us is committed before it is acknowledged (PROTOCOL A)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from battcrm.infra.batcher import Batcher
from battcrm.infra.postgres import UNAVAILABLE, Pool, columns, unavailable
from battcrm.infra.tracing import TRACING
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.kit.text import storable
from battcrm.models.unified import UnifiedMessage
from battcrm.models.unified_codec import encode
from battcrm.transport import traced
from battcrm.transport.base import ChannelAccount

WAKE: Final = "inbox"
_KEY_LIMIT: Final = 200
_DEAD_LIMIT: Final = 64 * 1024
# A batch of so many is cheap enough a message: it does not wait for more.
_PLENTY: Final = 16

# One statement: what `seen` did not know enters the inbox, with its raw body. Keys come sorted (no deadlocks between
# concurrent micro-batches); a key already being inserted elsewhere is waited for, so a duplicate's 2xx is honest.
_ACCEPT: Final = """
WITH offered AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::smallint[], $5::uuid[], $6::uuid[], $7::bytea[],
                       $8::timestamptz[])
    WITH ORDINALITY AS o(channel_id, dedup_key, tenant_id, bucket, event_id, raw_id, payload, received_at, n)
), fresh AS (
  INSERT INTO seen (channel_id, dedup_key, tenant_id, seen_at)
  SELECT channel_id, dedup_key, tenant_id, received_at FROM offered ORDER BY channel_id, dedup_key
  ON CONFLICT DO NOTHING RETURNING channel_id, dedup_key
), stored AS (
  INSERT INTO inbox (tenant_id, bucket, channel_id, event_id, raw_id, payload, received_at, ready_at)
  SELECT o.tenant_id, o.bucket, o.channel_id, o.event_id, o.raw_id, o.payload, o.received_at, o.received_at
  FROM offered o JOIN fresh f USING (channel_id, dedup_key) ORDER BY o.n
  RETURNING raw_id
), raws AS (
  INSERT INTO message_raw (tenant_id, raw_id, channel_id, received_at, body)
  SELECT r.tenant_id, r.raw_id, r.channel_id, r.received_at, r.body
  FROM unnest($9::uuid[], $10::uuid[], $11::uuid[], $12::timestamptz[], $13::bytea[])
    AS r(tenant_id, raw_id, channel_id, received_at, body)
  WHERE r.raw_id IN (SELECT raw_id FROM stored)
)
SELECT raw_id, count(*) FROM stored GROUP BY raw_id
"""

_DEAD: Final = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
VALUES ($1, $2, 'door', $3, $4, $5, $6)
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST (or one polled update): its raw bytes and the messages read from them."""

    account: ChannelAccount
    raw_id: UUID
    raw: bytes
    messages: tuple[UnifiedMessage, ...]
    received_at: datetime


class Door:
    """Commits deliveries in group-committed batches and tells how many of their messages were new."""

    def __init__(
        self, pool: Pool, clock: Clock, ids: IdFactory, wakeups: Wakeups, *, maximum: int = 200, pace: float = 0.0
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._batcher: Batcher[Delivery, int] = Batcher(
            self._flush, maximum=maximum, lanes=2, pace=pace, plenty=_PLENTY
        )

    @property
    def depth(self) -> int:
        """Deliveries that wait for the next commit."""
        return self._batcher.depth

    async def accept(self, account: ChannelAccount, messages: Sequence[UnifiedMessage], raw: bytes) -> int:
        """Commit the messages of one body; returns how many were new. Transient when the database is away."""
        if not messages:
            return 0
        received_at = self._clock.now()
        stamped = tuple(replace(m, channel_id=account.channel_id, received_at=received_at) for m in messages)
        fresh = await self._batcher.submit(Delivery(account, self._ids.new(), raw, stamped, received_at))
        if TRACING.on:
            traced.accepted(stamped, fresh, received_at, self._clock.now())
        return fresh

    async def bury(self, account: ChannelAccount, raw: bytes, reason: str) -> None:
        """Keep an authentic body that cannot be read: its first 64 kB and SHA-256 (PROTOCOL A4)."""
        context = {
            "channel_id": str(account.channel_id),
            "channel": account.kind,
            "size": len(raw),
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
        try:
            await self._pool.execute(
                _DEAD, account.tenant_id, self._ids.new(), reason[:500], raw[:_DEAD_LIMIT], context, self._clock.now()
            )
        except UNAVAILABLE as error:
            raise unavailable(error) from error

    async def drain(self) -> None:
        """Wait for the commits under way."""
        await self._batcher.drain()

    async def _flush(self, deliveries: Sequence[Delivery]) -> Sequence[int | Exception]:
        rows: dict[tuple[bytes, str], tuple[object, ...]] = {}
        for delivery in deliveries:
            for message in delivery.messages:
                row = _row(delivery, message)
                rows.setdefault((delivery.account.channel_id.bytes, str(row[1])), row)
        ordered = [rows[key] for key in sorted(rows)]
        raws = [(d.account.tenant_id, d.raw_id, d.account.channel_id, d.received_at, d.raw) for d in deliveries]
        try:
            stored = await self._pool.fetch(_ACCEPT, *columns(ordered, 8), *columns(raws, 5))
        except UNAVAILABLE as error:
            return [unavailable(error)] * len(deliveries)
        fresh = {row[0]: row[1] for row in stored}
        if fresh:
            self._wakeups.notify(WAKE)
        return [fresh.get(d.raw_id, 0) for d in deliveries]


def _row(delivery: Delivery, message: UnifiedMessage) -> tuple[object, ...]:
    account = delivery.account
    return (
        account.channel_id,
        storable_key(message.dedup_key),
        account.tenant_id,
        bucket_of(account.tenant_id),
        message.event_id,
        delivery.raw_id,
        encode(message),
        delivery.received_at,
    )


def storable_key(key: str) -> str:
    """The key itself, or its digest where it is too long for an index row or not text to the database."""
    if len(key) <= _KEY_LIMIT and storable(key) == key:
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

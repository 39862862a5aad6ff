"""Handing events to one consumer: once each, retried, and put aside when they cannot be handled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.events import traced
from battcrm.events.bus import pack
from battcrm.events.catalogue import Envelope
from battcrm.events.registry import Consumer, Kind
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.infra.tracing import TRACING
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError, Transient
from battcrm.kit.ids import IdFactory

log = structlog.get_logger(__name__)
_AWAY: Final = (*UNAVAILABLE, Transient)
# So many events that fail for the same outside reason, with none between that succeeds, say: it is away for all.
_ENOUGH: Final = 3

# Sorted, so that two processors with overlapping batches wait for each other instead of deadlocking. Who waits sees
# the other's row and leaves the event out.
_RECORD: Final = """
INSERT INTO processed (consumer, event_id, tenant_id, processed_at)
SELECT $1, event_id, tenant_id, $4 FROM unnest($2::uuid[], $3::uuid[]) AS n(event_id, tenant_id) ORDER BY event_id
ON CONFLICT DO NOTHING RETURNING event_id
"""
_HANDLED: Final = """
SELECT p.event_id FROM unnest($2::uuid[], $3::uuid[]) AS n(event_id, tenant_id)
JOIN processed p ON p.consumer = $1 AND p.event_id = n.event_id AND p.tenant_id = n.tenant_id
"""
_BURY: Final = """
WITH recorded AS (
  INSERT INTO processed (consumer, event_id, tenant_id, processed_at) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING RETURNING tenant_id
)
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
SELECT tenant_id, $5, $6, $7, $8, $9, $4 FROM recorded
RETURNING dead_id
"""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """`patience`: seconds for which a lone event waits for an outside that is away, before that counts as a failure."""

    attempts: int = 5
    backoff: float = 0.1
    longest: float = 30.0
    limit: float = 60.0
    patience: float = 3600.0


@dataclass(slots=True)
class _Round:
    """What one pass over single events brought."""

    left: list[Envelope] = field(default_factory=list)
    errors: dict[UUID, Exception] = field(default_factory=dict)
    succeeded: bool = False

    @property
    def hopeless(self) -> bool:
        """Is the outside away, so that asking for the rest is pointless?"""
        return (
            not self.succeeded
            and len(self.errors) >= _ENOUGH
            and all(isinstance(error, _AWAY) for error in self.errors.values())
        )


class Deliverer:
    """Delivers to one consumer."""

    def __init__(
        self, pool: Pool, clock: Clock, ids: IdFactory, consumer: Consumer, options: DeliveryOptions | None = None
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._consumer = consumer
        self._options = options or DeliveryOptions()

    async def deliver(self, events: Sequence[Envelope], *, again: Collection[UUID] = (), singly: bool = False) -> None:
        """Returns when each event is handled, known to have been handled before, or a dead letter.

        `again` names events to hand to an external consumer though they were recorded. Waits while the database is
        away, and for an outside that is away up to `patience`; raises nothing but cancellation.
        """
        distinct = list({event.event_id: event for event in events}.values())
        if not distinct:
            return
        if not singly and len(distinct) > 1:
            error = await self._attempt(distinct, again)
            if error is None:
                return
            log.warning("events.batch_failed", consumer=self._consumer.name, n=len(distinct), error=_name(error))
        await self._one_by_one(distinct, again)

    async def bury(self, event: Envelope, attempts: int, reason: str) -> None:
        """Put an event aside: visible, replayable, not delivered again. Raises what the database raises."""
        context = {
            "consumer": self._consumer.name,
            "event_id": str(event.event_id),
            "type": event.type,
            "key": str(event.key),
            "seq": event.seq,
            "attempts": attempts,
        }
        made = await self._pool.fetchval(
            _BURY,
            self._consumer.name,
            event.event_id,
            event.tenant_id,
            self._clock.now(),
            self._ids.new(),
            f"event:{self._consumer.name}",
            reason[:500],
            pack(event).body,
            context,
        )
        if made is not None:
            METRICS.dead.labels("event").inc()
            METRICS.handled.labels(self._consumer.name, "dead").inc()
            log.error("event.dead", consumer=self._consumer.name, event_id=str(event.event_id), type=event.type)

    async def _one_by_one(self, events: list[Envelope], again: Collection[UUID]) -> None:
        attempts: dict[UUID, int] = {}
        began = self._clock.monotonic()
        delay = self._options.backoff
        while events:
            outcome = await self._round(events, again)
            events = await self._judge(outcome, attempts, self._clock.monotonic() - began)
            if events:
                await self._clock.sleep(delay)
                delay = min(self._options.longest, delay * 2)

    async def _round(self, events: Sequence[Envelope], again: Collection[UUID]) -> _Round:
        """Each event alone. A key whose event failed waits whole, so that its order is kept."""
        outcome = _Round()
        blocked: set[UUID] = set()
        for event in events:
            if event.key in blocked or outcome.hopeless:
                outcome.left.append(event)
                continue
            error = await self._attempt([event], again)
            if error is None:
                outcome.succeeded = True
                continue
            blocked.add(event.key)
            outcome.left.append(event)
            outcome.errors[event.event_id] = error
        return outcome

    async def _judge(self, outcome: _Round, attempts: dict[UUID, int], waited: float) -> list[Envelope]:
        """Count failures that are the event's own, bury what failed too often, and return the rest."""
        left: list[Envelope] = []
        for event in outcome.left:
            error = outcome.errors.get(event.event_id)
            if error is not None and self._counts(error, outcome, waited):
                attempts[event.event_id] = attempts.get(event.event_id, 0) + 1
            if error is None or attempts.get(event.event_id, 0) < self._options.attempts:
                left.append(event)
                continue
            try:
                await self.bury(event, attempts[event.event_id], f"failed repeatedly: {_name(error)}")
            except UNAVAILABLE:
                left.append(event)
        return left

    def _counts(self, error: Exception, outcome: _Round, waited: float) -> bool:
        return not isinstance(error, _AWAY) or outcome.succeeded or waited > self._options.patience

    async def _attempt(self, events: Sequence[Envelope], again: Collection[UUID]) -> Exception | None:
        HEALTH.beat(f"consumer {self._consumer.name}")
        began = self._clock.now()
        try:
            async with asyncio.timeout(self._options.limit):
                if self._consumer.kind is Kind.TRANSACTIONAL:
                    await self._in_transaction(events)
                else:
                    await self._outside(events, again)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything, and its event must not be lost
            METRICS.handled.labels(self._consumer.name, "failed").inc(len(events))
            log.warning("events.failed", consumer=self._consumer.name, n=len(events), error=_name(error))
            return error
        if TRACING.on:
            traced.handled(self._consumer.name, events, began, self._clock.now())
        return None

    async def _in_transaction(self, events: Sequence[Envelope]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            fresh = await self._record(connection, events)
            if fresh:
                await self._consumer.handler(connection, fresh)
        self._count(len(events), len(fresh))

    async def _outside(self, events: Sequence[Envelope], again: Collection[UUID]) -> None:
        rows = await self._pool.fetch(_HANDLED, self._consumer.name, *_keys(events))
        known = {row[0] for row in rows}.difference(again)
        fresh = [event for event in events if event.event_id not in known]
        if fresh:
            await self._consumer.handler(fresh)
            await self._record(self._pool, fresh)
        self._count(len(events), len(fresh))

    async def _record(self, executor: Pool | Connection, events: Sequence[Envelope]) -> list[Envelope]:
        """Those that nobody had recorded, in the given order."""
        rows: list[Any] = await executor.fetch(_RECORD, self._consumer.name, *_keys(events), self._clock.now())
        new = {row[0] for row in rows}
        return [event for event in events if event.event_id in new]

    def _count(self, total: int, fresh: int) -> None:
        METRICS.handled.labels(self._consumer.name, "done").inc(fresh)
        if total > fresh:
            METRICS.handled.labels(self._consumer.name, "duplicate").inc(total - fresh)


def _keys(events: Sequence[Envelope]) -> tuple[list[UUID], list[UUID]]:
    return [event.event_id for event in events], [event.tenant_id for event in events]


def _name(error: Exception) -> str:
    """Class and code: a message may quote a person's data."""
    return f"{type(error).__name__} {error.code}" if isinstance(error, BattError) else type(error).__name__

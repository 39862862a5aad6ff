"""How far behind consumers are, looked at from outside: a consumer that stands still is seen all the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from battcrm.events.bus import EventBus, GroupState, Packed
from battcrm.events.bus_calls import GroupMissing
from battcrm.events.catalogue import Envelope
from battcrm.events.positions import GroupStatus, Positions
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient

log = structlog.get_logger(__name__)
_EVERY: Final = 5.0


async def export(
    bus: EventBus, positions: Positions, clock: Clock, consumers: Sequence[str], shards: Sequence[int]
) -> None:
    """Keep the gauges of these consumers fresh until cancelled. While Redis or the database is away they stay."""
    while True:
        for consumer in consumers:
            try:
                await _measure(bus, positions, clock, consumer, shards)
            except (*UNAVAILABLE, Transient) as error:
                log.warning("lag.unknown", consumer=consumer, error=type(error).__name__)
        await clock.sleep(_EVERY)


async def _measure(bus: EventBus, positions: Positions, clock: Clock, consumer: str, shards: Sequence[int]) -> None:
    pending, age, broken = 0, 0.0, False
    for shard in shards:
        position = await positions.find(consumer, shard)
        if position is None:
            continue
        broken = broken or position.status is GroupStatus.BROKEN
        try:
            state = await bus.state(consumer, shard)
        except GroupMissing:
            # Wiped: the consumer reads from the outbox, from its last known place.
            age = max(age, (clock.now() - position.time).total_seconds())
            continue
        pending += state.pending
        age = max(age, age_of(state, clock.now()))
    METRICS.consumer_pending.labels(consumer).set(pending)
    METRICS.consumer_age.labels(consumer).set(age)
    METRICS.consumer_broken.labels(consumer).set(broken)


def age_of(state: GroupState, now: datetime) -> float:
    """Seconds since the oldest unfinished event happened; 0 when all is finished."""
    oldest = readable(state.oldest)
    if state.drained or oldest is None:
        return 0.0
    return max(0.0, (now - oldest.occurred_at).total_seconds())


def readable(packed: Packed | None) -> Envelope | None:
    """The event, for who only wants to know its time: None where there is none, or bytes that nobody of ours wrote."""
    try:
        return packed.event() if packed is not None else None
    except (ValueError, KeyError, TypeError):
        return None

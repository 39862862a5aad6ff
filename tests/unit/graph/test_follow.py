from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from battcrm.events.bus import pack
from battcrm.events.catalogue import (
    AppealStageChanged,
    ClientMerged,
    Envelope,
    Event,
    MessageReceived,
    PriceChanged,
    RepairRecorded,
)
from battcrm.events.registry import HandlerRegistry, Kind
from battcrm.graph.follow import CONSUMER, EVENT_TYPES, follow, forget
from battcrm.graph.sync import EventRef, Projector
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import Transient

TENANT, ONE, TWO = UUID(int=1), UUID(int=2), UUID(int=3)


def envelope(event: Event) -> Envelope:
    return Envelope(UUID(int=9), TENANT, event.TYPE, 1, ONE, event.data(), ManualClock().now())


def test_the_projector_follows_every_event_that_changes_the_graph() -> None:
    registry = HandlerRegistry()
    follow(registry, Projector(None, None), ManualClock())  # type: ignore[arg-type]
    (consumer,) = registry
    assert (consumer.name, consumer.kind, consumer.types) == (CONSUMER, Kind.EXTERNAL, frozenset(EVENT_TYPES))


class Away:
    """A graph that is away for some attempts."""

    def __init__(self, attempts: int) -> None:
        self.left, self.asked = attempts, 0

    async def apply(self, events: list[EventRef]) -> int:
        self.asked += 1
        if self.asked <= self.left:
            raise Transient("away", code="graph_unavailable")
        return len(events)


async def attempts_of(away: Away) -> int:
    clock = ManualClock()
    registry = HandlerRegistry()
    follow(registry, away, clock)  # type: ignore[arg-type]
    (consumer,) = registry
    work = asyncio.ensure_future(consumer.handler([envelope(RepairRecorded(TENANT, ONE, TWO, 1))]))
    while not work.done():
        await asyncio.sleep(0)
        clock.advance(0.5)
    work.result()
    return away.asked


async def test_a_graph_that_is_away_for_a_moment_keeps_the_batch_together() -> None:
    assert await attempts_of(Away(3)) == 4
    with pytest.raises(Transient):
        await attempts_of(Away(1000))


@pytest.mark.parametrize(
    ("event", "rows"),
    [
        (ClientMerged(TENANT, ONE, TWO, 3), {("client", ONE), ("client", TWO)}),
        (RepairRecorded(TENANT, ONE, TWO, 1), {("client", ONE), ("repair", TWO)}),
        (PriceChanged(TENANT, ONE, ONE, 1), {("price", ONE)}),
    ],
)
def test_events_name_the_rows_to_read_again(event: Event, rows: set[tuple[str, UUID]]) -> None:
    assert set(EventRef.of(envelope(event)).rows()) == rows


def test_messages_and_unknown_fields_are_ignored() -> None:
    data = {"client_id": str(ONE), "message_id": str(TWO), "text": "x"}
    for kind, expected in ((MessageReceived.TYPE, set()), (AppealStageChanged.TYPE, {("client", ONE)})):
        found = EventRef.of(Envelope(UUID(int=9), TENANT, kind, 1, ONE, data, ManualClock().now()))
        assert set(found.rows()) == expected


class Forgetful:
    """A reader that writes down what it is told to forget."""

    def __init__(self) -> None:
        self.told: list[tuple[set[str], UUID, set[UUID]]] = []

    def forget(self, event_types: set[str], tenant_id: UUID, client_ids: list[UUID]) -> None:
        self.told.append((event_types, tenant_id, set(client_ids)))


def test_what_events_made_stale_is_forgotten_once_for_each_tenant() -> None:
    other = UUID(int=7)
    events = (
        AppealStageChanged(TENANT, ONE, TWO, 1, "new", "collecting"),
        ClientMerged(TENANT, ONE, TWO, 2),
        PriceChanged(other, TWO, ONE, 3),
        AppealStageChanged(TENANT, TWO, TWO, 1, "new", "collecting"),
    )
    packed = [pack(Envelope(UUID(int=9), e.tenant_id, e.TYPE, 1, ONE, e.data(), ManualClock().now())) for e in events]
    reader = Forgetful()
    forget(reader, packed)  # type: ignore[arg-type]
    changed, merged, price = AppealStageChanged.TYPE, ClientMerged.TYPE, PriceChanged.TYPE
    assert [(types, tenant) for types, tenant, _ in reader.told] == [({changed, merged}, TENANT), ({price}, other)]
    assert reader.told[0][2] == {ONE, TWO}

from __future__ import annotations

from uuid import UUID

import pytest

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
from battcrm.graph.follow import CONSUMER, EVENT_TYPES, follow
from battcrm.graph.sync import EventRef, Projector
from battcrm.kit.clock import ManualClock

TENANT, ONE, TWO = UUID(int=1), UUID(int=2), UUID(int=3)


def envelope(event: Event) -> Envelope:
    return Envelope(UUID(int=9), TENANT, event.TYPE, 1, ONE, event.data(), ManualClock().now())


def test_the_projector_follows_every_event_that_changes_the_graph() -> None:
    registry = HandlerRegistry()
    follow(registry, Projector(None, None))  # type: ignore[arg-type]
    (consumer,) = registry
    assert (consumer.name, consumer.kind, consumer.types) == (CONSUMER, Kind.EXTERNAL, frozenset(EVENT_TYPES))


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

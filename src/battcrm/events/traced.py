"""What outbox, relay and consumers note in traces. Called only while tracing is on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from battcrm.events.catalogue import Envelope, Event
from battcrm.infra.tracing import TRACING
from battcrm.kit.text import loads

FIELD: Final = "trace"
_ABOUT: Final = ("message_id", "outgoing_id", "appeal_id")


def data_of(event: Event) -> dict[str, Any]:
    """The event's body, with the traces of what it is about where this process knows them."""
    keys = (getattr(event, name, None) for name in _ABOUT)
    traces = next((found for key in keys if key is not None and (found := TRACING.bound(key))), ())
    return event.data() | ({FIELD: list(traces)} if traces else {})


def published(rows: Sequence[Any], begin: datetime, end: datetime) -> None:
    """These rows of the outbox are on their streams now."""
    for row in rows:
        traces = loads(row["data"]).get(FIELD, ())
        stage = f"relay:{row['event_id']}"
        TRACING.span(traces, stage, row["occurred_at"], end, type=row["type"], published_in_ms=_ms(begin, end))


def handled(consumer: str, events: Sequence[Envelope], begin: datetime, end: datetime) -> None:
    """A consumer has handled these events."""
    for event in events:
        stage = f"consume:{consumer}/{event.event_id}"
        parent = f"relay:{event.event_id}"
        TRACING.span(event.data.get(FIELD, ()), stage, begin, end, parent=parent, consumer=consumer, type=event.type)


def _ms(begin: datetime, end: datetime) -> float:
    return round((end - begin).total_seconds() * 1000, 2)

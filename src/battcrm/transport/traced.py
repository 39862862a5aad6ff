"""What the door and the sender note in traces. Called only while tracing is on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from battcrm.infra.tracing import ROOT, TRACING, trace_of
from battcrm.kit.text import storable
from battcrm.models.unified import Kind, UnifiedMessage

_ABOUT_OTHERS: Final = frozenset({Kind.EDIT, Kind.DELETE, Kind.STATUS, Kind.REACTION, Kind.TYPING})


def accepted(messages: Sequence[UnifiedMessage], fresh: int, begin: datetime, end: datetime) -> None:
    """A delivery was committed, of which `fresh` messages were new. Repetitions leave no trace of their own."""
    if not fresh:
        return
    for message in messages:
        if message.kind not in _ABOUT_OTHERS and message.channel_id is not None and message.message.id is not None:
            chat = storable(message.conversation.id)[:200]
            trace = trace_of(message.channel_id, chat, storable(message.message.id))
            TRACING.span([trace], ROOT, begin, end, channel=message.channel, kind=message.kind.value)


def sent(row: Any, kind: str, state: str, begin: datetime, end: datetime) -> None:
    """A claimed row of `outgoing` was sent, or not: below the turn that wanted it."""
    traces = tuple(row["payload"].get("trace", ()))
    TRACING.bind(row["outgoing_id"], traces)
    queued = row["created_at"]
    stage = f"send:{row['outgoing_id']}"
    parent = f"turn:{row['turn_id']}"
    TRACING.span(traces, f"queued:{row['outgoing_id']}", queued, begin, parent=parent)
    TRACING.span(
        traces, stage, begin, end, parent=parent, failed=state not in ("sent", "pending"), channel=kind, state=state
    )

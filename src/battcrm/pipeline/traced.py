"""What processor and turn note in traces. Called only while tracing is on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from battcrm.infra.tracing import TRACING, trace_of
from battcrm.kit.text import storable
from battcrm.pipeline.intake import IntakePlan, NewMessage
from battcrm.pipeline.turn_types import TurnInput, TurnOutcome, TurnState

_PROCESS: Final = "process"
# The stages of a turn in their order, with the names of their durations.
_STEPS: Final = (("read", "read_ms"), ("model", "model_ms"), ("graph", "graph_ms"))


def _trace(message: NewMessage) -> tuple[str, ...]:
    if message.external_id is None:
        return ()
    return (trace_of(message.dialog.channel_id, message.dialog.chat, storable(message.external_id)),)


def bind(plan: IntakePlan, began: datetime) -> None:
    """Before the events of a plan are written: whose they are, and since when it has been made."""
    plan.began = began
    for message in plan.messages:
        TRACING.bind(message.message_id, _trace(message))


def processed(plan: IntakePlan, end: datetime) -> None:
    """The transaction that stored these messages has been committed."""
    begin = plan.began or end
    for message in plan.messages:
        traces = _trace(message)
        TRACING.span(traces, "inbox", message.received_at, begin)
        TRACING.span(traces, _PROCESS, begin, end, batch=len(plan.messages), tenant=str(message.dialog.tenant_id))


def traces_of(turn: TurnInput) -> tuple[str, ...]:
    """The traces of the messages that a turn answers."""
    dialog = turn.dialog
    found = (m.external_id for m in turn.messages if m.fresh and m.external_id is not None)
    return tuple(dict.fromkeys(trace_of(dialog.channel_id, dialog.chat, storable(id_)) for id_ in found))


def bind_turn(outcome: TurnOutcome) -> None:
    """Before a turn's events are written: whose they are."""
    traces = traces_of(outcome.input)
    for branch in outcome.branches:
        if branch.change is not None:
            TRACING.bind(branch.change.appeal_id, traces)


def turned(outcome: TurnOutcome, state: TurnState, thought: datetime, end: datetime) -> None:
    """A turn ended: it thought until `thought` and was committed at `end`. Steps are laid out in their order."""
    traces = traces_of(outcome.input)
    stage = f"turn:{outcome.turn_id}"
    begin, turn = outcome.started_at, outcome.input
    stored = max((m.at for m in turn.messages if m.fresh), default=begin)
    TRACING.span(traces, f"due:{outcome.turn_id}", min(stored, begin), begin, parent=_PROCESS)
    main = outcome.main
    TRACING.span(
        traces,
        stage,
        begin,
        end,
        parent=_PROCESS,
        state=state.value,
        messages=len(traces),
        action=main.plan.action.value if main else "",
        reason=main.plan.reason if main else "",
        cost_microrub=outcome.cost_microrub,
    )
    at = begin
    for name, duration in _STEPS:
        spent = timedelta(milliseconds=outcome.timings.get(duration, 0.0))
        if spent:
            TRACING.span(traces, f"{name}:{outcome.turn_id}", at, at + spent, parent=stage)
        at += spent
    TRACING.span(traces, f"decide:{outcome.turn_id}", min(at, thought), thought, parent=stage)
    TRACING.span(traces, f"commit:{outcome.turn_id}", thought, end, parent=stage)

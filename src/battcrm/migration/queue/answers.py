"""What was read out of a task, as the flat document that tables and resumed executions get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from battcrm.migration.queue.tasks import Task
from battcrm.models.facts import FIELDS, Completion, Fact, Hypothesis

_TASK = "task."


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose task it was and how it came."""

    tenant_id: UUID
    queue: str
    received_at: datetime


def document_of(task: Task, origin: Origin, done: Completion, acting: float, now: datetime) -> dict[str, Any]:
    """The result's fields by their names (`settings.FIELDS`). Values below the acting confidence are left empty."""
    reading = done.reading
    main = reading.main
    sure = {name: _sure(main, name, acting) for name in FIELDS}
    single = {name: facts[0].value if facts else None for name, facts in sure.items() if name != "repair_types"}
    return {
        "tenant_id": str(origin.tenant_id),
        "task_id": task.task_id,
        "queue": origin.queue,
        **single,
        "repair_types": [fact.value for fact in sure["repair_types"]],
        "device_class": main.device_class,
        "confidence": {name: min(fact.confidence for fact in facts) for name, facts in sure.items() if facts},
        "methods": {name: facts[0].method.value for name, facts in sure.items() if facts},
        "hypotheses": [_hypothesis(item) for item in reading.hypotheses],
        "open_fields": sorted(reading.open_fields),
        "language": reading.signals.language,
        "wants_operator": reading.signals.wants_operator,
        "model_calls": done.calls,
        "failed": done.failed,
        "steps": list(done.steps),
        "cost_microrub": done.cost_microrub,
        "version": reading.version,
        "received_at": origin.received_at.isoformat(),
        "finished_at": now.isoformat(),
    }


def row_of(columns: Mapping[str, str], answer: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row: its columns with the fields, parts of the task or literal texts they are mapped to."""
    row: dict[str, Any] = {}
    for column, source in columns.items():
        if source.startswith("="):
            row[column] = source[1:]
        elif source.startswith(_TASK):
            row[column] = document.get(source.removeprefix(_TASK))
        else:
            row[column] = answer[source]
    return row


def _facts(item: Hypothesis, name: str) -> tuple[Fact, ...]:
    value = getattr(item, name)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _sure(item: Hypothesis, name: str, acting: float) -> tuple[Fact, ...]:
    return tuple(fact for fact in _facts(item, name) if fact.confidence >= acting)


def _hypothesis(item: Hypothesis) -> dict[str, Any]:
    """One device with all that was thought of it, also what is not sure enough to act on."""
    found: dict[str, Any] = {name: [_fact(fact) for fact in _facts(item, name)] for name in FIELDS}
    candidates = [{"brand": c.brand, "model": c.model, "score": round(c.score, 3)} for c in item.candidates]
    return {name: facts for name, facts in found.items() if facts} | {
        "device_class": item.device_class,
        "candidates": candidates,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "value": fact.value,
        "confidence": round(fact.confidence, 3),
        "method": fact.method.value,
        "source": fact.source,
        "spans": [[span.message, span.start, span.end] for span in fact.spans],
    }

"""The decision record: what was known, what was decided, what was turned down and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from battcrm.kit.ids import IdFactory
from battcrm.kit.text import dumps
from battcrm.models.situation import GraphFacts, Quote
from battcrm.pipeline.knowledge import to_json
from battcrm.pipeline.turn_types import Branch, TurnOutcome


def decision_rows(outcome: TurnOutcome, ids: IdFactory) -> Iterator[tuple[Any, ...]]:
    """Rows of `decision` for a turn, one for each branch."""
    view = outcome.input.dialog
    for branch in outcome.branches:
        yield (
            view.tenant_id,
            ids.new(),
            outcome.turn_id,
            outcome.input.client_id,
            view.dialog_id,
            branch.change.appeal_id if branch.change else None,
            branch.plan.action.value,
            branch.plan.reason,
            _inputs(outcome, branch),
            dumps([{"action": action, "because": because} for action, because in branch.plan.rejected]).decode(),
            {**outcome.versions, "plan": branch.plan.version, "template": branch.plan.template},
            outcome.cost_microrub,
        )


def _inputs(outcome: TurnOutcome, branch: Branch) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "messages": [str(m.message_id) for m in outcome.input.messages if m.fresh],
        "routing": {
            "action": branch.routing.action,
            "reason": branch.routing.reason,
            "confidence": round(branch.routing.confidence, 3),
        },
        "known": to_json(branch.known),
        "open_fields": sorted(branch.reading.open_fields),
        "model_calls": outcome.model_calls,
        "model_steps": list(outcome.model_steps),
        "timings": {k: round(v, 2) for k, v in outcome.timings.items()},
    }
    graph = _graph(branch.graph)
    if graph:
        inputs["graph"] = graph
    if branch.plan.handover is not None:
        handover = branch.plan.handover
        inputs["handover"] = {
            "reason": handover.reason,
            "wants": handover.wants,
            "known": handover.known,
            "missing": handover.missing,
        }
    return inputs


def _graph(graph: GraphFacts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if graph.unavailable:
        found["unavailable"] = graph.unavailable
    if graph.quotes:
        found["quotes"] = [_quote(q) for q in graph.quotes]
    if graph.history:
        found["history"] = len(graph.history)
    if graph.similar:
        found["similar"] = [p.ref for p in graph.similar[:5]]
    return found


def _quote(quote: Quote) -> dict[str, Any]:
    """The numbers of a quote and the rows behind them, amounts in kopecks."""
    return {
        "repair_type": quote.repair_type,
        "device": f"{quote.brand} {quote.model}",
        "low": quote.low,
        "high": quote.high,
        "median": quote.median,
        "n": quote.n,
        "days": quote.days,
        "part_price": quote.part_price,
        "part_stock": quote.part_stock,
        "labour_only": quote.labour_only,
        "sibling": quote.sibling_model,
        "refusal": quote.refusal,
        "evidence": [f"{e.kind}:{e.ref}" for e in quote.evidence[:20]],
    }

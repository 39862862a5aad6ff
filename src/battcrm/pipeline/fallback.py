"""The last step of the degrade ladder: a turn that cannot be run ends as a handover, where the bot may speak at all."""

from __future__ import annotations

from typing import Final

from battcrm.models.facts import Hypothesis, Reading
from battcrm.models.situation import Action, Control, GraphFacts, Handover, Plan, Routing
from battcrm.pipeline.turn import TurnEngine
from battcrm.pipeline.turn_types import Branch, TurnInput, TurnOutcome

REASON: Final = "internal_error"


def internal_error(turn: TurnInput, engine: TurnEngine, detail: str) -> TurnOutcome:
    """A handover with reason `internal_error` that needs nothing of what failed but the composer's plainest text.

    Where a person talks, or the shop keeps the bot out, it is silence with that reason.
    """
    current = next((a for a in turn.appeals if a.closed_at is None), None)
    known = current.known if current else Hypothesis()
    said = " / ".join(m.text for m in turn.messages if m.fresh)[:200]
    plan = Plan(
        Action.OPERATOR,
        REASON,
        template="handover",
        variables={"cause": "other", "phone": None, "reason": REASON, "device": ""},
        handover=Handover(REASON, said or "?", "", detail[:200]),
        control=Control.HUMAN,
        version="fallback-1",
    )
    reading = Reading((known,))
    plan, drafts = engine.plainly(turn, plan)
    unheard = "none" if plan.handover is None else "new"
    routing = Routing("existing" if current else unheard, current.appeal_id if current else None, REASON, 1.0)
    change = engine.change_for(turn, routing, known, plan)
    branch = Branch(routing, reading, known, change, GraphFacts(unavailable=REASON), plan, drafts)
    return engine.outcome(turn, (branch,))

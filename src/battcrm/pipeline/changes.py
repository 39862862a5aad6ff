"""What a turn's decision does to its appeal: pure bookkeeping between the plan and the commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.kit.ids import IdFactory
from battcrm.models.facts import Hypothesis
from battcrm.models.situation import AppealStatus, AppealView, Control, Plan, Routing
from battcrm.pipeline.turn_types import AppealChange

NOT_UNDERSTOOD: Final = "misunderstood"
# A new appeal about the same device starts with what is known of the device.
_SAME_DEVICE: Final = frozenset({"new_repair", "new_wish", "same_device_new_repair", "same_device_new_wish"})

# Another device with the question of the one before it.
_SAME_QUESTION: Final = "same_question_other_device"


def chosen(routing: Routing, appeals: Sequence[AppealView]) -> AppealView | None:
    """The appeal a routing points to; None when it is about none yet."""
    if routing.action not in ("existing", "reopen"):
        return None
    return _find(routing.appeal_id, appeals)


def linked(routing: Routing, appeals: Sequence[AppealView]) -> AppealView | None:
    """The older appeal a new one continues."""
    return _find(routing.alternatives[0], appeals) if routing.action == "new" and routing.alternatives else None


def starting_facts(routing: Routing, appeals: Sequence[AppealView]) -> Hypothesis:
    """What is known before the turn's words: the appeal's facts, or the device of the appeal it continues."""
    appeal = chosen(routing, appeals)
    if appeal is not None:
        return appeal.known
    older = linked(routing, appeals)
    if older is not None and routing.reason == _SAME_QUESTION:
        return Hypothesis(appeal_type=older.known.appeal_type, repair_types=older.known.repair_types)
    if older is None or routing.reason not in _SAME_DEVICE:
        return Hypothesis()
    return Hypothesis(brand=older.known.brand, model=older.known.model, device_class=older.known.device_class)


def appeal_change(
    ids: IdFactory, routing: Routing, appeals: Sequence[AppealView], known: Hypothesis, plan: Plan
) -> AppealChange | None:
    """The change to write, or None when the turn is about no appeal."""
    if routing.action == "ask" and plan.handover is None:
        return _question_to(routing, appeals, plan)
    if routing.action == "none" and plan.handover is None:
        return None
    before = chosen(routing, appeals)
    older = linked(routing, appeals)
    reopened = before is not None and before.closed_at is not None
    return AppealChange(
        appeal_id=before.appeal_id if before else ids.new(),
        episode_id=before.episode_id if before and before.episode_id and not reopened else ids.new(),
        new=before is None,
        reopened_as=routing.reason if reopened else None,
        before=before,
        status=_status(before, plan, reopened=reopened),
        control=_control(before, plan, reopened=reopened),
        known=known,
        asked=_asked(before, plan, reopened=reopened),
        expecting=plan.question.field if plan.question else None,
        options=tuple(value for value, _ in plan.question.options) if plan.question else (),
        misunderstood=_misunderstood(before, plan),
        quoted=_quoted(plan),
        parent_id=older.appeal_id if older else None,
        handover=_handover(plan),
    )


def _question_to(routing: Routing, appeals: Sequence[AppealView], plan: Plan) -> AppealChange | None:
    """The question "which one do you mean?" waits on one of the appeals it is about."""
    holder = next((a for a in appeals if a.appeal_id in routing.alternatives and a.closed_at is None), None)
    if holder is None or plan.question is None or holder.episode_id is None:
        return None
    return AppealChange(
        appeal_id=holder.appeal_id,
        episode_id=holder.episode_id,
        new=False,
        reopened_as=None,
        before=holder,
        status=holder.status,
        control=holder.control,
        known=holder.known,
        asked=(*holder.asked, plan.question.field),
        expecting=plan.question.field,
        options=tuple(value for value, _ in plan.question.options),
        misunderstood=holder.misunderstood,
        quoted=None,
        parent_id=None,
        handover={},
    )


def _find(appeal_id: UUID | None, appeals: Sequence[AppealView]) -> AppealView | None:
    return next((a for a in appeals if a.appeal_id == appeal_id), None)


def _status(before: AppealView | None, plan: Plan, *, reopened: bool) -> AppealStatus:
    if plan.status is not None:
        return plan.status
    if before is None:
        return AppealStatus.NEW
    return AppealStatus.COLLECTING if reopened else before.status


def _control(before: AppealView | None, plan: Plan, *, reopened: bool) -> Control:
    if plan.control is not None:
        return plan.control
    return Control.BOT if before is None or reopened else before.control


def _asked(before: AppealView | None, plan: Plan, *, reopened: bool) -> tuple[str, ...]:
    asked = () if before is None or reopened else before.asked
    return (*asked, plan.question.field) if plan.question else asked


def _misunderstood(before: AppealView | None, plan: Plan) -> int:
    """Misunderstandings in a row, as the response router judged this turn."""
    return (before.misunderstood if before else 0) + 1 if NOT_UNDERSTOOD in plan.flags else 0


def _quoted(plan: Plan) -> tuple[int, int] | None:
    low, high = plan.variables.get("low"), plan.variables.get("high")
    if plan.status is not AppealStatus.QUOTED or not isinstance(low, int) or not isinstance(high, int):
        return None
    return low, high


def _handover(plan: Plan) -> dict[str, Any]:
    if plan.handover is None:
        return {}
    note = plan.handover
    return {"reason": note.reason, "wants": note.wants, "known": note.known, "missing": note.missing}

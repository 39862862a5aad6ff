"""What an operator settled while a turn was thinking stands, also under a turn that must not be dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Connection, columns
from battcrm.models.facts import Fact, Hypothesis
from battcrm.models.situation import AppealView
from battcrm.pipeline.turn_load import appeal_view
from battcrm.pipeline.turn_types import AppealChange, TurnOutcome

Key = tuple[UUID, UUID]
_CURRENT: Final = """
SELECT a.* FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, appeal_id) JOIN appeal a USING (tenant_id, appeal_id)
"""


async def catch_up(connection: Connection, outcomes: Sequence[TurnOutcome], locked: Mapping[Key, Any]) -> None:
    """Base the changes of these outcomes on the appeals as they are now, under lock.

    Turns that are posted although something changed (a handover, a third attempt) would else write over an operator's
    correction or open what an operator has closed, and tell the stage twice.
    """
    stale = {
        (o.input.dialog.tenant_id, b.change.appeal_id)
        for o in outcomes
        for b in o.branches
        if b.change is not None and _changed(b.change, locked.get((o.input.dialog.tenant_id, b.change.appeal_id)))
    }
    if not stale:
        return
    rows = await connection.fetch(_CURRENT, *columns(sorted(stale), 2))
    now = {(row["tenant_id"], row["appeal_id"]): appeal_view(row) for row in rows}
    for outcome in outcomes:
        tenant = outcome.input.dialog.tenant_id
        outcome.branches = tuple(
            replace(b, change=rebased(b.change, now[tenant, b.change.appeal_id]))
            if b.change is not None and (tenant, b.change.appeal_id) in now
            else b
            for b in outcome.branches
        )


def rebased(change: AppealChange, current: AppealView) -> AppealChange:
    """The change a turn makes to an appeal that is not what it was: what is locked or closed stays so."""
    before = change.before
    if before is None:
        return change
    closed = current.closed_at is not None and before.closed_at is None
    same_stage = closed or change.status is before.status
    same_hands = closed or change.control is before.control
    return replace(
        change,
        before=current,
        known=_with_locked(change.known, current.known),
        status=current.status if same_stage else change.status,
        control=current.control if same_hands else change.control,
    )


def _changed(change: AppealChange, row: Any | None) -> bool:
    return row is not None and change.before is not None and row["version"] != change.before.version


def _with_locked(known: Hypothesis, current: Hypothesis) -> Hypothesis:
    """The turn's facts, but for those fields that an operator has settled."""
    if not _is_locked(current.brand, current.model):
        brand, model, candidates = known.brand, known.model, known.candidates
    else:
        brand, model, candidates = current.brand, current.model, current.candidates
    repairs = current.repair_types if _is_locked(*current.repair_types) else known.repair_types
    return replace(
        known, brand=brand, model=model, candidates=candidates, repair_types=repairs,
        appeal_type=current.appeal_type if _is_locked(current.appeal_type) else known.appeal_type,
        part_owner=current.part_owner if _is_locked(current.part_owner) else known.part_owner,
    )  # fmt: skip


def _is_locked(*facts: Fact | None) -> bool:
    return any(fact is not None and fact.locked for fact in facts)

"""Small questions the rules ask about the client's appeals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from battcrm.models.facts import AppealType
from battcrm.models.situation import AppealStatus, AppealView, Routing
from battcrm.resolution.match import AT_WORK, EARLY, WISHES, Fit
from battcrm.resolution.reasons import Why
from battcrm.resolution.view import View

QUIET: Final = frozenset({AppealType.INFO, AppealType.STATUS, AppealType.OTHER})


def existing(appeal: AppealView, why: Why, confidence: float, others: Iterable[AppealView] = ()) -> Routing:
    rest = tuple(a.appeal_id for a in others if a.appeal_id != appeal.appeal_id)
    return Routing("existing", appeal.appeal_id, why, confidence, alternatives=rest)


def new(why: Why, confidence: float, linked: AppealView | None = None) -> Routing:
    return Routing("new", None, why, confidence, alternatives=_ids(linked))


def reopen(appeal: AppealView, why: Why, confidence: float) -> Routing:
    return Routing("reopen", appeal.appeal_id, why, confidence)


def ask(why: Why, appeals: Iterable[AppealView]) -> Routing:
    return Routing("ask", None, why, 0.4, alternatives=tuple(a.appeal_id for a in appeals))


def _ids(appeal: AppealView | None) -> tuple[UUID, ...]:
    return () if appeal is None else (appeal.appeal_id,)


def continue_or_link(view: View, appeal: AppealView, why: Why, confidence: float) -> Routing:
    """The same appeal, unless the client now wants something else for the device: then a new one, linked."""
    if appeal.status in EARLY:
        return (
            existing(appeal, why, confidence) if not stale(view, appeal) else new(Why.SAME_DEVICE_STALE, 0.85, appeal)
        )
    named = view.device.named
    if foreign_repairs(view, appeal) and view.type not in QUIET:
        return new(Why.SAME_DEVICE_NEW_REPAIR if named else Why.NEW_REPAIR, 0.88, appeal)
    before = view.appeal_type(appeal)
    if view.type in WISHES and before in WISHES and view.type is not before:
        return new(Why.SAME_DEVICE_NEW_WISH if named else Why.NEW_WISH, 0.87, appeal)
    if stale(view, appeal):
        return new(Why.SAME_DEVICE_STALE, 0.85, appeal)
    return existing(appeal, why, confidence)


def stale(view: View, appeal: AppealView) -> bool:
    """Left alone too long to be the same talk; what is being repaired never gets stale."""
    if appeal.status in AT_WORK or not (view.repairs or view.device.named):
        return False
    return not view.within(appeal.touched_at, view.settings.same_repair_days)


def foreign_repairs(view: View, appeal: AppealView) -> bool:
    known = view.appeal_repairs(appeal)
    return bool(view.repairs and known and not view.repairs & known)


def done(view: View, days: int) -> list[AppealView]:
    return [a for a in view.closed if a.status is AppealStatus.DONE and view.within(a.closed_at, days)]


def lost(view: View) -> list[AppealView]:
    days = view.settings.same_repair_days
    return [a for a in view.closed if a.status is AppealStatus.LOST and view.within(a.touched_at, days)]


def best_fitting(view: View, appeals: list[AppealView]) -> list[AppealView]:
    if not view.device.named:
        return appeals
    exact = [a for a in appeals if view.fit(a) is Fit.SAME]
    return exact or [a for a in appeals if view.fit(a) is Fit.COMPATIBLE]


def same_device(appeals: list[AppealView]) -> bool:
    names = {
        (a.known.brand.value if a.known.brand else "", a.known.model.value if a.known.model else "") for a in appeals
    }
    return len(names) == 1


def narrow(view: View, appeals: list[AppealView]) -> list[AppealView]:
    if len(appeals) < 2 or not view.repairs:
        return appeals
    return [a for a in appeals if view.repairs & view.appeal_repairs(a)] or appeals

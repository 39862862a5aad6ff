"""A client who talks with a person goes on talking with that person; where the bot is silenced it stays so."""

from __future__ import annotations

from typing import Final

from battcrm.models.situation import AppealView, Control, Routing
from battcrm.resolution.match import Fit
from battcrm.resolution.pools import existing
from battcrm.resolution.reasons import Why
from battcrm.resolution.view import View

_SURE_MODEL: Final = 0.75


def stay_with_operator(view: View, routing: Routing) -> Routing:
    """The routing, unless it would let the bot speak where it may not: then the appeal that is not in its hands.

    A new appeal, a reopened one or a question is the bot's only when a model was surely named that no held appeal is
    about: another repair, wish or complaint about the device in hand is for the person.
    """
    held = [a for a in view.open if _held(view, a)]
    if not held or routing.action not in {"new", "ask", "reopen"}:
        return routing
    model = view.wish.model
    sure = model is not None and (model.locked or model.confidence >= _SURE_MODEL)
    if routing.action == "new" and sure and all(view.fit(a) is Fit.DIFFERENT for a in held):
        return routing
    return existing(held[0], Why.WITH_OPERATOR, 0.8, view.open)


def _held(view: View, appeal: AppealView) -> bool:
    """A pause that has run out holds nothing, whether or not it was noticed yet."""
    if appeal.control is Control.PAUSED:
        return appeal.control_until is None or appeal.control_until > view.now
    return appeal.control is not Control.BOT

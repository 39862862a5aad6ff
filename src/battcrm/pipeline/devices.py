"""Several devices of one client: which of them a turn is about, and which still wait for their question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from battcrm.models.facts import AppealType, Hypothesis, Reading
from battcrm.models.situation import (
    Action,
    AppealStatus,
    AppealView,
    Control,
    Draft,
    Plan,
    Routing,
    TurnMessage,
    read_chip,
)
from battcrm.pipeline.turn_types import Branch, TurnInput

AGREEMENT: Final = "agreement"
_MAX_DEVICES: Final = 3
_DIGITS: Final = 2
_WAITS: Final = timedelta(days=1)
_BOTH: Final = re.compile(r"(?<!\w)(?:об[ае]|обоих|обеих|и то,? и другое|both)\b", re.IGNORECASE)
_DAY: Final = re.compile(
    r"(?<!\w)(?:сегодня|завтра|послезавтра|понедельник|вторник|сред[уы]|четверг|пятниц|суббот|воскресень|утр|вечер|"
    r"today|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
    re.IGNORECASE,
)
_ASKS: Final = frozenset({Action.CLARIFY, Action.OPERATOR})


def matters(reading: Reading) -> list[tuple[Hypothesis, ...]]:
    """Each device by itself; a list too long to be answered one by one is one matter, and for a person."""
    devices = (*reading.passed, *reading.hypotheses)
    return [(device,) for device in devices] if len(devices) <= _MAX_DEVICES else [devices]


def with_times(turn: TurnInput, reading: Reading) -> Reading:
    """The reading in which the number of "book me in for tomorrow, for 12" is an hour and not the name of a model."""
    said = reading.main
    booked = reading.signals.firm and not said.repair_types and any(map(_waits_for_yes, turn.appeals))
    if not (booked and _by_number_alone(said) and _DAY.search(_fresh_text(turn))):
        return reading
    undated = replace(said, brand=None, model=None, device_class=None, candidates=())
    return replace(reading, hypotheses=(*reading.hypotheses[:-1], undated))


def _by_number_alone(said: Hypothesis) -> bool:
    """A device named by nothing but the digits of its model."""
    if said.model is None:
        return said.brand is None and bool(said.candidates)
    return bool(said.model.spans) and all(span.end - span.start <= _DIGITS for span in said.model.spans)


def press_and_words(turn: TurnInput) -> tuple[TurnInput | None, TurnInput | None]:
    """The turn with nothing fresh but the pressed chips of an appeal, and with what was said beside them; None = none."""
    chips = [m for m in turn.messages if m.fresh and _appeal_of(m, turn.appeals) is not None]
    words = [m for m in turn.messages if m.fresh and m not in chips and m.text.strip()]
    if not (chips and words):
        return None, None
    said = tuple(m for m in turn.messages if m not in chips)
    pressed = tuple(m for m in turn.messages if not m.fresh or m in chips)
    return replace(turn, messages=pressed), replace(turn, messages=said)


def about_another(words: Reading, routing: Routing, pressed: TurnInput) -> bool:
    """Whether the words beside a pressed chip name a device of another appeal than the chip's."""
    said = words.main
    named = said.model or said.brand or said.candidates or said.device_class
    appeals = (_appeal_of(m, pressed.appeals) for m in pressed.messages if m.fresh)
    own = {a.appeal_id for a in appeals if a is not None}
    return bool(named) and routing.action != "ask" and routing.appeal_id not in own


def _appeal_of(message: TurnMessage, appeals: Sequence[AppealView]) -> AppealView | None:
    """The appeal that a pressed chip answers for; the chip of "which device?" answers for none yet."""
    chip = read_chip(message.button_payload)
    if chip is None or chip.field == "appeal":
        return None
    return next((a for a in appeals if a.number == chip.number), None)


def both_meant(turn: TurnInput, reading: Reading) -> tuple[AppealView, ...]:
    """The two appeals with an offer that one yes or no is about ("book me in for both"); empty if it is not."""
    said, signals = reading.main, reading.signals
    names = said.model or said.brand or said.candidates or said.repair_types
    if names or not (signals.agrees or signals.declines):
        return ()
    offered = tuple(a for a in turn.appeals if _waits_for_yes(a) and a.control is Control.BOT)
    # A plain "no, thanks" to two prices that came together is for both; a plain "yes" may be for either.
    neither = signals.declines and len({a.touched_at for a in offered}) == 1
    return offered if len(offered) == 2 and (neither or _BOTH.search(_fresh_text(turn))) else ()


def _fresh_text(turn: TurnInput) -> str:
    return "\n".join(m.text for m in turn.messages if m.fresh)


def _waits_for_yes(appeal: AppealView) -> bool:
    return appeal.closed_at is None and (appeal.status is AppealStatus.QUOTED or appeal.expecting == AGREEMENT)


def without_taken(turn: TurnInput, branches: Sequence[Branch]) -> TurnInput:
    """The turn for one more device: an appeal that another device of the same words has taken is not there for it.

    But what a person has in hand stays in sight: more words to that person are no business of the bot.
    """
    taken = {b.change.appeal_id for b in branches if b.change is not None and b.change.control is Control.BOT}
    return replace(turn, appeals=tuple(a for a in turn.appeals if a.appeal_id not in taken)) if taken else turn


def put_off(turn: TurnInput, branches: Sequence[Branch], now: datetime) -> AppealView | None:
    """The device whose question has waited for another's, once nothing but a yes is wanted for that one."""
    if any(b.plan.action in _ASKS for b in branches) or not (branches and _is_through(branches[-1].plan)):
        return None
    spoken_of = {b.change.appeal_id for b in branches if b.change is not None}
    waiting = [a for a in turn.appeals if a.appeal_id not in spoken_of and _was_put_off(a, now)]
    return min(waiting, key=lambda a: a.number, default=None)


def said_once(branches: Sequence[Branch]) -> list[Branch]:
    """The branches without the words that an earlier one has said already ("all right", the address)."""
    said: set[tuple[Draft, ...]] = set()
    kept = []
    for branch in branches:
        offers = branch.plan.action is Action.SUGGEST or any(draft.buttons for draft in branch.drafts)
        again = branch.drafts in said and not offers
        said.add(branch.drafts)
        kept.append(replace(branch, drafts=()) if again else branch)
    return kept


def _is_through(plan: Plan) -> bool:
    offered = plan.question is not None and plan.question.field == AGREEMENT
    return offered or plan.status in (AppealStatus.AGREED, AppealStatus.LOST)


def _was_put_off(appeal: AppealView, now: datetime) -> bool:
    """A repair that nobody has been asked anything about yet."""
    wish = appeal.known.appeal_type
    fresh = appeal.status is AppealStatus.NEW and not appeal.asked and now - appeal.touched_at < _WAITS
    return fresh and appeal.control is Control.BOT and wish is not None and wish.value == AppealType.REPAIR

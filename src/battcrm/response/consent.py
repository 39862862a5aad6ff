"""Yes and no to a price: what counts as one depends on what was asked just before."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from battcrm.models.situation import AppealStatus, Plan, Question
from battcrm.response.case import Case
from battcrm.response.labels import label
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.shop_info import stated, with_a_person
from battcrm.response.wording import asks, hesitates

AT_WORK: Final = frozenset({AppealStatus.AGREED, AppealStatus.IN_REPAIR})
_OPEN_TALK: Final = frozenset({AppealStatus.NEW, AppealStatus.COLLECTING, AppealStatus.QUOTED})


def by_consent(case: Case) -> Plan | None:
    """Yes or no to a price or to an offer of diagnostics; None when the words are neither.

    A pressed button and "book me in" are a yes whatever came in between. A bare "ok" or a thumb is one only right after
    our question; elsewhere it is asked what is meant. A question along with it is answered, not taken for a yes.
    """
    consent = case.consent
    if case.situation.appeal is None:
        return None
    if consent is None:
        return _no_hurry(case)
    what = "agreed" if consent else "declined"
    if new_facts(case) and not _only_named_again(case):
        case.reject(what, Rejection.NEW_FACTS)
        return None
    if not (price_is_out(case) or _declined_before(case)):
        case.reject(what, Rejection.NOT_ACTIVE_STATUS)
        settled = consent and case.status not in _OPEN_TALK and not (case.learned or asks(case.text))
        return case.silence(Reason.NOTHING_TO_ANSWER) if settled else None
    return _agreed(case) if consent else _declined(case)


def _declined(case: Case) -> Plan | None:
    if not case.chosen and "?" in case.text:
        case.reject("declined", Rejection.QUESTION_WITH_IT)  # "too dear, is there a cheaper one?" is no refusal yet
        return None
    return _no_hurry(case) or case.answer(Reason.DECLINED, "declined", AppealStatus.LOST)


def _agreed(case: Case) -> Plan | None:
    firm = case.chosen or case.situation.reading.signals.firm or case.situation.routing.reason == "both_meant"
    if asks(case.text) and not case.chosen:
        if firm:
            return _agreed_and_asked(case)
        case.reject("agreed", Rejection.QUESTION_WITH_IT)
        return None
    plan = _no_hurry(case)
    if plan is not None:
        return plan
    if firm or case.asked_just_now("agreement"):
        return case.answer(Reason.AGREED, "agreed", AppealStatus.AGREED)
    case.reject("agreed", Rejection.NOT_ASKED)
    if not case.heard_us:
        return case.silence(Reason.NOTHING_TO_ANSWER)  # said before our answer was there to be agreed to
    return case.ask(Reason.CONFIRM_AGREEMENT, "ask_agreement", agreement(case))


def _agreed_and_asked(case: Case) -> Plan:
    """Booked; and the question beside it is answered from what the shop has stated, or by a person."""
    told = stated(case)
    booked = case.answer(Reason.AGREED, "agreed", AppealStatus.AGREED)
    if told is None:
        return with_a_person(case, booked, Reason.AFTER_QUOTE)
    said = told.variables | booked.variables | {"also": [told.template, *told.variables["also"]]}
    both = replace(booked, variables=said)
    return both if told.handover is None else replace(told, template=both.template, variables=said, status=both.status)


def _no_hurry(case: Case) -> Plan | None:
    """Who wants to think it over is left in peace: neither a yes nor a no, nor work for a person."""
    if case.chosen or not price_is_out(case) or new_facts(case) or asks(case.text) or not hesitates(case.text):
        return None
    for what in ("agreed", "declined"):
        case.reject(what, Rejection.HESITATES)
    return case.answer(Reason.THINKS, "no_hurry")


def agreement(case: Case) -> Question:
    """The question that every price ends with."""
    return Question(
        "agreement", tuple((label("say", c, case.language), label("chip", c, case.language)) for c in ("yes", "no"))
    )


def price_is_out(case: Case) -> bool:
    """A price, or the offer of diagnostics instead of one, has been said and waits for a yes."""
    appeal = case.situation.appeal
    return case.status is AppealStatus.QUOTED or (appeal is not None and appeal.expecting == "agreement")


def _declined_before(case: Case) -> bool:
    """A price was said and refused, and the client has come back to it."""
    appeal = case.situation.appeal
    back = appeal is not None and appeal.status is AppealStatus.LOST and appeal.quoted_low is not None
    # "Well, and how long does it take?" is no yes yet.
    return back and case.situation.routing.action == "reopen" and "?" not in case.text


def new_facts(case: Case) -> bool:
    """Whether the fresh words say anything of the device, the fault or the part."""
    said = case.situation.reading.main
    corrected = case.situation.reading.signals.correction and said.brand is not None
    return bool(said.model or said.repair_types or said.part_owner or said.candidates or corrected)


def _only_named_again(case: Case) -> bool:
    """A yes that names the device and the repair it is about says nothing new."""
    appeal, said = case.situation.appeal, case.situation.reading.main
    if appeal is None or said.part_owner is not None or said.candidates:
        return False
    before = appeal.known
    same = said.model is None or (before.model is not None and said.model.value == before.model.value)
    return same and {f.value for f in said.repair_types} <= {f.value for f in before.repair_types}

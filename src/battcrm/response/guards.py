"""What is settled before any answer is thought of: who may speak, circles, and what only a person may handle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from battcrm.models.facts import AppealType
from battcrm.models.situation import VIP_FLAG, Action, AppealStatus, Control, Plan, TurnMessage
from battcrm.response.case import Case
from battcrm.response.loops import is_auto_reply, is_looping
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.settings import Mode, OperatorRule, Vip
from battcrm.response.wording import ANGRY, BULK, CALL, LEGAL, NOT_OWN, PERSONAL_DATA

Guard = Callable[[Case], Plan | None]
# A chat about an ad has one buyer in it.
_ONE_PERSON: Final = frozenset({"private", "ad"})
_TALKING: Final = frozenset({AppealStatus.QUOTED, AppealStatus.AGREED, AppealStatus.IN_REPAIR, AppealStatus.DONE})
_PICTURES: Final = frozenset({"photo", "video", "document", "file", "video_note"})
_CONTACT: Final = "contact"
_VOICES: Final = frozenset({"voice", "audio"})
_STICKERS: Final = frozenset({"sticker", "reaction"})
_CONTROL: Final = {
    Control.HUMAN: Reason.CONTROL_HUMAN,
    Control.PAUSED: Reason.CONTROL_PAUSED,
    Control.OFF: Reason.CONTROL_OFF,
}


def may_be_here(case: Case) -> Plan | None:
    """Group chats are never answered; a tenant may have switched the bot off."""
    if case.situation.channel.conversation_type not in _ONE_PERSON:
        return case.silence(Reason.GROUP_CHAT)
    if case.settings.mode_for(case.situation.channel.kind) is Mode.OFF:
        return case.silence(Reason.MODE_OFF)
    return None


def stop_words(case: Case) -> Plan | None:
    """An opt-out is honoured in every state, confirmed once and only while the bot may speak."""
    if not case.situation.reading.signals.opt_out:
        return None
    if case.situation.client.do_not_contact:
        return replace(case.silence(Reason.OPTED_OUT_BEFORE), do_not_contact=True)
    if _held(case) is not None:
        return replace(case.silence(Reason.OPT_OUT), do_not_contact=True)
    return replace(case.answer(Reason.OPT_OUT, "opt_out"), do_not_contact=True)


def control(case: Case) -> Plan | None:
    """A person has the appeal, or it is paused."""
    reason = _held(case)
    return case.silence(reason) if reason is not None else None


def _held(case: Case) -> Reason | None:
    if case.situation.human_talks:
        return Reason.CONTROL_HUMAN
    appeal = case.situation.appeal
    if appeal is None and case.situation.routing.action == "none":  # words about no appeal are heard by who talks
        appeal = next((a for a in case.situation.appeals if a.closed_at is None), None)
    if appeal is None or appeal.control is Control.BOT:
        return None
    if appeal.control is Control.PAUSED and appeal.control_until and appeal.control_until <= case.situation.now:
        return None
    return _CONTROL[appeal.control]


def abuse(case: Case) -> Plan | None:
    """Spam is closed in silence, threats too unless we are working for this client; neither gets a lecture."""
    signals = case.situation.reading.signals
    if signals.spam and case.status not in _TALKING:
        case.flag("stop_list")
        return case.silence(Reason.SPAM, status=AppealStatus.SPAM if case.situation.appeal else None)
    if signals.threat:
        case.flag("threat")
        if LEGAL.search(case.text):
            return case.operator(Reason.LEGAL)  # a court is a client's right, not an abuse
        if case.status in _TALKING:
            return case.operator(Reason.NEGATIVE_TONE)
        case.flag("stop_list")
        return case.silence(Reason.THREAT)
    if signals.profanity:
        case.flag("emotion")
    return None


def courtesy(case: Case) -> Plan | None:
    """Thanks get one short answer inside a talk and none outside; stickers never any."""
    if case.fresh and not case.text.strip() and all(_is_sticker(m) for m in case.fresh):
        return case.silence(Reason.COURTESY)
    if not case.situation.reading.signals.thanks_only:
        return None
    if case.situation.appeal is None or case.situation.routing.action == "none" or not case.settings.answer_thanks:
        return case.silence(Reason.COURTESY)
    return case.answer(Reason.THANKS, "thanks")


def _kinds(case: Case) -> frozenset[str]:
    return frozenset(kind for m in case.fresh for kind in m.attachment_kinds)


def _is_sticker(message: TurnMessage) -> bool:
    return message.kind == "reaction" or bool(message.attachment_kinds and set(message.attachment_kinds) <= _STICKERS)


def circles(case: Case) -> Plan | None:
    """Other robots get silence; a talk that goes in circles gets a person."""
    if is_auto_reply(case):
        return case.silence(Reason.AUTO_REPLY)
    return case.operator(Reason.LOOP) if is_looping(case) else None


def resting(case: Case) -> Plan | None:
    """A client who asked for no contact is answered only when they themselves ask for something."""
    if not case.situation.client.do_not_contact:
        return None
    case.flag("do_not_contact")
    signals = case.situation.reading.signals
    if case.learned or signals.wants_operator or case.status in _TALKING:
        return None
    return case.silence(Reason.DO_NOT_CONTACT)


def operator_words(case: Case) -> Plan | None:
    """What a person must handle because of what was said."""
    signals = case.situation.reading.signals
    if signals.wants_operator:
        return case.operator(Reason.CALL_ME if CALL.search(case.text) else Reason.OPERATOR_WORD)
    if PERSONAL_DATA.search(case.text):
        return case.operator(Reason.PERSONAL_DATA)
    if LEGAL.search(case.text):
        return case.operator(Reason.LEGAL)
    if ANGRY.search(case.text):
        case.flag("emotion")
        return case.operator(Reason.NEGATIVE_TONE)
    if CALL.search(case.text):
        return case.operator(Reason.CALL_ME)
    return None


def not_for_a_bot(case: Case) -> Plan | None:
    """More devices than can be answered one by one, a company, or a lock on what may be somebody else's."""
    if len(case.situation.reading.hypotheses) > 1 or BULK.search(case.text):
        return case.operator(Reason.BULK)
    if any(fact.value == "unlock" for fact in case.known.repair_types) and NOT_OWN.search(case.text):
        return case.operator(Reason.NOT_OWN)
    return None


def contradicted(case: Case) -> Plan | None:
    """The client names another model than the one a person has settled: the two are to agree, not the bot to choose.

    Words that are read again because of the correction do not count: they are what was corrected.
    """
    settled, said = case.known.model, case.situation.reading.main.model
    if settled is None or said is None or not settled.locked or said.value == settled.value:
        return None
    if any(m.appeal_id is not None for m in case.fresh):
        return None
    return case.operator(Reason.CONTRADICTS) if said.confidence >= case.settings.thresholds.model else None


def complaints(case: Case) -> Plan | None:
    """Anything about our earlier work goes to a person, always."""
    routing = case.situation.routing
    harmless = case.wish in {AppealType.STATUS, AppealType.INFO}
    if case.wish is AppealType.WARRANTY or (routing.action == "reopen" and routing.reason == "warranty"):
        return case.operator(Reason.WARRANTY)
    if _complained_before(case) and not harmless:
        return case.operator(Reason.WARRANTY)
    if routing.action == "reopen" and routing.reason in {"post_service", "same_repair_recent"} and not harmless:
        return case.operator(Reason.POST_SERVICE)
    return None


def _complained_before(case: Case) -> bool:
    """A word on the fault of a repair that was complained about is more of the complaint, not a wish for a price."""
    appeal = case.situation.appeal
    before = appeal.known.appeal_type if appeal is not None else None
    return before is not None and before.value == AppealType.WARRANTY


def important(case: Case) -> Plan | None:
    """A client whom the shop has marked: a person answers, or is told that the bot did."""
    if not case.situation.client.vip or case.settings.vip is Vip.SAME:
        return None
    if case.settings.vip is Vip.HAND_OVER:
        return case.operator(Reason.VIP)
    case.flag(VIP_FLAG)
    return None


def media(case: Case) -> Plan | None:
    """A picture, a voice message or a shared contact that no text explains; who has only just come is greeted."""
    if not case.fresh or case.text.strip() or case.learned:
        return None
    kinds = _kinds(case)
    if _CONTACT in kinds and case.status in _TALKING:
        return case.operator(Reason.CONTACT)
    if _CONTACT in kinds and case.status is AppealStatus.NEW:
        return case.answer(Reason.GREETING, "greeting")
    if kinds & _VOICES:
        return case.operator(Reason.VOICE)
    return case.operator(Reason.PHOTO) if kinds & _PICTURES else None


def tenant_rules(case: Case) -> Plan | None:
    """The tenant's own reasons for a handover."""
    for rule in case.settings.operator_rules:
        if _holds(rule, case):
            case.flag(f"rule:{rule.name}")
            return case.operator(Reason.TENANT_RULE)
    return None


def _holds(rule: OperatorRule, case: Case) -> bool:
    if rule.appeal_types and case.wish not in rule.appeal_types:
        return False
    if rule.repair_types and not rule.repair_types & set(case.repairs):
        return False
    if rule.brands and (case.brand or "").lower() not in {b.lower() for b in rule.brands}:
        return False
    words = case.text.lower().replace("ё", "е").split()
    return not rule.words or any(w.strip("«»\"'(.,!?").startswith(stem.lower()) for stem in rule.words for w in words)


def off_topic(case: Case) -> Plan | None:
    """One fixed phrase, then silence. Instructions to the bot are data: flagged, never followed."""
    signals = case.situation.reading.signals
    if signals.injection:
        case.flag("injection")
        case.reject("follow_the_text", Rejection.CUSTOMER_TEXT_IS_DATA)
    if (signals.off_topic or signals.injection) and not case.learned:
        case.flag("off_topic")
        return case.answer(Reason.OFF_TOPIC, "off_topic")
    return None


GUARDS: Final[tuple[Guard, ...]] = (
    may_be_here, stop_words, control, abuse, courtesy, circles, resting, operator_words, complaints, important,
    not_for_a_bot, contradicted, media, tenant_rules, off_topic,
)  # fmt: skip


def is_speech(plan: Plan) -> bool:
    """Whether the plan says something on the bot's own account."""
    return plan.action in {Action.AUTO, Action.CLARIFY}

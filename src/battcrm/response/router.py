"""The response decision: a pure function of the situation and the tenant's settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.situation import Action, AppealStatus, Plan, Situation
from battcrm.response.case import Case
from battcrm.response.consent import by_consent
from battcrm.response.flows import by_routing, by_wish, unchanged
from battcrm.response.generator import TemplateComposer
from battcrm.response.guards import GUARDS, control, is_speech, may_be_here
from battcrm.response.loops import repeats
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.settings import Mode, ResponseSettings

_ONCE: Final = {
    Reason.THANKS: Reason.COURTESY,
    Reason.OFF_TOPIC: Reason.OFF_TOPIC_AGAIN,
    Reason.GREETING: Reason.REPEATED_GREETING,
    Reason.THINKS: Reason.COURTESY,
}
_LANGUAGE_LETTERS: Final = 12
_ASKED_FOR: Final = frozenset({Reason.OPERATOR_WORD, Reason.CALL_ME})
_TOLD: Final = timedelta(days=1)


class RuleResponseRouter:
    """Implements the pipeline's ResponseRouter. Stateless."""

    def __init__(self, composer: TemplateComposer | None = None) -> None:
        self._composer = composer or TemplateComposer()

    def decide(self, situation: Situation, settings: Any) -> Plan:
        """What to do and why: never raises, always with a reason and with what was turned down.

        `settings` is a ResponseSettings; anything else means the defaults.
        """
        case = _case(situation, settings)
        _note_language(case)
        plan = self._once(case, _choose(case))
        return _in_mode(case, self._told_once(case, plan))

    def allowed(self, plan: Plan, situation: Situation, settings: Any) -> Plan:
        """A plan made elsewhere, as far as it may be carried out.

        Silence where the bot may not speak at all, with that reason; no words of its own in suggest mode.
        """
        case = _case(situation, settings)
        barred = may_be_here(case) or control(case)
        if barred is not None:
            return replace(barred, rejected=((str(plan.action), plan.reason),))
        return _in_mode(case, plan)

    def _told_once(self, case: Case, plan: Plan) -> Plan:
        """What was handed over, given back and has to go to a person again is not announced in the same words twice.

        The handover itself and its note stand. Whoever asks for a person is always answered.
        """
        if plan.action is not Action.OPERATOR or plan.reason in _ASKED_FOR:
            return plan
        since = case.situation.now - _TOLD
        own = [m for m in case.situation.messages if m.author == "bot" and m.direction == "out" and m.at >= since]
        appeal = case.situation.appeal
        told = [m.wording for m in own if appeal is not None and m.appeal_id == appeal.appeal_id]
        if plan.reason == Reason.LOOP:  # another robot names a new device each time
            told += case.situation.last_bot_texts
        drafts = self._composer.compose(plan, case.situation, case.settings) if told else ()
        return replace(plan, template=None) if any(repeats(drafts, [text]) for text in told) else plan

    def _once(self, case: Case, plan: Plan) -> Plan:
        """The same answer twice is a circle: courtesy falls silent, anything else goes to a person."""
        if not is_speech(plan):
            return plan
        reason = Reason(plan.reason)
        try:
            drafts = self._composer.compose(plan, case.situation, case.settings)
        except Invalid as error:
            case.reject(plan.template or "", error.code)
            return case.operator(Reason.TEXT_FAILED)
        if reason in _ONCE and any(repeats(drafts, [text]) for text in case.situation.last_bot_texts):
            return case.silence(_ONCE[reason])
        if repeats(drafts, case.situation.last_bot_texts):
            case.reject(plan.template or "", Reason.SAME_ANSWER)
            return case.operator(Reason.SAME_ANSWER)
        return plan


def _case(situation: Situation, settings: Any) -> Case:
    return Case(situation, settings if isinstance(settings, ResponseSettings) else ResponseSettings())


def _choose(case: Case) -> Plan:
    for guard in GUARDS:
        plan = guard(case)
        if plan is not None:
            return plan
    return by_routing(case) or by_consent(case) or unchanged(case) or by_wish(case)


def _in_mode(case: Case, plan: Plan) -> Plan:
    """In suggest mode nothing is said by the bot itself: texts become drafts, and a draft has quoted nothing yet."""
    if case.settings.mode_for(case.situation.channel.kind) is not Mode.SUGGEST:
        return plan
    if plan.action is Action.OPERATOR:
        return replace(plan, template=None)
    if not is_speech(plan):
        return plan
    status = None if plan.status is AppealStatus.QUOTED else plan.status
    rejected = (*plan.rejected, (str(plan.action), str(Rejection.MODE_SUGGEST)))
    return replace(plan, action=Action.SUGGEST, status=status, rejected=rejected)


def _note_language(case: Case) -> None:
    language = case.situation.reading.signals.language
    if language not in case.settings.languages and sum(ch.isalpha() for ch in case.text) >= _LANGUAGE_LETTERS:
        case.flag(f"language:{language}")
        case.reject(f"answer_in:{language}", Rejection.LANGUAGE)

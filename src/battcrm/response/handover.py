"""The operator's note: why, what the client wants, what is known, what is missing."""

from __future__ import annotations

from typing import Final

from battcrm.models.facts import Fact, Hypothesis
from battcrm.models.situation import Handover, Situation
from battcrm.response.labels import label
from battcrm.response.reasons import Reason
from battcrm.response.settings import ResponseSettings
from battcrm.response.text import device_name, money_range, plain

_CAUSES: Final = {
    Reason.LEGAL: "legal",
    Reason.PERSONAL_DATA: "legal",
    Reason.WARRANTY: "complaint",
    Reason.NEGATIVE_TONE: "complaint",
    Reason.CALL_ME: "call",
    Reason.CONTACT: "contact",
}
_QUOTED_CHARS: Final = 120
_SEPARATOR: Final = "; "


def cause_of(reason: Reason) -> str:
    """Which wording of the text to the client fits the reason: legal | complaint | call | contact | other."""
    return _CAUSES.get(reason, "other")


def make_handover(reason: Reason, situation: Situation, settings: ResponseSettings, said: str) -> Handover:
    """The three lines, in the operator's language. Client words are quoted as words, never interpreted."""
    language = settings.operator_language
    known = situation.known
    return Handover(
        reason=str(reason),
        wants=_wants(known, said, language),
        known=_known(known, situation, settings) or label("field", "nothing", language),
        missing=_missing(known, settings, reason) or label("field", "nothing", language),
    )


def _wants(known: Hypothesis, said: str, language: str) -> str:
    parts = [label("wish", known.appeal_type.value, language)] if known.appeal_type else []
    parts += [label("repair", f.value, language) for f in known.repair_types]
    if said.strip():
        parts.append("«" + plain(said, _QUOTED_CHARS) + "»")
    return _SEPARATOR.join(parts) or label("wish", "other", language)


def _known(known: Hypothesis, situation: Situation, settings: ResponseSettings) -> str:
    language = settings.operator_language
    parts = []
    name = device_name(known)
    if len(situation.reading.hypotheses) > 1:
        parts.append(", ".join(filter(None, map(device_name, situation.reading.hypotheses))))
    elif name:
        sure = known.model or known.brand
        parts.append(f"{name} ({sure.confidence:.0%})" if sure and not sure.locked else name)
    elif known.candidates:
        parts.append(" / ".join(f"{c.brand} {c.model}" for c in known.candidates[:3]) + "?")
    if known.part_owner:
        parts.append(label("owner", known.part_owner.value, language).lower())
    appeal = situation.appeal
    if appeal is not None and appeal.quoted_low is not None and appeal.quoted_high is not None:
        parts.append(money_range(appeal.quoted_low, appeal.quoted_high, language))
    parts += [plain(phone, 20) for phone in situation.reading.signals.phones[:2]]
    parts += [f"№ {plain(order, 20)}" for order in situation.reading.signals.order_numbers[:2]]
    return _SEPARATOR.join(parts)


def _missing(known: Hypothesis, settings: ResponseSettings, reason: Reason) -> str:
    language, limits = settings.operator_language, settings.thresholds

    def lacks(fact: Fact | None, floor: float) -> bool:
        return fact is None or not (fact.locked or fact.confidence >= floor)

    fields = []
    if lacks(known.model, limits.model):
        fields.append("model")
    if not any(not lacks(f, limits.repair_types) for f in known.repair_types):
        fields.append("repair_types")
    if reason is Reason.STATUS_UNKNOWN:
        fields = ["order"]
    if reason in {Reason.PRICE_UNKNOWN, Reason.PRICE_OUTSIDE}:
        fields.append("price")
    if reason is Reason.ROUTING_UNCLEAR:
        fields.insert(0, "appeal")
    return ", ".join(label("field", f, language) for f in fields)

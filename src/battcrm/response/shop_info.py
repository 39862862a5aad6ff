"""Answers from what the shop has stated about itself."""

from __future__ import annotations

from battcrm.models.situation import AppealStatus, Plan
from battcrm.response.case import Case
from battcrm.response.generator import shop_facts
from battcrm.response.hours import week_lines
from battcrm.response.labels import label
from battcrm.response.reasons import Reason
from battcrm.response.wording import asks_service, asks_when, topics_of


def info(case: Case) -> Plan:
    """A fact about the shop, only if the shop has stated it."""
    topics = _topics(case)
    known = stated(case)
    if known is not None:
        return known
    # "Do you do these?" may leave the device out, if it asks that at all.
    wanted = case.situation.reading.main.device_class or (case.known.device_class if asks_service(case.text) else None)
    if not topics and wanted is not None and wanted in case.settings.shop.services:
        return case.answer(Reason.INFO, "info_services")
    case.reject(f"info_{topics[0] if topics else 'general'}", "no_such_fact")
    return case.operator(Reason.INFO_UNKNOWN)


def stated(case: Case) -> Plan | None:
    """The answer to questions about the shop that the shop has stated; None if there is none.

    Of several asked at once all that are stated are answered; where the first is not, none: a person knows them all.
    """
    asked = _topics(case)
    if not asked or not _is_stated(case, asked[0]):
        return None
    first, *also = (f"info_{topic}" for topic in asked if _is_stated(case, topic))
    return case.answer(Reason.INFO, first, week=_week(case) if "hours" in asked else [], also=also)


def _is_stated(case: Case, topic: str) -> bool:
    if topic == "hours" and case.settings.hours.week:
        return True
    return bool(shop_facts(case.settings.shop, case.situation.shop, case.language).get(topic))


def _week(case: Case) -> list[str]:
    lines = []
    for first, last, spans in week_lines(case.settings.hours):
        name = label("weekday", first, case.language)
        if first != last:
            name = f"{name}–{label('weekday', last, case.language)}"
        lines.append(f"{name}: {spans or label('weekday', 'closed', case.language)}")
    return lines


def _topics(case: Case) -> tuple[str, ...]:
    """What is asked about the shop. A bare "when?" means when to come, unless the device is here already."""
    found = topics_of(case.text)
    if not found and case.status is not AppealStatus.IN_REPAIR and asks_when(case.text):
        return ("hours",)
    return found

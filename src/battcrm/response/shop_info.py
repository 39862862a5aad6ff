"""Answers from what the shop has stated about itself."""

from __future__ import annotations

from battcrm.models.situation import AppealStatus, Plan
from battcrm.response.case import Case
from battcrm.response.generator import shop_facts
from battcrm.response.hours import week_lines
from battcrm.response.labels import label
from battcrm.response.reasons import Reason
from battcrm.response.wording import asks_service, asks_when, topic_of


def info(case: Case) -> Plan:
    """A fact about the shop, only if the shop has stated it."""
    topic = _topic(case)
    known = stated(case)
    if known is not None:
        return known
    # "Do you do these?" may leave the device out, if it asks that at all.
    wanted = case.situation.reading.main.device_class or (case.known.device_class if asks_service(case.text) else None)
    if topic is None and wanted is not None and wanted in case.settings.shop.services:
        return case.answer(Reason.INFO, "info_services")
    case.reject(f"info_{topic or 'general'}", "no_such_fact")
    return case.operator(Reason.INFO_UNKNOWN)


def stated(case: Case) -> Plan | None:
    """The answer to a question about the shop that the shop has stated; None if it is no such question."""
    topic = _topic(case)
    if topic == "hours" and case.settings.hours.week:
        return case.answer(Reason.INFO, "info_hours", week=_week(case))
    facts = shop_facts(case.settings.shop, case.situation.shop, case.language)
    return case.answer(Reason.INFO, f"info_{topic}") if topic is not None and facts.get(topic) else None


def _week(case: Case) -> list[str]:
    lines = []
    for first, last, spans in week_lines(case.settings.hours):
        name = label("weekday", first, case.language)
        if first != last:
            name = f"{name}–{label('weekday', last, case.language)}"
        lines.append(f"{name}: {spans or label('weekday', 'closed', case.language)}")
    return lines


def _topic(case: Case) -> str | None:
    """What is asked about the shop. A bare "when?" means when to come, unless the device is here already."""
    found = topic_of(case.text)
    if found is None and case.status is not AppealStatus.IN_REPAIR and asks_when(case.text):
        return "hours"
    return found

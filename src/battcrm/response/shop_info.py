"""Answers from what the shop has stated about itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from battcrm.models.situation import AppealStatus, Plan
from battcrm.response.case import Case
from battcrm.response.generator import shop_facts
from battcrm.response.hours import exceptions, week_lines
from battcrm.response.labels import DEVICES, label
from battcrm.response.reasons import Reason
from battcrm.response.text import day
from battcrm.response.wording import asks_repairs, asks_service, asks_when, topics_asked, topics_of


def info(case: Case) -> Plan:
    """A fact about the shop, only if the shop has stated it."""
    topics = _topics(case)
    known = stated(case)
    if known is not None:
        return known
    # "Do you do these?" may leave the device out, if it asks that at all.
    wanted = case.situation.reading.main.device_class or (case.known.device_class if asks_service(case.text) else None)
    services = case.settings.shop.services
    if not topics and wanted is not None and wanted in services:
        return case.answer(Reason.INFO, "info_services", services=[])
    listed = [kind for kind in DEVICES[case.language] if kind in services]
    if not topics and wanted is None and listed and asks_repairs(case.text):
        return case.answer(Reason.INFO, "info_services", services=listed)
    case.reject(f"info_{topics[0] if topics else 'general'}", "no_such_fact")
    return case.operator(Reason.INFO_UNKNOWN)


def stated(case: Case) -> Plan | None:
    """The answer to questions about the shop that the shop has stated; None if there is none.

    Of several asked at once all that are stated are answered, and a person is called for the others.
    """
    asked = _topics(case)
    told = [topic for topic in asked if _is_stated(case, topic)]
    if not told:
        return None
    first, *also = map(_key, told)
    plan = case.answer(Reason.INFO, first, also=also, **_data(case, told))
    return plan if told == list(asked) else with_a_person(case, plan, Reason.INFO_UNKNOWN)


def beside(case: Case, plan: Plan) -> Plan:
    """The plan, with answers to what was asked about the shop in the same breath; they come first.

    A person is called for what the shop has not stated, once the plan's own words are said.
    """
    asked = topics_asked(case.text)
    if plan.template is None or not asked:
        return plan
    told = [topic for topic in asked if _is_stated(case, topic)]
    plan = replace(plan, variables=plan.variables | {"before": [*map(_key, told)], **_data(case, told)})
    return plan if told == list(asked) else with_a_person(case, plan, Reason.INFO_UNKNOWN)


def with_a_person(case: Case, plan: Plan, reason: Reason) -> Plan:
    """What the plan says and does, and a person for what it leaves open."""
    handed = case.operator(reason)
    if plan.handover is not None:
        return plan
    also = [*plan.variables.get("also", ()), "handover"]
    return replace(
        handed, template=plan.template, variables=handed.variables | plan.variables | {"also": also}, status=plan.status
    )


def _key(topic: str) -> str:
    return f"info_{topic}"


def _data(case: Case, topics: Iterable[str]) -> dict[str, Any]:
    """What the texts of these topics need."""
    return {"week": _week(case) if "hours" in topics else []}


def _is_stated(case: Case, topic: str) -> bool:
    if topic == "hours" and case.settings.hours.week:
        return True
    return bool(shop_facts(case.settings.shop, case.situation.shop, case.language).get(topic))


def _week(case: Case) -> list[str]:
    """The usual week, and the coming days that differ from it."""
    closed = label("weekday", "closed", case.language)
    lines = []
    for first, last, spans in week_lines(case.settings.hours):
        name = label("weekday", first, case.language)
        if first != last:
            name = f"{name}–{label('weekday', last, case.language)}"
        lines.append(f"{name}: {spans or closed}")
    zone = case.situation.timezone
    for moment, spans in exceptions(case.settings.hours, case.situation.now, zone):
        lines.append(f"{day(moment, case.language, zone)}: {spans or closed}")
    return lines


def _topics(case: Case) -> tuple[str, ...]:
    """What is asked about the shop. A bare "when?" means when to come, unless the device is here already."""
    found = topics_of(case.text)
    if not found and case.status is not AppealStatus.IN_REPAIR and asks_when(case.text):
        return ("hours",)
    return found

"""Several things in one breath: shop questions beside a price, sums, circles over many devices, typed titles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from battcrm.models.situation import Action, AppealStatus, Plan, Situation
from battcrm.response.reasons import Reason
from battcrm.response.settings import ResponseSettings
from tests.unit.response.build import COMPOSER, DEFAULTS, ROUTER, SHOP, appeal, quote, situation, tenant, wish

FULL = wish("repair", "iPhone 13", "screen")
QUOTED = appeal("quoted", FULL, expecting="agreement")
OPERATOR = Action.OPERATOR


def decide(s: Situation, settings: ResponseSettings = DEFAULTS) -> Plan:
    return ROUTER.decide(s, settings)


def test_what_the_shop_has_stated_is_said_and_a_person_called_for_the_rest() -> None:
    both = situation("какой адрес и есть ли доставка?", wish("info"))
    plan = decide(both, tenant(shop={"address": "ул. Лесная, 5"}))
    assert (plan.action, plan.reason, plan.template) == (OPERATOR, Reason.INFO_UNKNOWN, "info_address")
    assert plan.variables["also"] == ["handover"]
    told = decide(both, tenant(shop=SHOP))
    assert (told.action, told.variables["also"]) == (Action.AUTO, ["info_address"])


def test_a_price_and_a_question_about_the_shop_are_answered_together() -> None:
    asked = situation("экран на 13 сколько и где вы?", FULL, quotes=(quote(),))
    plan = decide(asked, tenant(shop=SHOP))
    assert (plan.reason, plan.variables["before"]) == (Reason.QUOTE, ["info_address"])
    partly = decide(asked, tenant(shop={"name": "Сервис"}))
    assert (partly.action, partly.template, partly.status) == (OPERATOR, "quote", AppealStatus.QUOTED)
    assert partly.question is None  # buttons would ask the bot, and a person has it now


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Да, записать", Reason.AGREED), ("пока нет.", Reason.DECLINED), ("Not now", Reason.DECLINED)],
)
def test_a_buttons_title_may_be_typed(text: str, reason: Reason) -> None:
    asked = replace(QUOTED, expecting="agreement", options=("да", "нет") if text[0] != "N" else ("yes", "no"))
    assert decide(situation(text, known=FULL, appeal=asked)).reason == reason


def test_when_will_you_do_it_after_a_price_asks_for_no_order_number() -> None:
    plan = decide(situation("и когда сделаете?", wish("status"), known=FULL, appeal=QUOTED))
    assert (plan.action, plan.reason) == (OPERATOR, Reason.AFTER_QUOTE)


def test_a_circle_over_many_devices_is_announced_once() -> None:
    first = situation("цена?", FULL, bot_turns_recent=6, quotes=(quote(),))
    said = COMPOSER.compose(decide(first), first, DEFAULTS)[-1].text
    again = decide(replace(first, last_bot_texts=(said,)))
    assert (again.action, again.reason, again.template) == (OPERATOR, Reason.LOOP, None)

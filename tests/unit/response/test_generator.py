from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from battcrm.models.situation import Action, Plan, Question, Situation
from battcrm.response import generator
from battcrm.response.settings import ResponseSettings
from battcrm.response.text import NBSP
from tests.unit.response.build import COMPOSER, DEFAULTS, NOW, ROUTER, SHOP, fact, quote, situation, tenant, wish

FULL = wish("repair", "iPhone 13", "screen")


def said(s: Situation, settings: ResponseSettings = DEFAULTS) -> str:
    return "\n---\n".join(d.text for d in COMPOSER.compose(ROUTER.decide(s, settings), s, settings)).replace(NBSP, " ")


def test_quote_shows_its_evidence() -> None:
    text = said(situation("цена?", FULL, quotes=(quote(),)))
    for part in ("Замена экрана, iPhone 13: 3 900–4 600 ₽ вместе с деталью.", "17 наших ремонтах", "90 дней",
                 "Деталь: 2 150 ₽, в наличии 2 шт. (цена от 4 марта)"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("change", "shown", "hidden"),
    [
        ({"part_price": None}, "за последние 90 дней", "Деталь"),
        ({"part_stock": 0}, "под заказ", "в наличии"),
        ({"part_stock": None}, "Деталь: 2 150 ₽ (цена", "в наличии"),
        ({"part_priced_at": None}, "в наличии 2 шт.", "цена от"),
        ({"n": 1, "days": 21}, "1 нашем ремонте за последние 21 день", "ремонтах"),
        ({"sibling_model": "iPhone 13 mini"}, "близкая модель iPhone 13 mini", "None"),
        ({"labour_only": True}, "за работу, без детали", "Деталь:"),
        ({"high": 390_000}, ": 3 900 ₽", "–"),
    ],
)
def test_quote_says_what_it_rests_on(change: dict[str, Any], shown: str, hidden: str) -> None:
    text = said(situation("цена?", FULL, quotes=(quote(**change),)))
    assert shown in text
    assert hidden not in text


def test_own_part_brings_labour_only_and_no_warranty_on_the_part() -> None:
    own = replace(FULL, part_owner=fact("client"))
    text = said(situation("свой экран", own, quotes=(quote(labour_only=True),)))
    assert "платите только за работу" in text
    assert "Гарантию на саму деталь мы не даём" in text
    assert "2 150" not in text


def test_two_repairs_are_two_lines_and_what_has_no_price_is_named() -> None:
    known = wish("repair", "iPhone 13", "screen", "battery", "camera")
    text = said(situation("цены?", known, quotes=(quote(), quote("battery", low=200_000, high=250_000))))
    assert "Замена экрана" in text
    assert "Замена аккумулятора, iPhone 13: 2 000–2 500 ₽" in text
    assert "Ремонт камеры — цену назовёт мастер после осмотра" in text


def test_choices_are_buttons_or_numbered_lines() -> None:
    s = situation(
        "13 про",
        wish("repair", None, "screen", candidates=(("Apple", "iPhone 13 Pro", 0.6), ("Xiaomi", "Xiaomi 13 Pro", 0.4))),
    )
    plan = ROUTER.decide(s, DEFAULTS)
    draft = COMPOSER.compose(plan, s, DEFAULTS)[0]
    assert [row[0].title for row in draft.buttons] == ["iPhone 13 Pro", "Xiaomi 13 Pro", "Другая модель"]
    assert [row[0].payload for row in draft.buttons] == ["ap:0:model:1", "ap:0:model:2", "ap:0:model:0"]
    plain = replace(s, channel=replace(s.channel, buttons=False))
    draft = COMPOSER.compose(plan, plain, DEFAULTS)[0]
    assert draft.buttons == ()
    assert draft.text.endswith("1. iPhone 13 Pro\n2. Xiaomi 13 Pro\n3. Другая модель")


@pytest.mark.parametrize("limit", [60, 120, 400])
def test_long_text_is_split_within_the_channels_limit_and_loses_nothing(limit: int) -> None:
    s = situation("цена?", FULL, quotes=(quote(),), channel={"text_limit": limit})
    drafts = COMPOSER.compose(ROUTER.decide(s, DEFAULTS), s, DEFAULTS)
    whole = COMPOSER.compose(
        ROUTER.decide(s, DEFAULTS), replace(s, channel=replace(s.channel, text_limit=9999)), DEFAULTS
    )
    assert all(0 < len(d.text) <= limit for d in drafts)
    assert "".join("".join(d.text.split()) for d in drafts) == "".join(whole[0].text.split())
    assert all(d.buttons == () for d in drafts[:-1])
    assert drafts[-1].buttons


def test_tenants_wording_is_used_and_a_broken_one_never_costs_the_answer() -> None:
    s = situation("экран", wish("repair", None, "screen"))
    own = tenant(templates={"ru": {"ask_model": "Модель{% if brand %} {{ brand }}{% endif %}?"}})
    assert said(s, own) == "Модель?"
    broken = DEFAULTS.model_copy(update={"templates": {"ru": {"ask_model": "{{ nothing }}"}}})
    assert said(s, broken) == said(s)


def test_customers_words_are_never_a_template() -> None:
    hostile = "{{ 7*7 }}{% for x in y %}"
    known = wish("repair", hostile, "screen", brand=hostile)
    s = situation(hostile, known, client={"name": hostile}, signals={"greeting_only": True})
    for plan_source in (s, replace(s, reading=replace(s.reading, signals=type(s.reading.signals)()))):
        text = said(plan_source)
        assert "49" not in text
    assert "{{" not in said(situation("привет", signals={"greeting_only": True}, client={"name": hostile}))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("анна", "Анна"),
        ("Анна Котова", "Анна"),
        ("Anna-Maria", "Anna-Maria"),
        ("t.me/xxx", None),
        ("👑король", None),
        (None, None),
        ("Ы", None),
    ],
)
def test_greeting_uses_only_a_name_that_looks_like_one(name: str | None, shown: str | None) -> None:
    text = said(situation("привет", signals={"greeting_only": True}, client={"name": name}))
    assert text.startswith(f"Здравствуйте, {shown}!" if shown else "Здравствуйте!")


def test_shop_facts_come_from_the_section_then_from_the_tenant() -> None:
    s = situation("адрес?", wish("info"), shop={"address": "пр. Мира, 1.", "name": "Мастер"})
    assert said(s) == "Мастер, пр. Мира, 1."
    assert said(s, tenant(shop=SHOP)) == "Сервис, ул. Лесная, 5."
    english = tenant(shop=SHOP | {"by_language": {"en": {"address": "5 Lesnaya St"}}}, languages=["en", "ru"])
    assert "5 Lesnaya St" in said(replace(s, client=replace(s.client, locale="en")), english)


def test_short_text_keeps_the_clients_language() -> None:
    both = tenant(languages=["ru", "en"])
    short = situation("ok", signals={"language": "ru"}, client={"locale": "en-GB"})
    assert generator.pick_language(short, both) == "en"
    assert generator.pick_language(short, DEFAULTS) == "ru"
    answered = replace(short, client=replace(short.client, locale="ru"), last_bot_texts=("Which model do you have?",))
    assert generator.pick_language(answered, both) == "en"
    assert generator.pick_language(replace(answered, last_bot_texts=("Какая модель iPhone?",)), both) == "ru"


def test_hours_text_names_the_week() -> None:
    settings = tenant(hours={"week": {"mon": ["10:00-20:00"], "tue": ["10:00-20:00"], "sat": ["11:00-15:00"]}})
    text = said(situation("часы работы? до скольки?", wish("info")), settings)
    assert "Сейчас закрыто, откроемся в субботу, 7 марта, в 11:00." in text
    for line in ("пн–вт: 10:00–20:00", "ср–пт: выходной", "сб: 11:00–15:00", "вс: выходной"):
        assert line in text
    open_now = replace(situation("до скольки?", wish("info")), now=NOW - timedelta(days=1))
    assert said(open_now, settings).startswith("Сейчас мы открыты.")


def test_incomplete_plan_is_refused_not_sent() -> None:
    plan = Plan(Action.AUTO, "x", "quote", {"quotes": [{"name": "x"}]})
    with pytest.raises(Invalid):
        COMPOSER.compose(plan, situation(), DEFAULTS)
    assert COMPOSER.compose(Plan(Action.AUTO, "x"), situation(), DEFAULTS) == ()


def test_payloads_fit_every_channel() -> None:
    question = Question("repair_types", tuple((f"value{i}", f"title {i}") for i in range(7)))
    s = situation("x")
    plan = Plan(Action.CLARIFY, "x", "ask_repair", {}, question)
    rows = COMPOSER.compose(plan, s, DEFAULTS)[0].buttons
    assert max(len(row[0].payload.encode()) for row in rows) <= 64

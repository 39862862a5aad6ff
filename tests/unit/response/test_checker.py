from __future__ import annotations

from datetime import date

import pytest

from battcrm.response.checker import Fault, Given, check_text, given_from
from tests.unit.response.build import DEFAULTS, ROUTER, quote, situation, wish

GIVEN = Given(
    amounts=frozenset({390_000, 460_000, 215_000}),
    numbers=frozenset({"17", "90", "2"}),
    dates=frozenset({date(2026, 3, 4)}),
    phrases=("iPhone 13 Pro", "ул. Лесная, 5", "Гарантия на работу 90 дней", "завтра в 10:00"),
)


@pytest.mark.parametrize(
    "text",
    [
        "Экран на iPhone 13 Pro обойдётся в 3 900–4 600 ₽ по 17 ремонтам.",
        "Примерно 3900 рублей, деталь 2150.",
        "Примерно 3,9 тыс., цена от 4 марта (04.03).",
        "Ждём вас: ул. Лесная, 5, завтра в 10:00. Гарантия на работу 90 дней.",
        "Подскажите, пожалуйста, модель.",
    ],
)
def test_given_facts_pass(text: str) -> None:
    assert check_text(text, GIVEN) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Экран стоит 3 500 ₽", Fault.NUMBER),
        ("Экран стоит 3,5к", Fault.NUMBER),
        ("Экран на iPhone 14 Pro", Fault.NUMBER),
        ("Будет 17 тысяч", Fault.NUMBER),
        ("От трёх до пяти тысяч", Fault.NUMBER_WORD),
        ("Это займёт полчаса", Fault.NUMBER_WORD),
        ("It takes three hours", Fault.NUMBER_WORD),
        ("Приходите 5 марта", Fault.DATE),
        ("Приходите завтра", Fault.DATE),
        ("See you on Monday", Fault.DATE),
        ("Гарантируем результат", Fault.PROMISE),
        ("Сделаем бесплатно", Fault.PROMISE),
        ("Дадим скидку", Fault.PROMISE),
        ("Деталь в наличии", Fault.PROMISE),
        ("We guarantee it", Fault.PROMISE),
        ("Пишите на t.me/abc", Fault.LINK),
        ("Смотрите на example.ru", Fault.LINK),
        ("Здравствуйте, {{ client }}", Fault.PLACEHOLDER),
        ("Здравствуйте, [имя клиента]", Fault.PLACEHOLDER),
        ("  ", Fault.EMPTY),
        ("а" * 901, Fault.LENGTH),
    ],
)
def test_what_was_not_given_is_refused(text: str, fault: Fault) -> None:
    assert fault in {f.fault for f in check_text(text, GIVEN)}


def test_a_plan_gives_its_own_facts() -> None:
    s = situation("цена?", wish("repair", "iPhone 13", "screen"), quotes=(quote(),))
    given = given_from(ROUTER.decide(s, DEFAULTS).variables)
    assert (
        check_text("iPhone 13, экран: 3 900–4 600 ₽ по 17 ремонтам за 90 дней, деталь 2 150 ₽ от 4 марта.", given) == ()
    )
    assert check_text("iPhone 13: 3 800 ₽", given)
    assert check_text("iPhone 13 Pro: 17 ₽ за 390000", given)


def test_a_given_number_inside_another_is_not_given() -> None:
    assert check_text("iPhone 13 Pro 256", GIVEN)
    assert check_text("Всего 1790", GIVEN)

"""What Avito's moderation hides, and what only looks like it."""

from __future__ import annotations

import pytest

from battcrm.transport.avito.contacts import forbidden_in, without_contacts
from battcrm.transport.wire import phone_in


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Звоните +7 900 000-11-22", "phone"),
        ("8(900)0001122", "phone"),
        ("наш номер 900 000 11 22", "phone"),
        ("из Минска +375 29 000-11-22", "phone"),
        ("https://shop.example/price", "link"),
        ("смотрите www.shop.example", "link"),
        ("сайт: pochinim.ru/ceny", "link"),
        ("наш сайт починим.рф", "link"),
        ("t.me/pochinim", "link"),
        ("https://avito.ru.evil.example/x", "link"),
        ("https://evil.example/?u=avito.ru", "link"),
        ("https://avito.ru@evil.example/", "link"),
        ("пишите shop@mail.example", "mail"),
        ("мы в телеграме @pochinim_shop", "nick"),
    ],
)
def test_contacts_are_found(text: str, reason: str) -> None:
    assert forbidden_in(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "Замена дисплея — 24 900 ₽, срок 1 день.",
        "Цена 12 500–14 900 ₽, гарантия 90 дней",
        "IMEI 356938035643809 проверим на месте",
        "Заказ №1795338001, готов 22.11.2026 в 18:30",
        "https://www.avito.ru/moskva/uslugi/zamena_4341979279",
        "Объявление avito.ru/4341979279",
        "Готово.Забирайте",
        "Модель SM-A525F/DS, плата 820-00165-A",
        "iPhone 13.Pro или 14.Max",
        "1. Оригинал\n2. Копия",
    ],
)
def test_repair_talk_passes(text: str) -> None:
    assert forbidden_in(text) is None


def test_a_phone_is_normalised() -> None:
    assert phone_in("тел. 8-900-000-11-22") == "+79000001122"
    assert phone_in("цена 24 900") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ждём вас. Телефон: +7 900 000-11-22.", "Ждём вас. Телефон: есть в нашем профиле."),
        ("Передали просьбу позвонить на 8 (900) 000-11-22.", "Передали просьбу позвонить на указанный номер."),
        ("Our phone number: +7 900 000-11-22.", "Our phone number: see our profile."),
        ("Схема: https://maps.example/place?x=1, вход со двора", "Схема: есть в нашем профиле вход со двора"),
        ("Сайт pochinim.ru/price или @pochinim", "Сайт есть в нашем профиле или есть в нашем профиле"),
        ("Пишите: shop@mail.example", "Пишите: есть в нашем профиле"),
        (
            "Объявление https://www.avito.ru/moskva/1 и цена 8 900 ₽",
            "Объявление https://www.avito.ru/moskva/1 и цена 8 900 ₽",
        ),
        (
            "Замена экрана iPhone 13 Pro: 4 950–5 250 ₽, заказ 813",
            "Замена экрана iPhone 13 Pro: 4 950–5 250 ₽, заказ 813",
        ),
    ],
)
def test_a_text_goes_without_its_contacts(text: str, expected: str) -> None:
    assert without_contacts(text) == expected
    assert forbidden_in(without_contacts(text)) is None

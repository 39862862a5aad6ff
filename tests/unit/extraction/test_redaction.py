from __future__ import annotations

import pytest

from battcrm.extraction.redaction import RedactionPolicy, redact


@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        ("звоните 8 900 000-00-00 вечером", "8 900 000-00-00", "PHONE"),
        ("мой +79000000000", "+79000000000", "PHONE"),
        ("пишите на ivan.petrov@example.com", "ivan.petrov@example.com", "EMAIL"),
        ("карта 4111 1111 1111 1111 сбер", "4111 1111 1111 1111", "CARD"),
        ("паспорт 45 08 123456", "45 08 123456", "PASSPORT"),
        ("инн 7707083893 наш", "7707083893", "INN"),
        ("снилс 112-233-445 95", "112-233-445 95", "SNILS"),
        ("меня зовут Иван, айфон 11", "Иван", "NAME"),
        ("заказ на фамилию Кузнецова", "Кузнецова", "NAME"),
    ],
)
def test_hidden_with_the_same_length(text: str, secret: str, kind: str) -> None:
    result = redact(text)
    start = text.index(secret)
    assert result.hidden == ((kind, start, start + len(secret)),)
    assert len(result.text) == len(text)
    assert secret not in result.text
    assert result.text[:start] == text[:start]
    assert result.text[start + len(secret) :] == text[start + len(secret) :]


@pytest.mark.parametrize(
    "text",
    [
        "айфон 13 про 256",
        "заказ 88-12",
        "SM-A525F экран",
        "4111 1111 1111 1112 не карта",
        "меня зовут на работу, а телефон сломался",
        "1234567890",
    ],
)
def test_not_personal(text: str) -> None:
    assert [kind for kind, _, _ in redact(text, RedactionPolicy(phones=False)).hidden] == []


def test_policy_switches_kinds_off() -> None:
    text = "меня зовут Иван, 8 900 000-00-00"
    assert "8 900 000-00-00" in redact(text, RedactionPolicy(phones=False)).text
    assert "Иван" in redact(text, RedactionPolicy(names=False)).text


def test_short_names_are_hidden_too() -> None:
    assert "Ян" not in redact("меня зовут Ян").text

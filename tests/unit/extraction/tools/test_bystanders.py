"""Devices that are named beside the one that is brought."""

from __future__ import annotations

import pytest

from tests.unit.extraction.reader import read, repairs, sure


@pytest.mark.parametrize(
    ("text", "model", "fault"),
    [
        ("был айфон 8, теперь 11, на нем экран разбит", "iPhone 11", "screen"),
        ("Раньше чинили самсунг а51, спасибо. Теперь на редми 9 надо батарею", "Redmi 9", "battery"),
        ("У брата айфон 12 летает, а мой 13 про не заряжается", "iPhone 13 Pro", "charging_port"),
        ("дисплей от поко м3 встанет на поко м4 про?", "POCO M4 Pro", "screen"),
        ("редми ноут 13 или 13 про? сейчас гляну.. 13 про. Дисплей меняем", "Redmi Note 13 Pro", "screen"),
        ("У подруги на 11 айфоне меняли батарею, а на мой xr сколько?", "iPhone XR", "battery"),
        ("самсунг у меня а50, зарядка от а51 подходит? не заряжает телефон", "Galaxy A50", "charging_port"),
        ("чинить экран на самсунг s10 или лучше взять s23?", "Galaxy S10", "screen"),
    ],
)
def test_a_bystander_is_no_device_of_the_client(text: str, model: str, fault: str) -> None:
    (only,) = read(text).hypotheses
    assert sure(only.model) == model
    assert fault in repairs(only)


def test_an_exchange_is_for_the_device_that_is_given() -> None:
    (only,) = read("хочу айфон 13 поменять на 15 с доплатой").hypotheses
    assert sure(only.model) == "iPhone 13"


@pytest.mark.parametrize(
    "text",
    [
        "у жены айфон 12 разбит, а мой 13 не заряжается",
        "жене редми 12 стекло, а мне поко м5 батарею",
        "айфон 11 и айфон 12, у обоих разбиты экраны",
    ],
)
def test_two_broken_devices_are_two(text: str) -> None:
    found = read(text).hypotheses
    assert len(found) == 2
    assert all(repairs(item) for item in found)


def test_a_device_weighed_against_a_new_one_is_the_one_asked_about() -> None:
    assert sure(read("самсунг s10, чинить или лучше взять s23?").main.model) == "Galaxy S10"


def test_what_was_said_of_an_earlier_device_is_no_wish_of_today() -> None:
    (only,) = read("Раньше меняли у вас экран на айфон 11, было супер. Теперь на 14 надо батарею").hypotheses
    assert (sure(only.appeal_type), sure(only.model), repairs(only)) == ("repair", "iPhone 14", {"battery"})
    (only,) = read("Раньше хотел продать вам айфон 11. Теперь у 14 динамик хрипит").hypotheses
    assert (sure(only.appeal_type), sure(only.model), repairs(only)) == ("repair", "iPhone 14", {"speaker"})

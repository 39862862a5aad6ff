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

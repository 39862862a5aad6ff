"""What a client names without asking for it, as the rules alone see it (no second opinion)."""

from __future__ import annotations

import pytest

from battcrm.extraction.tools.repair import find_repairs
from tests.unit.extraction.reader import read, reader, sure


def wished(text: str) -> set[str]:
    line, _ = reader().line_of([text])
    return {hit.rule.value for hit in find_repairs(line).hits}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("раньше тормозил, но теперь быстро садится", {"battery"}),
        ("раньше тормозил", {"software"}),
        ("экран в том году в другом месте поменял, а кнопка западает", {"button"}),
        ("экран в том году в другом месте поменял", {"screen"}),
        ("хрустит петля, боюсь экран порвёт", {"hinge"}),
        ("боюсь, что экран не выдержит", {"screen"}),
        ("сказали что плата, не заряжается", {"charging_port"}),
        ("сказали что плата", {"board"}),
        ("взял с новой батареей, а динамик хрипит", {"speaker"}),
        ("телефон залили год назад, а динамик хрипит", {"speaker"}),
        ("телефон залили вчера, а динамик хрипит", {"water_damage", "speaker"}),
        ("самсунг a12 не заряжается, у меня самсунг a22 разбит", {"charging_port", "screen"}),
        ("самсунг a12 не заряжается, камера разбита", {"charging_port", "camera"}),
    ],
)
def test_stories(text: str, expected: set[str]) -> None:
    assert wished(text) == expected


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("не греется", {"cleaning"}),
        ("не греется и не шумит", {"cleaning"}),
        ("задняя крышка пока целая", {"back_glass"}),
        ("не батарея ли виновата", set()),
        ("не разблокируется", set()),
        ("греется, не включается", set()),
    ],
)
def test_denials(text: str, denied: set[str]) -> None:
    line, _ = reader().line_of([text])
    assert find_repairs(line).denied == denied


def test_a_device_given_up_for_another_is_not_a_second_one() -> None:
    found = read("айфон 7 сломался, и теперь редми 9, на нём экран разбит").hypotheses
    assert [sure(h.model) for h in found] == ["Redmi 9"]


@pytest.mark.parametrize("turned", ["нет стоп, xs у меня", "нет погодите, xs", "ой нет, xs"])
def test_a_halt_takes_back_the_model(turned: str) -> None:
    assert [sure(h.model) for h in read("айфон хр замена динамика", turned).hypotheses] == ["iPhone XS"]

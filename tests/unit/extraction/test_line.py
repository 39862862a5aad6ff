"""What the words of a turn are marked with before the rules look at them."""

from __future__ import annotations

import pytest

from battcrm.extraction.rules.match import class_of
from battcrm.extraction.tools.repair import find_repairs
from tests.unit.extraction.reader import reader


def _marked(text: str, mark: str) -> list[str]:
    line, _ = reader().line_of([text])
    line = line.with_marks(find_repairs(line).hits)
    return [text[word.start : word.end] for word in line.words if class_of(mark) in word.classes]


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("айфон 13, поменять экран", ["айфон 13"]),
        ("экран на айфон 13", []),
        ("экран на старый телефон", []),
        ("экран, айфон 13", ["айфон 13"]),
        ("батарея телефона", []),
        ("вчера взял телефон", ["телефон"]),
        ("у меня телефон", ["телефон"]),
    ],
)
def test_a_device_is_a_thing_unless_a_part_is_for_it(text: str, things: list[str]) -> None:
    assert _marked(text, "#thing") == things


def test_the_last_word_of_each_question_asks() -> None:
    assert _marked("экран есть? жду ответа. завтра можно?", "#asks") == ["есть", "можно"]


def test_trouble_is_a_fault_and_neither_a_bare_part_nor_a_service() -> None:
    assert _marked("экран разбит", "#trouble") == ["разбит"]
    assert _marked("замена экрана", "#fault") == ["экрана"]
    assert _marked("замена экрана", "#trouble") == []
    assert _marked("экран", "#part") == ["экран"]
    assert _marked("экран", "#trouble") == []

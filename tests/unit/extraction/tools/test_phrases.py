"""Phrases as customers write them: wish, faults and whose part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.extraction.reader import read, repairs, sure

_DATA = Path(__file__).parents[3] / "data" / "extraction"


def _rows(name: str) -> list[tuple[str, ...]]:
    lines = (_DATA / f"{name}.tsv").read_text("utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize(("text", "faults"), _rows("faults"))
def test_faults(text: str, faults: str) -> None:
    assert repairs(read(text).main) == {fault for fault in faults.split(",") if fault != "-"}


@pytest.mark.parametrize(("text", "wish"), _rows("wishes"))
def test_wish(text: str, wish: str) -> None:
    assert sure(read(text).main.appeal_type) == wish


@pytest.mark.parametrize(("text", "owner"), _rows("owners"))
def test_owner(text: str, owner: str) -> None:
    assert sure(read(text).main.part_owner) == (None if owner == "-" else owner)


@pytest.mark.parametrize(("text", "wish", "faults", "owner"), _rows("phrases"))
def test_phrase(text: str, wish: str, faults: str, owner: str) -> None:
    main = read(text).main
    assert sure(main.appeal_type) == (None if wish == "-" else wish)
    if faults != "?":
        assert repairs(main) == {fault for fault in faults.split(",") if fault != "-"}
    assert sure(main.part_owner) == (None if owner == "-" else owner)


def test_every_repair_type_has_rules() -> None:
    from battcrm.extraction.rules.table import load_rules
    from battcrm.models.facts import REPAIR_TYPES

    covered = {rule.value for rule in load_rules().rules if rule.book == "repair"}
    assert set(REPAIR_TYPES) <= covered


def test_facts_point_into_the_original_text() -> None:
    text = "Добрый день!!  Ёлки, РАЗБИЛ экран на редми 9"
    fact = read(text).main.repair_types[0]
    span = fact.spans[0]
    assert text[span.start : span.end].casefold() == "разбил экран"
    assert fact.source.startswith("repair.screen: ")


def test_spans_name_the_message() -> None:
    fact = read("привет", "у меня айфон 11", "не заряжается").main.repair_types[0]
    assert (fact.value, fact.spans[0].message, fact.spans[0].start) == ("charging_port", 2, 0)


def test_typo_and_transliteration_reach_the_same_rule() -> None:
    clean, typo, latin = (read(text).main for text in ("батарею поменять", "аккамулятор поминять", "batareyu pomenyat"))
    assert repairs(clean) == repairs(typo) == repairs(latin) == {"battery"}


def test_two_devices_keep_their_own_faults() -> None:
    reading = read("айфон 11 батарея, а на редми 9 экран разбит, сколько?")
    assert [(sure(h.brand), repairs(h)) for h in reading.hypotheses] == [("Apple", {"battery"}), ("Xiaomi", {"screen"})]


def test_named_together_share_the_wish() -> None:
    reading = read("поменять экраны на айфон 11 и айфон 12")
    assert [(sure(h.model), repairs(h)) for h in reading.hypotheses] == [
        ("iPhone 11", {"screen"}),
        ("iPhone 12", {"screen"}),
    ]


def test_a_device_only_mentioned_is_not_a_hypothesis() -> None:
    reading = read("раньше был айфон 7, а сейчас на редми 9 не работает камера")
    assert [sure(h.model) for h in reading.hypotheses] == ["Redmi 9"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("айфон 12 сломался, и ещё экран на самсунг a52",), [("iPhone 12", set()), ("Galaxy A52", {"screen"})]),
        (("экран на самсунг a52 и ещё айфон 12 сломался",), [("Galaxy A52", {"screen"}), ("iPhone 12", set())]),
        (("айфон 7 сломался, теперь у меня редми 9 и на нём экран разбит",), [("Redmi 9", {"screen"})]),
    ],
)
def test_a_second_device_that_only_broke_is_kept(texts: tuple[str, ...], expected: list[tuple[str, set[str]]]) -> None:
    found = [(sure(h.model), repairs(h)) for h in read(*texts).hypotheses]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Айфон 13, сколько будет ремонт? И ещё самсунг а52, экран разбит", ["iPhone 13", "Galaxy A52"]),
        ("Айфон 13, сколько будет ремонт? И ещё самсунг а52", ["iPhone 13", "Galaxy A52"]),
        ("Сколько стоит айфон 13 починить? А самсунг а52 экран?", ["iPhone 13", "Galaxy A52"]),
        ("Айфон 13 сколько ремонт и самсунг а52 экран", ["iPhone 13", "Galaxy A52"]),
        ("У меня был айфон 12, сколько стоил ремонт? Теперь самсунг а52, экран разбит", ["Galaxy A52"]),
        ("Айфон 13, сколько будет ремонт? Самсунг а52 вы мне чинили, спасибо", ["Galaxy A52"]),
    ],
)
def test_a_device_with_a_question_of_its_own_is_kept_beside_another(text: str, expected: list[str]) -> None:
    assert [sure(h.model) for h in read(text).hypotheses] == expected


def test_what_a_later_message_turns_from_is_passed_not_lost() -> None:
    reading = read("Сколько экран на айфон 13?", "а на редми ноут 10 про?")
    assert [(sure(h.model), repairs(h)) for h in reading.hypotheses] == [("Redmi Note 10 Pro", {"screen"})]
    assert [(sure(h.model), repairs(h)) for h in reading.passed] == [("iPhone 13", {"screen"})]


@pytest.mark.parametrize(
    "texts",
    [
        ("экран на самсунг стилус", "а, это lg, перепутал"),
        ("батарея на самсунг а52", "это lg, ошиблась"),
        ("не включается хонор... это lg, спутала",),
    ],
)
def test_a_slip_admitted_after_the_device_takes_back_the_one_before(texts: tuple[str, ...]) -> None:
    assert [sure(h.brand) for h in read(*texts).hypotheses] == ["LG"]


def test_a_weather_word_is_not_off_topic() -> None:
    reading = read("редми 8 стекло", "хотя погодите, 8а")
    assert (sure(reading.main.model), repairs(reading.main)) == ("Redmi 8A", {"screen"})

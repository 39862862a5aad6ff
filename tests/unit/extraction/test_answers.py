"""Short answers are understood by what was asked."""

from __future__ import annotations

import pytest

from battcrm.models.facts import Fact, Hypothesis, Method
from tests.unit.extraction.reader import Asked, read, repairs, sure

_APPLE = Hypothesis(brand=Fact("Apple", 0.97, Method.GAZETTEER), appeal_type=Fact("repair", 0.95, Method.RULE))


def test_number_picks_a_model() -> None:
    asked = Asked(_APPLE, "model", ("iPhone 12", "iPhone 12 Pro", "iPhone 12 mini"))
    main = read("2", context=asked).main
    assert (sure(main.brand), sure(main.model), main.appeal_type) == ("Apple", "iPhone 12 Pro", None)


def test_words_pick_a_model() -> None:
    asked = Asked(_APPLE, "model", ("iPhone 12", "iPhone 12 Pro", "iPhone 12 mini"))
    assert sure(read("12 про", context=asked).main.model) == "iPhone 12 Pro"


def test_yes_confirms_the_only_option() -> None:
    assert sure(read("да", context=Asked(_APPLE, "model", ("iPhone 13",))).main.model) == "iPhone 13"


@pytest.mark.parametrize(
    ("text", "owner"), [("свой", "client"), ("моя", "client"), ("ваша", "shop"), ("вашу ставьте", "shop")]
)
def test_whose_part(text: str, owner: str) -> None:
    assert sure(read(text, context=Asked(_APPLE, "part_owner")).main.part_owner) == owner


@pytest.mark.parametrize("text", ["экран", "1", "первый вариант"])
def test_what_is_broken(text: str) -> None:
    asked = Asked(_APPLE, "repair_types", ("Экран", "Аккумулятор"))
    assert repairs(read(text, context=asked).main) == {"screen"}


def test_option_codes_are_taken_as_they_are() -> None:
    assert repairs(read("2", context=Asked(_APPLE, "repair_types", ("screen", "battery"))).main) == {"battery"}


def test_an_answer_leaves_nothing_open() -> None:
    reading = read("2", context=Asked(_APPLE, "model", ("iPhone 12", "iPhone 12 Pro")))
    assert reading.open_fields == frozenset()


def test_a_choice_out_of_range_picks_nothing() -> None:
    assert read("7", context=Asked(_APPLE, "repair_types", ("screen", "battery"))).main.repair_types == ()


def test_a_long_text_is_read_as_usual() -> None:
    asked = Asked(_APPLE, "part_owner")
    main = read("а вы работаете завтра, хочу подъехать с утра пораньше", context=asked).main
    assert (sure(main.appeal_type), main.part_owner) == ("info", None)

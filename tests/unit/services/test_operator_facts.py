"""What an operator may set, and what facts become when the words they came from move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from battcrm.kit.errors import Invalid
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method
from battcrm.services.operator_facts import (
    FactLine,
    price_moved,
    values_of,
    wanted_facts,
    with_moved,
    with_set,
    without_moved,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _fact(value: str, *, locked: bool = False) -> Fact:
    return Fact(value, 0.9, Method.OPERATOR if locked else Method.GAZETTEER, "test", locked=locked)


def _line(number: int, field: str, value: str, *, minutes: int = 0) -> FactLine:
    at = START + timedelta(minutes=minutes)
    return FactLine(UUID(int=number), field, value, 0.9, "gazetteer", "test", at)


IPHONE = Hypothesis(
    appeal_type=_fact("repair"), brand=_fact("Apple"), model=_fact("iPhone 13"), repair_types=(_fact("screen"),),
    device_class="phone",
)  # fmt: skip


def test_names_people_use_become_fields() -> None:
    wanted = wanted_facts(
        {"repair": ["Screen", " battery "], "part": ["CLIENT"], "type": ["repair"], "model": [" S  21 "]}
    )
    assert wanted == {
        "repair_types": ("screen", "battery"), "part_owner": ("client",), "appeal_type": ("repair",), "model": ("S 21",),
    }  # fmt: skip
    assert wanted_facts({"model": [""]}) == {"model": ()}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"x": ["1"]}, "x"),
        ({"type": ["fix"]}, "appeal_type"),
        ({"model": ["m" * 81]}, "model"),
        ({"brand": ["a", "b"]}, "brand"),
    ],
)
def test_a_wrong_value_is_named(given: dict[str, list[str]], field: str) -> None:
    with pytest.raises(Invalid) as error:
        wanted_facts(given)
    assert error.value.field == field


def test_what_is_set_is_locked_and_complete() -> None:
    known = with_set(IPHONE, {"model": ("iPhone 14",), "repair_types": ("battery",)})
    assert values_of(known) == {
        "appeal_type": ["repair"], "brand": ["Apple"], "model": ["iPhone 14"], "repair_types": ["battery"],
    }  # fmt: skip
    assert known.brand is not None
    assert known.brand.locked
    assert all(f.locked for f in known.repair_types)
    assert price_moved(IPHONE, known)


def test_another_maker_forgets_the_model_and_doubts() -> None:
    doubting = Hypothesis(
        brand=_fact("Apple"), candidates=(Candidate("Apple", "iPhone 12", 0.5),), device_class="phone"
    )
    assert with_set(doubting, {"brand": ("Samsung",)}).candidates == ()
    known = with_set(IPHONE, {"brand": ("Samsung",)})
    assert (values_of(known)["brand"], known.model, known.device_class) == (["Samsung"], None, None)
    assert with_set(IPHONE, {"brand": ("apple",)}).model == IPHONE.model


def test_what_is_cleared_is_not_known() -> None:
    known = with_set(IPHONE, {"model": (), "repair_types": ()})
    assert values_of(known) == {"appeal_type": ["repair"], "brand": ["Apple"]}
    with pytest.raises(Invalid):
        with_set(Hypothesis(), {"model": ("X100",)})


def test_a_value_nobody_said_in_what_stays_falls_back_to_the_one_before() -> None:
    known = Hypothesis(
        brand=_fact("Apple"), model=_fact("iPhone 13 Pro"), repair_types=(_fact("screen"), _fact("battery"))
    )
    gone = [_line(3, "model", "iPhone 13 Pro", minutes=5), _line(4, "repair_types", "battery", minutes=5)]
    left = [_line(1, "brand", "Apple"), _line(2, "model", "iPhone 13"), _line(5, "repair_types", "screen")]
    assert values_of(without_moved(known, gone, left)) == {
        "brand": ["Apple"], "model": ["iPhone 13"], "repair_types": ["screen"],
    }  # fmt: skip
    assert values_of(without_moved(known, [*gone, *left], [])) == {}


def test_an_operators_fact_does_not_leave_with_messages() -> None:
    known = Hypothesis(brand=_fact("Apple", locked=True), model=_fact("iPhone 13", locked=True))
    gone = [_line(1, "model", "iPhone 13"), _line(2, "brand", "Apple")]
    assert without_moved(known, gone, []) == known


def test_what_was_said_last_wins_and_repairs_add_up() -> None:
    own = [_line(1, "brand", "Apple"), _line(2, "model", "iPhone 13"), _line(3, "repair_types", "screen")]
    later = [_line(4, "model", "iPhone 13 Pro", minutes=5), _line(5, "repair_types", "battery", minutes=5)]
    grown = with_moved(IPHONE, later, own, IPHONE)
    assert (values_of(grown)["model"], values_of(grown)["repair_types"]) == (["iPhone 13 Pro"], ["screen", "battery"])
    earlier = [_line(6, "model", "iPhone 12", minutes=-5)]
    assert values_of(with_moved(IPHONE, earlier, own, IPHONE))["model"] == ["iPhone 13"]


def test_another_makers_words_do_not_mix_with_what_is_locked() -> None:
    locked = Hypothesis(brand=_fact("Apple", locked=True), model=_fact("iPhone 13", locked=True))
    samsung = Hypothesis(brand=_fact("Samsung"), model=_fact("Galaxy A52"), device_class="phone")
    came = [_line(1, "brand", "Samsung", minutes=5), _line(2, "model", "Galaxy A52", minutes=5)]
    assert values_of(with_moved(locked, came, [], samsung)) == values_of(locked)
    only_brand = Hypothesis(brand=_fact("Apple", locked=True))
    assert values_of(with_moved(only_brand, came, [], samsung)) == {"brand": ["Apple"]}
    assert values_of(with_moved(IPHONE, came[:1], [], samsung))["brand"] == ["Samsung"]
    assert "model" not in values_of(with_moved(IPHONE, came[:1], [], samsung))

from __future__ import annotations

from dataclasses import replace

import pytest

from battcrm.extraction.state import advance, merge, same_device
from battcrm.models.facts import Fact, Hypothesis, Method, Reading, Signals


def fact(value: str, confidence: float = 0.95, *, locked: bool = False) -> Fact:
    return Fact(value, confidence, Method.OPERATOR if locked else Method.RULE, locked=locked)


def device(brand: str | None = None, model: str | None = None, *types: str, wish: str | None = None) -> Hypothesis:
    return Hypothesis(
        appeal_type=fact(wish) if wish else None,
        brand=fact(brand) if brand else None,
        model=fact(model) if model else None,
        repair_types=tuple(fact(name) for name in types),
    )


def values(hypothesis: Hypothesis) -> tuple[str | None, str | None, set[str]]:
    brand, model = hypothesis.brand, hypothesis.model
    return brand and brand.value, model and model.value, {f.value for f in hypothesis.repair_types}  # type: ignore[return-value]


def test_facts_accumulate() -> None:
    merged = merge(device("Apple"), device(None, "iPhone 12", "screen"))
    merged = merge(merged, device(None, None, "battery"))
    assert values(merged) == ("Apple", "iPhone 12", {"screen", "battery"})


def test_correction_replaces() -> None:
    merged = merge(device("Apple", "iPhone 12", "screen"), device("Xiaomi", "Redmi 9", "battery"), correction=True)
    assert values(merged) == ("Xiaomi", "Redmi 9", {"battery"})


def test_corrected_brand_drops_the_old_model() -> None:
    merged = merge(device("Apple", "iPhone 12", "screen"), device("Samsung"), correction=True)
    assert values(merged) == ("Samsung", None, {"screen"})


def test_more_precise_model_replaces() -> None:
    assert values(merge(device("Apple", "iPhone 12"), device("Apple", "iPhone 12 Pro")))[1] == "iPhone 12 Pro"


def test_another_device_without_correction_changes_nothing() -> None:
    assert values(merge(device("Apple", "iPhone 12"), device("Xiaomi", "Redmi 9")))[:2] == ("Apple", "iPhone 12")


@pytest.mark.parametrize("correction", [True, False])
def test_operator_facts_stay(correction: bool) -> None:
    known = replace(device("Apple"), model=fact("iPhone 12", locked=True), part_owner=fact("shop", locked=True))
    fresh = replace(device("Apple", "iPhone 13"), part_owner=fact("client"))
    merged = merge(known, fresh, correction=correction)
    assert merged.model is not None
    assert merged.part_owner is not None
    assert (merged.model.value, merged.part_owner.value) == ("iPhone 12", "shop")


def test_thanks_do_not_end_the_wish() -> None:
    merged = merge(device(wish="repair"), device(wish="other"))
    assert merged.appeal_type is not None
    assert merged.appeal_type.value == "repair"


def test_last_wish_wins() -> None:
    merged = merge(device(wish="repair"), device(wish="purchase"))
    assert merged.appeal_type is not None
    assert merged.appeal_type.value == "purchase"


def test_weak_fact_does_not_replace_a_sure_one() -> None:
    known = replace(Hypothesis(), part_owner=fact("client", 0.95))
    merged = merge(known, replace(Hypothesis(), part_owner=fact("shop", 0.5)))
    assert merged.part_owner is not None
    assert merged.part_owner.value == "client"


def test_same_device() -> None:
    assert same_device(device("Apple"), device("Apple", "iPhone 12"))
    assert same_device(device("Apple", "iPhone 12"), device("Apple", "iPhone 12 Pro"))
    assert not same_device(device("Apple", "iPhone 12"), device("Apple", "iPhone 13"))
    assert not same_device(device("Apple"), device("Xiaomi"))


def test_advance_carries_the_wish_to_the_next_device() -> None:
    known = (device("Apple", "iPhone 11", "screen", wish="repair"),)
    after = advance(known, Reading((device("Xiaomi", "Redmi 9"),)))
    assert values(after[-1]) == ("Xiaomi", "Redmi 9", {"screen"})
    assert after[-1].appeal_type is not None


def test_advance_corrects_the_last_device() -> None:
    known = (device("Apple", "iPhone 11", "screen"),)
    after = advance(known, Reading((device("Apple", "iPhone 12"),), Signals(correction=True)))
    assert [values(item) for item in after] == [("Apple", "iPhone 12", {"screen"})]

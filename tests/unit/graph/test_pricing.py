from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from battcrm.graph.estimate import Point, estimate
from battcrm.graph.family import are_siblings, family_of
from battcrm.graph.pricing import Ask, PriceLine, Sample, quote
from battcrm.graph.settings import PricingSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ASK = Ask(UUID(int=1), "Apple", "iPhone 13", "screen", "shop", NOW, 5, 180, 60)
SETTINGS = PricingSettings()


def sample(days: float = 10, **changes: object) -> Sample:
    base = Sample(uuid4(), "Apple", "iPhone 13", 200_000, 500_000, 700_000, "shop", NOW - timedelta(days=days))
    return replace(base, **changes)  # type: ignore[arg-type]


def samples(n: int = 8, **changes: object) -> list[Sample]:
    return [sample(d + 1, **changes) for d in range(n)]


def line(days: float = 1, **changes: object) -> PriceLine:
    base = PriceLine(uuid4(), 500_000, None, 2, "copy", NOW - timedelta(days=days), "RUB")
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("iPhone 13 Pro Max", "iPhone 13"),
        ("iPhone 13", "iPhone 13"),
        ("Galaxy A52s 5G", "Galaxy A52"),
        ("Redmi Note 10 Pro", "Redmi Note 10"),
        ("Mi 11T Pro", "Mi 11"),
        ("IdeaPad 3 15IIL05", "IdeaPad 3 15IIL05"),
        ("PlayStation", "PlayStation"),
        ("", ""),
    ],
)
def test_families(model: str, family: str) -> None:
    assert family_of(model) == family


def test_a_generation_is_not_a_sibling() -> None:
    assert are_siblings("iPhone 13", "iPhone 13 Pro")
    assert not are_siblings("iPhone 13", "iPhone 14")
    assert not are_siblings("iPhone 13", "iphone 13")


def test_wrong_entries_do_not_move_the_range() -> None:
    clean = [Point(200_000 + 1000 * i, i * 5.0) for i in range(20)]
    wrong = [Point(2_000_000, 3.0), Point(20_000, 4.0), Point(0, 1.0), Point(-5, 1.0)]
    one, two = (estimate(p, coverage=0.82, half_life_days=90) for p in (clean, clean + wrong))
    assert one is not None
    assert two is not None
    assert (two.low, two.median, two.high, two.n) == pytest.approx((one.low, one.median, one.high, 20))


def test_a_steady_rise_is_carried_to_today() -> None:
    rising = [Point(round(100_000 * 1.03 ** (-age / 30)), float(age)) for age in range(0, 180, 6)]
    found = estimate(rising, coverage=0.82, half_life_days=90)
    assert found is not None
    assert found.trend == pytest.approx(0.022, abs=0.006)
    flat = sorted(p.amount for p in rising)[len(rising) // 2]
    assert abs(found.median - 100_000) < abs(flat - 100_000) / 2


def test_nothing_positive_gives_no_range() -> None:
    assert estimate([Point(0, 1.0), Point(-10, 2.0)], coverage=0.8, half_life_days=90) is None
    assert estimate([], coverage=0.8, half_life_days=90) is None


def test_labour_from_repairs_and_part_from_the_list() -> None:
    made = quote(ASK, samples(), [line()], SETTINGS)
    assert (made.refusal, made.median, made.n, made.part_stock) == (None, 700_000, 8, 2)
    assert made.low <= 700_000 <= made.high
    assert {e.kind for e in made.evidence} == {"repair", "price"}
    assert [e.amount for e in made.evidence if e.kind == "price"] == [500_000]


def test_the_clients_part_means_labour_only_from_such_repairs() -> None:
    ask = replace(ASK, owner="client")
    assert quote(ask, samples(), [line()], SETTINGS).refusal == "too_few_repairs"
    made = quote(ask, samples(owner="client", part=0, total=150_000, labour=150_000), [line()], SETTINGS)
    assert (made.refusal, made.labour_only, made.median, made.part_price) == (None, True, 150_000, None)


def test_without_a_list_the_whole_price_of_this_model_counts() -> None:
    made = quote(ASK, samples(), [], SETTINGS)
    assert (made.median, made.part_price) == (700_000, None)
    pro = quote(ASK, samples(model="iPhone 13 Pro"), [], SETTINGS)
    assert pro.refusal == "no_data"


def test_a_sibling_stands_in_for_labour_and_is_named() -> None:
    made = quote(ASK, samples(model="iPhone 13 Pro"), [line()], SETTINGS)
    assert (made.sibling_model, made.refusal) == ("iPhone 13 Pro", None)
    assert all("iPhone 13 Pro" in e.note for e in made.evidence if e.kind == "repair")
    own = quote(ASK, samples(), [line()], SETTINGS)
    assert made.high - made.low > own.high - own.low
    strict = quote(ASK, samples(model="iPhone 13 Pro"), [line()], PricingSettings(use_siblings=False))
    assert strict.refusal == "too_few_repairs"


@pytest.mark.parametrize(
    ("repairs", "prices", "reason"),
    [
        ([], [], "no_data"),
        (samples(4), [line()], "too_few_repairs"),
        (samples(8), [line(days=61)], "stale_price"),
        ([], [line(days=61, labour_price=200_000)], "stale_price"),
        ([sample(d, labour=100_000 * (1 + d % 5) ** 2) for d in range(10)], [line(part_price=10_000)], "wide_spread"),
        (samples(8, at=NOW - timedelta(days=181)), [line()], "too_few_repairs"),
        (samples(8, labour=0), [], "no_data"),
        (samples(8, owner=None, part=0), [], "no_data"),
    ],
)
def test_refusals(repairs: list[Sample], prices: list[PriceLine], reason: str) -> None:
    made = quote(ASK, repairs, prices, SETTINGS)
    assert made.refusal == reason
    assert (made.low, made.median, made.high) == (0, 0, 0)


def test_fixed_prices_of_the_list_are_a_range() -> None:
    lines = [line(labour_price=200_000), line(labour_price=200_000, part_price=900_000, quality="original")]
    made = quote(ASK, [], lines, SETTINGS)
    assert (made.low, made.high, made.refusal) == (700_000, 1_100_000, None)
    assert sorted(e.amount for e in made.evidence) == [700_000, 1_100_000]
    labour = quote(replace(ASK, owner="client"), [], lines, SETTINGS)
    assert (labour.low, labour.high, labour.labour_only) == (200_000, 200_000, True)


def test_work_without_a_part_ignores_whose_part() -> None:
    ask = replace(ASK, repair_type="software")
    mixed = [sample(d, owner=o, part=0, total=90_000, labour=90_000) for d in range(3) for o in (None, "client")]
    made = quote(ask, mixed, [], SETTINGS)
    assert (made.refusal, made.n, made.labour_only) == (None, 6, False)


def test_the_shop_may_forbid_a_model() -> None:
    made = quote(ASK, samples(), [line()], PricingSettings(never_quote=("iPhone 13",)))
    assert made.refusal == "blocked_by_shop"


def test_what_is_out_of_stock_counts_only_when_nothing_is_in_stock() -> None:
    cheap, dear = line(part_price=300_000, stock=0), line(part_price=600_000, stock=1)
    assert quote(ASK, samples(), [cheap, dear], SETTINGS).part_price == 600_000
    assert quote(ASK, samples(), [cheap], SETTINGS).part_price == 300_000


def test_other_brands_models_and_generations_are_no_evidence() -> None:
    strangers = [*samples(brand="Samsung"), *samples(model="iPhone 14"), *samples(model="iPhone 12")]
    assert quote(ASK, strangers, [line()], SETTINGS).refusal == "too_few_repairs"
    mixed = quote(ASK, [*strangers, *samples(5, labour=300_000)], [line()], SETTINGS)
    assert (mixed.n, mixed.median) == (5, 800_000)

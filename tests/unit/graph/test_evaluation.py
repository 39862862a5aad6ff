from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from battcrm.devkit.demo.history import WRONG_SHARE, generate
from battcrm.graph.evaluation import Past, amount_of, replay
from battcrm.graph.pricing import Sample
from battcrm.graph.settings import PricingSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def journal(seed: int, n: int = 2000) -> list[Past]:
    return [
        Past(
            Sample(UUID(int=r.number), r.brand, r.model, r.labour, r.part, r.total, r.part_owner, r.closed_at),
            r.repair_types[0],
        )
        for r in generate(seed, n, now=NOW).repairs
        if len(r.repair_types) == 1 and r.status == "done" and r.closed_at is not None
    ]


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_quotes_meet_the_targets_on_a_shop_with_wrong_entries(seed: int) -> None:
    report = replay(journal(seed), PricingSettings())
    assert report.quoted > 300
    assert report.passed, report


def test_the_future_has_no_influence() -> None:
    past = sorted(journal(7, 800), key=lambda p: p.sample.at)
    half = len(past) // 2
    spoiled = [*past[:half], *(replace(p, sample=replace(p.sample, labour=1, total=1, part=0)) for p in past[half:])]
    prefix = replay(past[:half], PricingSettings(), warm_up=0.0)
    again = replay(spoiled[:half], PricingSettings(), warm_up=0.0)
    assert prefix == again
    shuffled = list(reversed(past))
    assert replay(shuffled, PricingSettings()) == replay(past, PricingSettings())


def test_an_oracle_of_equal_prices_is_covered_and_a_jump_is_not() -> None:
    base = [p for p in journal(7) if p.repair_type == "screen" and p.sample.model == "iPhone 13"]
    steady = [
        replace(p, sample=replace(p.sample, labour=200_000, part=500_000, total=700_000, owner="shop")) for p in base
    ]
    assert replay(steady, PricingSettings()).covered == 1.0
    jumped = [
        p if i < len(steady) - 5 else replace(p, sample=replace(p.sample, total=1_400_000))
        for i, p in enumerate(sorted(steady, key=lambda p: p.sample.at))
    ]
    assert replay(jumped, PricingSettings()).covered < 1.0


def test_amounts() -> None:
    one = journal(1, 50)[0]
    shop = Past(replace(one.sample, owner="shop", labour=1, part=2, total=3), "screen")
    assert amount_of(shop) == 3
    assert amount_of(replace(shop, sample=replace(shop.sample, owner="client"))) == 1
    assert amount_of(replace(shop, repair_type="software")) == 1


def test_the_generated_past_is_seeded_and_as_imperfect_as_promised() -> None:
    first = generate(3, 2000, now=NOW)
    assert first == generate(3, 2000, now=NOW)
    assert first != generate(4, 2000, now=NOW)
    wrong = sum(bool(r.wrong) for r in first.repairs) / len(first.repairs)
    assert wrong == pytest.approx(WRONG_SHARE, abs=0.015)
    assert {r.device_class for r in first.repairs} == {"phone", "tablet", "laptop", "scooter"}
    assert all(r.closed_at is None or r.closed_at <= NOW for r in first.repairs)
    assert all(r.total == r.labour + r.part for r in first.repairs)

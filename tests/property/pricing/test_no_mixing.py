"""A quote never mixes tenants, part owners or models without saying so, and its numbers are always in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.graph.family import are_siblings
from battcrm.graph.pricing import NO_PART, Ask, PriceLine, Sample, owner_of, quote
from battcrm.graph.settings import PricingSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MODELS = ("iPhone 13", "iPhone 13 Pro", "iPhone 13 mini", "iPhone 14", "Galaxy S21")
USUAL = st.integers(190_000, 210_000)
AMOUNT = st.one_of(USUAL, USUAL, USUAL, USUAL, USUAL, st.integers(-10, 10), st.integers(0, 10**12))

sample = st.builds(
    Sample,
    ref=st.uuids(),
    brand=st.sampled_from(("Apple", "Apple", "Samsung")),
    model=st.sampled_from(MODELS),
    labour=AMOUNT,
    part=AMOUNT,
    total=AMOUNT,
    owner=st.sampled_from(("client", "shop", None, "somebody")),
    at=st.one_of(st.integers(1, 29), st.integers(1, 29), st.integers(-5, 400)).map(
        lambda days: NOW - timedelta(days=days)
    ),
)
line = st.builds(
    PriceLine,
    ref=st.uuids(),
    part_price=st.none() | AMOUNT,
    labour_price=st.none() | AMOUNT,
    stock=st.none() | st.integers(0, 5),
    quality=st.sampled_from(("copy", "original", None)),
    priced_at=st.integers(0, 200).map(lambda days: NOW - timedelta(days=days)),
    currency=st.sampled_from(("RUB", "RUB", "KZT")),
)
ask = st.builds(
    Ask,
    tenant_id=st.just(UUID(int=1)),
    brand=st.just("Apple"),
    model=st.sampled_from(MODELS[:4]),
    repair_type=st.sampled_from(("screen", "battery", "software")),
    owner=st.sampled_from(("client", "shop")),
    now=st.just(NOW),
    min_repairs=st.integers(3, 6),
    window_days=st.sampled_from((30, 180)),
    price_max_age_days=st.just(60),
)


@settings(max_examples=400, deadline=None)
@given(ask, st.lists(sample, min_size=10, max_size=60), st.lists(line, max_size=4))
def test_evidence_is_comparable_and_numbers_are_in_order(
    question: Ask, samples: list[Sample], lines: list[PriceLine]
) -> None:
    made = quote(question, samples, lines, PricingSettings())
    if made.refusal is not None:
        assert (made.low, made.median, made.high) == (0, 0, 0)
        return
    assert 0 < made.low <= made.median <= made.high
    assert made.evidence
    by_ref = {str(s.ref): s for s in samples}
    prices = {str(p.ref): p for p in lines}
    wanted = "any" if question.repair_type in NO_PART else question.owner
    for item in made.evidence:
        if item.kind == "price":
            row = prices[item.ref]
            assert NOW - row.priced_at <= timedelta(days=question.price_max_age_days)
            assert row.currency == made.currency
            continue
        source = by_ref[item.ref]
        assert source.brand == question.brand
        assert owner_of(source, question.repair_type) == wanted
        assert source.model == (made.sibling_model or question.model)
        assert NOW - timedelta(days=question.window_days) <= source.at <= NOW
        assert item.amount in (source.labour, source.total)
    if made.sibling_model is not None:
        assert are_siblings(made.sibling_model, question.model)
    if made.labour_only:
        assert made.part_price is None


@settings(max_examples=150, deadline=None)
@given(ask, st.lists(sample, max_size=25), st.lists(line, max_size=3), st.randoms())
def test_the_order_of_rows_does_not_matter(question: Ask, samples: list[Sample], lines: list[PriceLine], rng) -> None:  # type: ignore[no-untyped-def]
    lines = [p for p in lines if p.currency == "RUB"]
    first = quote(question, samples, lines, PricingSettings())
    rng.shuffle(samples)
    second = quote(question, samples, lines, PricingSettings())
    assert (first.low, first.median, first.high, first.n, first.refusal) == (
        second.low, second.median, second.high, second.n, second.refusal,
    )  # fmt: skip

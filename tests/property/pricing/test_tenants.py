"""Quotes of several shops with the same devices, through one process and its cache: no row strays from one to another."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from battcrm.graph.context import GraphContextReader
from battcrm.graph.family import are_siblings
from battcrm.graph.pricing import NO_PART
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.models.situation import ContextQuery, Quote
from tests.support.graph_rows import NOW, Rows
from tests.support.waiting import PATIENCE

MODELS = ("iPhone 13", "iPhone 13 Pro", "iPhone 14")
KINDS = ("screen", "battery", "software")
OWNERS = ("client", "shop", None)


@dataclass(frozen=True)
class Origin:
    """Where a row came from, and all that it can prove."""

    tenant: UUID
    model: str
    kinds: tuple[str, ...]
    owner: str | None
    amounts: frozenset[int]


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


async def fill(rows: Rows, rng: random.Random, level: int) -> dict[str, Origin]:
    """A shop's past at its own price level, with repairs of unknown owner, of two kinds at once, and unfinished ones."""
    made: dict[str, Origin] = {}
    for model, kind, owner in product(MODELS, KINDS, OWNERS):
        for _ in range(rng.choice((0, 3, 7))):
            kinds = [kind] if rng.random() < 0.9 else sorted({kind, "camera"})
            labour, part = level + rng.randrange(0, 5_000), 0 if owner == "client" else level * 2
            status = "done" if rng.random() < 0.9 else "refused"
            own = await rows.repair(
                rng.uniform(1, 200), model=model, repair_types=kinds, part_owner=owner, labour_amount=labour,
                part_amount=part, status=status,
            )  # fmt: skip
            known = owner or ("shop" if part else None)
            made[str(own)] = Origin(rows.tenant_id, model, tuple(kinds), known, frozenset({labour, labour + part}))
    for model, kind in product(MODELS, KINDS):
        if rng.random() < 0.6:
            own = await rows.price(rng.uniform(0, 90), model=model, repair_type=kind, part_price=level * 2)
            made[str(own)] = Origin(rows.tenant_id, model, (kind,), None, frozenset({level * 2}))
    return made


def judge(quote: Quote, query: ContextQuery, origins: dict[str, Origin]) -> None:
    (kind,) = query.repair_types
    for item in quote.evidence:
        origin = origins[item.ref]
        assert origin.tenant == query.tenant_id
        assert origin.kinds == (kind,)
        assert item.amount in origin.amounts
        if item.kind == "price":
            assert origin.model == query.model
            continue
        assert origin.model == (quote.sibling_model or query.model)
        if kind not in NO_PART:
            assert origin.owner == (query.part_owner or "shop")
        assert item.at is not None
        assert NOW - timedelta(days=query.window_days) <= item.at <= NOW
    if quote.sibling_model is not None:
        assert are_siblings(quote.sibling_model, query.model or "")


@pytest.mark.parametrize("seed", range(3))
async def test_no_row_of_another_shop_owner_or_model_proves_a_price(pool: Pool, seed: int) -> None:
    rng = random.Random(seed)
    origins: dict[str, Origin] = {}
    shops = [Rows(pool, uuid4()) for _ in range(3)]
    for place, shop in enumerate(shops):
        origins |= await fill(shop, rng, 100_000 * 3**place)
    reader = GraphContextReader(None, PostgresPricing(pool, deadline=PATIENCE), SystemClock())
    base: dict[str, Any] = {"client_id": uuid4(), "brand": "Apple", "now": NOW}
    asked = [
        ContextQuery(tenant_id=shop.tenant_id, model=model, repair_types=(kind,), part_owner=owner, **base)
        for shop, model, kind, owner in product(shops, (*MODELS, "iPhone 13 mini"), KINDS, OWNERS)
    ] * 2
    rng.shuffle(asked)
    quoted = 0
    for query in asked:
        (quote,) = (await reader.fetch(query)).quotes
        judge(quote, query, origins)
        quoted += quote.refusal is None
    assert quoted > len(asked) / 4

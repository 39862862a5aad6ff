"""Devices that only a tenant's price list names are understood in that tenant's dialogues, and in no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.infra.postgres import Pool, open_pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.ports import ReadingContext
from battcrm.services.imports.parsing import Item
from battcrm.services.imports.records import PriceRecord
from battcrm.services.imports.service import Imports
from battcrm.services.tenants import Tenants
from battcrm.workers.catalogues import TenantCatalogues

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TEXT = "сколько стоит экран на самсунг q77?"


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


def line(number: str, brand: str, model: str) -> Item:
    return Item(int(number) + 1, PriceRecord(number, brand, model, "screen", "Дисплей", 500_000, None, 2, None, NOW))


async def test_names_of_a_price_list_reach_the_next_reading_of_its_tenant(pool: Pool) -> None:
    clock = ManualClock(NOW)
    ids = IdFactory(clock)
    imports, base = Imports(pool, clock, ids, batch=10), Catalogue.load()
    own, configs = TenantCatalogues(pool, base), TenantConfigs(pool, clock, Wakeups())
    configs.follow(own.refresh)
    extractor = RuleExtractor(base, catalogue_of=own.of)
    shop, other = [(await Tenants(pool, clock, ids).create(name, name)).tenant_id for name in ("shop", "other")]

    def model(tenant: UUID) -> str | None:
        found = extractor.read([TEXT], ReadingContext(tenant)).main.model
        return found.value if found is not None else None

    await configs.load([shop, other])
    assert (model(shop), own.of(shop) is base) == (None, True)
    await imports.run(shop, iter([line("1", "Apple", "iPhone 13"), line("2", "Samsung", "Galaxy Q77")]), source="file")
    await configs.load([shop, other])
    assert model(shop) is None, "the cache of 30 s has not run out"
    clock.advance(31.0)
    await configs.load([shop, other])
    assert (model(shop), model(other)) == ("Galaxy Q77", None)
    built = own.of(shop)
    clock.advance(31.0)
    await configs.load([shop, other])
    assert own.of(shop) is built, "nothing changed, so nothing is built again"
    assert own.of(other) is base

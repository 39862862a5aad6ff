from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from battcrm.devkit.demo.history import generate
from battcrm.devkit.demo.load_history import load
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory
from battcrm.services.imports.parsing import Item
from battcrm.services.imports.records import PriceRecord, RepairRecord
from battcrm.services.imports.service import Imports

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PRICE = PriceRecord("1", "Apple", "iPhone 13", "screen", "Дисплей", 500_000, None, 2, None, NOW - timedelta(days=1))


@pytest.fixture
async def pool(clean_database: str, pg_worker_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(pg_worker_url, maximum=4)
    yield opened
    await opened.close()


@pytest.fixture
def imports(pool: Pool) -> Imports:
    clock = ManualClock(NOW)
    return Imports(pool, clock, IdFactory(clock), batch=2)


def items(*records: PriceRecord | RepairRecord) -> Iterator[Item]:
    return (Item(row, record) for row, record in enumerate(records, 2))


async def events(pool: Pool, tenant_id: UUID) -> list[tuple[str, int]]:
    rows = await pool.fetch("SELECT type, data FROM outbox WHERE tenant_id = $1 ORDER BY seq", tenant_id)
    return [(row["type"], row["data"]["version"]) for row in rows]


async def test_the_same_twice_changes_nothing_and_a_change_is_an_update(pool: Pool, imports: Imports) -> None:
    tenant = uuid4()
    lines = [replace(PRICE, external_id=str(i)) for i in range(5)]
    assert (await imports.run(tenant, items(*lines), source="file")).created == 5
    again = await imports.run(tenant, items(*lines), source="file")
    assert (again.created, again.updated, again.unchanged) == (0, 0, 5)
    lines[3] = replace(lines[3], part_price=510_000)
    changed = await imports.run(tenant, items(*lines), source="file")
    assert (changed.updated, changed.unchanged) == (1, 4)
    assert await events(pool, tenant) == [("price.changed", 1)] * 5 + [("price.changed", 2)]
    assert await pool.fetchval("SELECT count(*) FROM price_item WHERE tenant_id = $1", tenant) == 5


async def test_repeats_are_counted_and_contradictions_left_out(imports: Imports) -> None:
    report = await imports.run(uuid4(), items(PRICE, PRICE, replace(PRICE, stock=7)), source="file")
    assert (report.created, report.duplicates, report.rejected) == (1, 1, 1)
    assert (report.errors[0].row, report.errors[0].field) == (4, "external_id")
    assert "2 and 4" in report.errors[0].remedy


async def test_a_dry_run_counts_and_writes_nothing(pool: Pool, imports: Imports) -> None:
    tenant = uuid4()
    report = await imports.run(tenant, items(PRICE), source="file", dry_run=True)
    assert (report.created, report.dry_run) == (1, True)
    for table in ("price_item", "external_ref", "outbox"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant) == 0


async def test_sources_and_tenants_do_not_share_ids(pool: Pool, imports: Imports) -> None:
    one, two = uuid4(), uuid4()
    for tenant, source in ((one, "file"), (one, "moysklad"), (two, "file")):
        assert (await imports.run(tenant, items(PRICE), source=source)).created == 1
    assert await pool.fetchval("SELECT count(*) FROM price_item WHERE tenant_id = $1", one) == 2


async def test_a_repair_finds_its_client_by_phone(pool: Pool, imports: Imports) -> None:
    tenant, client = uuid4(), uuid4()
    await pool.execute("INSERT INTO client (tenant_id, client_id, created_at) VALUES ($1, $2, $3)", tenant, client, NOW)
    await pool.execute(
        "INSERT INTO client_phone (tenant_id, client_id, phone, source, created_at) VALUES ($1, $2, $3, 'test', $4)",
        tenant, client, "+79161234567", NOW,
    )  # fmt: skip
    base = RepairRecord(
        "1", "Apple", "iPhone 13", None, ("battery", "screen"), None, 1, 2, 3, "done", NOW, NOW,
        phone="8 (916) 123-45-67",
    )  # fmt: skip
    await imports.run(tenant, items(base, replace(base, external_id="2", phone="нет")), source="file")
    rows = await pool.fetch(
        "SELECT client_id, repair_types FROM repair_record WHERE tenant_id = $1 ORDER BY repair_id", tenant
    )
    assert [row["client_id"] for row in rows] == [client, None]
    assert rows[0]["repair_types"] == ["battery", "screen"]


async def test_the_demo_shop_loads_once(pool: Pool, imports: Imports) -> None:
    tenant, history = uuid4(), generate(5, n=60, months=6, now=NOW)
    assert generate(5, n=60, months=6, now=NOW) == history
    first = await load(pool, imports, tenant, history, NOW)
    second = await load(pool, imports, tenant, history, NOW)
    assert [r.created for r in first] == [len(history.prices), 60]
    assert [r.unchanged for r in second] == [len(history.prices), 60]

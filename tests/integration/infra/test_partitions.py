"""Partitions are there before they are needed, go when their time is over, and nobody waits for either."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from battcrm.infra.partitions import TABLES, maintain, periods
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory
from battcrm.models.tables import Base
from tests.support.waiting import PATIENCE

START = datetime(2031, 3, 30, 9, 0, tzinfo=UTC)
_LEAVES = (
    "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE $1 || '\\_p2031%' ORDER BY 1"
)
_EVENT = """
INSERT INTO outbox (tenant_id, event_id, bucket, type, version, key, occurred_at) VALUES ($1, $2, 0, 'test', 1, $1, $3)
RETURNING tableoid::regclass::text
"""
_LARGE_SAMPLES = """
SELECT a.attrelid::regclass::text || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relispartition OR c.relname = ANY($1)) AND a.attstattarget IS DISTINCT FROM CASE
    WHEN t.typname IN ('jsonb', 'bytea') OR t.typcategory = 'A' OR a.attname = 'text' THEN 0 ELSE 10 END
ORDER BY 1
"""
_CHURN = "SELECT relname FROM pg_class WHERE 'autovacuum_vacuum_scale_factor=0.02' = ANY(reloptions) ORDER BY 1"


async def test_rows_never_meet_a_missing_partition(clean_database: str) -> None:
    pool = await open_pool(clean_database, maximum=2)
    clock = ManualClock(START)
    ids = IdFactory(clock)
    await maintain(pool, clock.now())
    for spec in TABLES:
        names = [spec.table + suffix for suffix, _, _ in periods(spec.step, START, spec.ahead)]
        assert {row[0] for row in await pool.fetch(_LEAVES, spec.table)} >= set(names)
    # Maintenance fails for two days: the coming days' rows still have their place.
    clock.advance(2 * 86_400)
    key = ids.new()
    assert await pool.fetchval(_EVENT, key, ids.new(), clock.now()) == "outbox_p20310401"
    await pool.close()


async def test_the_planner_samples_little_in_partitions_to_come_too(clean_database: str) -> None:
    pool = await open_pool(clean_database, maximum=1)
    await maintain(pool, START)
    large = await pool.fetch(_LARGE_SAMPLES, list(Base.metadata.tables))
    await pool.close()
    assert [row[0] for row in large] == []


async def test_what_is_over_goes_and_its_readers_hold_nobody_up(clean_database: str) -> None:
    pool = await open_pool(clean_database, maximum=3)
    clock = ManualClock(START)
    ids = IdFactory(clock)
    await maintain(pool, clock.now())
    await pool.execute(_EVENT, ids.new(), ids.new(), clock.now())
    clock.advance(16 * 86_400)
    await maintain(pool, clock.now() - timedelta(days=1, hours=12))
    reader = await asyncpg.connect(clean_database)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM outbox_p20310330")
        waiting = asyncio.ensure_future(maintain(pool, clock.now()))
        while not waiting.done():
            # Behind a lock that waits, everybody would wait; two seconds are its limit.
            async with asyncio.timeout(PATIENCE):
                await pool.execute(_EVENT, ids.new(), ids.new(), clock.now())
        assert "-outbox_p20310330" not in await waiting
    assert "-outbox_p20310330" in await maintain(pool, clock.now())
    assert "outbox_p20310330" not in {row[0] for row in await pool.fetch(_LEAVES, "outbox")}
    await reader.close()
    await pool.close()


async def test_tables_that_churn_are_vacuumed_early(clean_database: str) -> None:
    connection = await asyncpg.connect(clean_database)
    found = {row[0] for row in await connection.fetch(_CHURN)}
    await connection.close()
    assert {"inbox", "client_work", "dialog", "outgoing", "due_work", "outgoing_intent"} <= found

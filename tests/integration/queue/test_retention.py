"""Results of the bridge are kept for ever, or for as long as the setting says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import IdFactory
from battcrm.workers.supervise import forget

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AGES = (1, 29, 31, 32, 400)
INSERT = """
INSERT INTO {table} (tenant_id, task_id, queue, version, received_at, finished_at) VALUES ($1, $2, 'q', '1', $3, $3)
"""


async def aged(pool: Pool) -> None:
    tenant = IdFactory(SystemClock()).new()
    for table in ("ai_extraction_result", "ai_extraction_shadow"):
        for days in AGES:
            await pool.execute(INSERT.format(table=table), tenant, str(days), NOW - timedelta(days=days))


async def kept(pool: Pool, table: str) -> list[int]:
    return sorted(int(row[0]) for row in await pool.fetch(f"SELECT task_id FROM {table}"))


@pytest.mark.parametrize(("days", "left"), [(None, [1, 29, 31, 32, 400]), (30, [1, 29])])
async def test_results_are_deleted_at_the_age_that_is_set_and_to_the_end(
    clean_database: str, days: int | None, left: list[int]
) -> None:
    pool = await open_pool(clean_database, maximum=1)
    try:
        await aged(pool)
        # Pages of two: three rows are too old, and none may wait for the next hour.
        gone = await forget(pool, NOW, days, page=2)
        assert await kept(pool, "ai_extraction_result") == await kept(pool, "ai_extraction_shadow") == left
        assert gone.get("ai_extraction_result", 0) == len(AGES) - len(left)
    finally:
        await pool.close()

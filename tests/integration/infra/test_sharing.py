"""Four worker processes share the work: nothing twice, nothing left, nobody waits for another."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta

import asyncpg
import pytest

from battcrm.infra.due import CLIENT_WORK, DueQueue
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import IdFactory, bucket_of
from tests.support.waiting import PATIENCE

_WORK = """
INSERT INTO client_work (tenant_id, client_id, bucket, due_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[])
"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
TENANTS, EACH = 100, 12


async def filled(connection: asyncpg.Connection) -> set[str]:
    clock = SystemClock()
    ids = IdFactory(clock)
    rows = []
    for _ in range(TENANTS):
        tenant = ids.new()
        rows += [(tenant, ids.new(), bucket_of(tenant), clock.now() - timedelta(seconds=5)) for _ in range(EACH)]
    await connection.execute(_WORK, *(list(column) for column in zip(*rows, strict=True)))
    return {str(row[1]) for row in rows}


@pytest.mark.parametrize("buckets", [("0-15", "16-31", "32-47", "48-63"), ("all",) * 4], ids=["own", "all"])
async def test_four_processes_share_without_contention(clean_database: str, buckets: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(clean_database)
    everything = await filled(connection)
    before = await connection.fetchval(_DEADLOCKS)
    pipe = asyncio.subprocess.PIPE
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.infra.sharing_child", clean_database, own, stdin=pipe, stdout=pipe
        )
        for own in buckets
    ]
    got = []
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
    for child, own in zip(children, buckets, strict=True):
        output, _ = await child.communicate()
        assert child.returncode == 0
        mine = json.loads(output)
        low, _, high = own.partition("-")
        if high:
            assert {bucket for _, bucket in mine} <= set(range(int(low), int(high) + 1))
            assert mine, "buckets spread over all processes"
        got += [key for key, _ in mine]
    assert len(got) == len(set(got)), "claimed twice"
    assert set(got) == everything
    assert await connection.fetchval(_DEADLOCKS) == before
    await connection.close()


async def test_a_claim_passes_by_what_another_holds(clean_database: str) -> None:
    """A worker that stands still in the middle of its claim holds up nobody: its rows are left out, not waited for."""
    connection = await asyncpg.connect(clean_database)
    everything = await filled(connection)
    pool = await open_pool(clean_database, maximum=2)
    queue = DueQueue(pool, CLIENT_WORK, SystemClock())
    async with connection.transaction():
        held = await connection.fetch("SELECT client_id FROM client_work ORDER BY client_id LIMIT 300 FOR UPDATE")
        async with asyncio.timeout(PATIENCE):
            claims = []
            while more := await queue.claim(200, lease=60.0, per_tenant=EACH):
                claims += more
    assert {str(claim.key) for claim in claims} == everything - {str(row[0]) for row in held}
    await pool.close()
    await connection.close()

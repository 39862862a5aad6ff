"""Leased due-work against the real server: leases, fencing, fairness, heartbeats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from battcrm.infra.due import CLIENT_WORK, DueQueue
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory, bucket_of


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def add_clients(pool: Pool, clock: ManualClock, tenant: UUID, count: int, *, due_in: float = 0.0) -> list[UUID]:
    ids = IdFactory(clock)
    clients = [ids.new() for _ in range(count)]
    due = clock.now() + timedelta(seconds=due_in)
    for client in clients:
        await pool.execute(
            "INSERT INTO client_work (tenant_id, client_id, bucket, due_at) VALUES ($1, $2, $3, $4)",
            tenant,
            client,
            bucket_of(tenant),
            due,
        )
    return clients


def tenant_id(number: int) -> UUID:
    return UUID(int=number << 64)


async def test_a_claimed_row_is_not_claimed_again_before_its_lease_ends(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 1)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    first = await queue.claim(10, lease=60)
    assert len(first) == 1
    assert await queue.claim(10, lease=60) == []
    clock.advance(61)
    second = await queue.claim(10, lease=60)
    assert second[0].token == first[0].token + 1


async def test_a_lost_lease_cannot_finish(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 1)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    stale = await queue.claim(10, lease=60)
    clock.advance(61)
    fresh = await queue.claim(10, lease=60)
    assert await queue.done(stale) == set()
    assert await queue.done(fresh) == {fresh[0].key}


async def test_a_late_heartbeat_does_not_lease_a_row_that_was_given_back(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 1)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    claims = await queue.claim(10, lease=60)
    await queue.retry(claims[0], clock.now(), "given back")
    await queue.extend(claims, 60)
    assert len(await queue.claim(10, lease=60)) == 1


async def test_a_heartbeat_keeps_a_held_row(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 1)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    claims = await queue.claim(10, lease=60)
    clock.advance(50)
    await queue.extend(claims, 60)
    clock.advance(50)
    assert await queue.claim(10, lease=60) == []


async def test_a_flood_of_one_tenant_does_not_keep_the_others_waiting(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 300)
    for number in range(2, 22):
        await add_clients(pool, clock, tenant_id(number), 1)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    seen: set[UUID] = set()
    for _ in range(2):
        seen |= {claim.tenant_id for claim in await queue.claim(30, lease=60, per_tenant=10)}
    assert seen == {tenant_id(number) for number in range(1, 22)}


async def test_nothing_is_claimed_before_it_is_due(pool: Pool, clock: ManualClock) -> None:
    await add_clients(pool, clock, tenant_id(1), 1, due_in=5)
    queue = DueQueue(pool, CLIENT_WORK, clock)
    assert await queue.claim(10, lease=60) == []
    assert queue.upcoming == clock.now() + timedelta(seconds=5)
    assert queue.pause() == 1.0
    clock.advance(5)
    assert len(await queue.claim(10, lease=60)) == 1


async def test_claims_keep_to_the_owned_buckets(pool: Pool, clock: ManualClock) -> None:
    for number in range(1, 9):
        await add_clients(pool, clock, tenant_id(number), 1)
    mine = bucket_of(tenant_id(3))
    queue = DueQueue(pool, CLIENT_WORK, clock, [mine])
    claims = await queue.claim(50, lease=60)
    assert claims
    assert {bucket_of(claim.tenant_id) for claim in claims} == {mine}

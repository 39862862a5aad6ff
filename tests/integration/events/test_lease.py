from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from battcrm.events.lease import Leases
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def holders(pool: Pool, clock: ManualClock) -> tuple[Leases, Leases]:
    ids = IdFactory(clock)
    return Leases(pool, clock, ids.new()), Leases(pool, clock, ids.new())


async def test_one_holds_it_until_it_runs_out(holders: tuple[Leases, Leases], clock: ManualClock) -> None:
    one, two = holders
    assert await one.acquire(["a", "b"], 10) == {"a": 1, "b": 1}
    assert await two.acquire(["a", "b", "c"], 10) == {"c": 1}
    clock.advance(9)
    assert await one.acquire(["a"], 10) == {"a": 1}, "renewed in time: the same token"
    clock.advance(2)
    assert await two.acquire(["a", "b"], 10) == {"b": 2}
    assert await one.valid("a", 1)
    assert not await one.valid("b", 1), "the old holder is fenced off"
    assert await two.valid("b", 2)
    clock.advance(20)
    assert not await one.valid("a", 1)
    assert await one.acquire(["a"], 10) == {"a": 2}, "late: somebody may have had it meanwhile"


async def test_what_is_released_is_free_at_once(holders: tuple[Leases, Leases]) -> None:
    one, two = holders
    await one.acquire(["a"], 10)
    await two.release(["a"])
    assert await two.acquire(["a"], 10) == {}, "nobody releases another's lease"
    await one.release(["a"])
    assert await two.acquire(["a"], 10) == {"a": 2}
    assert await one.acquire([], 10) == {}


async def test_of_many_at_once_one_gets_it(pool: Pool, clock: ManualClock) -> None:
    ids = IdFactory(clock)
    many = [Leases(pool, clock, ids.new()) for _ in range(8)]
    names = [f"shard:{n}" for n in range(8)]
    for _ in range(5):
        chosen = [names[i:] + names[:i] for i in range(8)]
        held = await asyncio.gather(*(one.acquire(order, 10) for one, order in zip(many, chosen, strict=True)))
        assert sorted(name for own in held for name in own) == names
        clock.advance(11)

"""A consumer that may pause works its backlog off in steps with rests between them: larger and shorter the later it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from battcrm.events.bus import RedisBus
from battcrm.events.catalogue import ClientUpdated, Envelope
from battcrm.events.consumer import Follower
from battcrm.events.delivery import Deliverer
from battcrm.events.outbox import append
from battcrm.events.positions import Positions
from battcrm.events.registry import HandlerRegistry
from battcrm.kit.clock import ManualClock, SystemClock
from tests.integration.events.conftest import FAST, SHARDS, World, running, unpublished, until

PAUSE = 77.0


class Resting(SystemClock):
    """Takes no time to sleep, and lets its owner do something meanwhile; writes down for how long it should have been."""

    def __init__(self, diary: list[float | int]) -> None:
        super().__init__()
        self.diary = diary

    async def sleep(self, seconds: float) -> None:
        self.diary.append(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("age", "sizes", "rests"),
    [
        (timedelta(seconds=PAUSE), [2, 2, 2, 2, 1], 4),
        (timedelta(seconds=PAUSE + 2.5), [2, 5, 2], 2),
        (timedelta(hours=1), [2, 7], 0),
    ],
    ids=["behind", "more so", "late"],
)
async def test_a_backlog_is_taken_in_steps_with_rests_unless_it_is_old(
    world: World, age: timedelta, sizes: list[int], rests: int
) -> None:
    """The diary has the size of each batch and the length of each rest, in order."""
    diary: list[float | int] = []
    tenant = await world.tenant()
    client = await world.client(tenant)
    registry = HandlerRegistry()

    async def take(events: Sequence[Envelope]) -> None:
        diary.append(len(events))

    registry.external("graph", [ClientUpdated], take, pause=PAUSE)
    (consumer,) = registry
    clock, positions = Resting(diary), Positions(world.pool, world.clock, SHARDS)
    deliverer = Deliverer(world.pool, clock, world.ids, consumer, FAST.delivery)
    options = replace(FAST, batch=2 * SHARDS, check=1000.0)
    follower = Follower(world.bus, clock, positions, consumer, deliverer, tuple(range(SHARDS)), "w", options)
    await follower.step()  # the groups are there now
    async with running(world.relay()):
        async with world.pool.acquire() as connection, connection.transaction():
            updates = [ClientUpdated(tenant, client, n) for n in range(9)]
            await append(connection, updates, world.ids, world.clock.now() - age)
        world.wakeups.notify("outbox")
        await until(lambda: unpublished(world, 0), what="published")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follower.run())
            await until(lambda: _is_done(diary), what="the pause after the last step")
            task.cancel()
    steps = diary[: diary.index(PAUSE)]
    batches = [entry for entry in steps if isinstance(entry, int)]
    assert batches == sizes, "its share of a batch, and up to a whole one the later it is"
    between = [entry for entry in steps if isinstance(entry, float)]
    assert len(between) == rests
    assert all(0 < rest < PAUSE for rest in between)


async def test_shards_are_looked_after_in_turn_and_all_at_once_where_something_may_be_lost(world: World) -> None:
    """The diary has the shards of each step."""
    clock, looked = ManualClock(), list[int]()
    registry = HandlerRegistry()
    registry.external("graph", [ClientUpdated], _nothing)
    (consumer,) = registry
    positions = Positions(world.pool, world.clock, SHARDS)
    deliverer = Deliverer(world.pool, world.clock, world.ids, consumer, FAST.delivery)
    options = replace(FAST, block=0.0, check=10.0)
    bus = Watched(world.bus, looked)
    follower = Follower(bus, clock, positions, consumer, deliverer, tuple(range(SHARDS)), "w", options)
    diary = []
    for passed in (0.0, 0.0, *(10.0 / SHARDS,) * (SHARDS + 1), 10.0, 0.0):
        clock.advance(passed)
        await follower.step()
        diary.append(tuple(looked))
        looked.clear()
    everything = tuple(range(SHARDS))
    assert diary == [everything, (), *((n,) for n in everything), (0,), everything, ()]


class Watched(RedisBus):
    """Writes down which shards are looked after."""

    def __init__(self, other: RedisBus, looked: list[int]) -> None:
        self.__dict__ = dict(other.__dict__)
        self._looked = looked

    async def generation(self, shard: int) -> str:
        self._looked.append(shard)
        return await super().generation(shard)


async def _nothing(events: Sequence[Envelope]) -> None:
    pass


async def _is_done(diary: Sequence[float | int]) -> bool:
    return PAUSE in diary and sum(entry for entry in diary if isinstance(entry, int)) == 9

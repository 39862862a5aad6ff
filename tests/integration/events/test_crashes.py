"""Exactly once, whatever dies when: seeded kills of relay and processors at every border, and wipes of Redis."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from battcrm.events.bus import Packed, RedisBus, stream
from battcrm.events.catalogue import ClientUpdated
from battcrm.events.consumer import EventProcessor
from battcrm.events.lease import Leases
from battcrm.events.registry import HandlerRegistry
from battcrm.events.relay import Relay, RelayOptions
from battcrm.infra.redis import open_redis
from battcrm.infra.wake import Wakeups
from tests.integration.events.conftest import FAST, SHARDS, World, ledger, until


class Killed(BaseException):
    """Passes every handler of errors, as the end of a process does."""


class Chaos:
    def __init__(self, seed: int, chance: float) -> None:
        self.random = random.Random(seed)
        self.chance = chance
        self.kills: Counter[str] = Counter()

    def strike(self, where: str) -> None:
        if self.random.random() < self.chance:
            self.kills[where] += 1
            raise Killed(where)


class DeadlyBus(RedisBus):
    """Kills whoever uses it, before or after the command took effect."""

    chaos: Chaos

    async def publish(self, shard: int, events: Sequence[Packed]) -> None:
        self.chaos.strike("before publish")
        await super().publish(shard, events)
        self.chaos.strike("between publish and mark")

    async def read(self, *args: Any, **options: Any) -> Any:
        found = await super().read(*args, **options)
        if found:
            self.chaos.strike("after delivery")
        return found

    async def ack(self, *args: Any, **options: Any) -> None:
        self.chaos.strike("between effect and acknowledgement")
        await super().ack(*args, **options)

    async def ensure_group(self, *args: Any, **options: Any) -> bool:
        made = await super().ensure_group(*args, **options)
        self.chaos.strike("in the middle of catching up")
        return made


class Plant:
    """Restarts its processes as a supervisor does, each with connections and names of its own."""

    def __init__(self, world: World, chaos: Chaos) -> None:
        self.world = world
        self.chaos = chaos

    async def keep(self, make: Callable[[RedisBus], Relay | EventProcessor]) -> None:
        while True:
            redis = open_redis(self.world.url)
            bus = DeadlyBus(redis)
            bus.chaos = self.chaos
            try:
                await _shielded(make(bus).run)
            except Killed:
                await asyncio.sleep(0)
            finally:
                await redis.aclose()

    def relay(self, bus: RedisBus) -> Relay:
        world = self.world
        leases = Leases(world.pool, world.clock, world.ids.new())
        options = RelayOptions(batch=20, lease=0.2, poll=0.02, pause=0.002, upkeep=0.1)
        return Relay(world.pool, bus, world.clock, Wakeups(), leases, SHARDS, options)

    def processor(self, bus: RedisBus) -> EventProcessor:
        world = self.world
        registry = HandlerRegistry()
        registry.transactional("ledger", [ClientUpdated], ledger)
        worker = str(world.ids.new())
        return EventProcessor(world.pool, bus, world.clock, world.ids, registry, SHARDS, worker=worker, options=FAST)


async def _shielded(run: Callable[[], Awaitable[None]]) -> None:
    """A TaskGroup wraps a kill in a group of exceptions."""
    try:
        await run()
    except BaseExceptionGroup as group:
        killed, _ = group.split(Killed)
        if killed is None:
            raise
        raise Killed from group


async def _disasters(world: World, chaos: Chaos, rounds: int) -> None:
    """Redis is wiped or a group destroyed, a few times, in the middle of the traffic."""
    for _ in range(rounds):
        await asyncio.sleep(chaos.random.random() * 0.4)
        if chaos.random.random() < 0.6:
            await world.redis.flushdb()
            chaos.kills["wipe"] += 1
        else:
            shard = chaos.random.randrange(SHARDS)
            if await world.redis.exists(stream(shard)):
                await world.redis.xgroup_destroy(stream(shard), "ledger")
                chaos.kills["group"] += 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_effect_happens_exactly_once(world: World, seed: int) -> None:
    chaos = Chaos(seed, chance=0.0)
    plant = Plant(world, chaos)
    clients = [(t, await world.client(t)) for t in [await world.tenant() for _ in range(5)]]
    async with asyncio.TaskGroup() as group:
        roles = [group.create_task(plant.keep(plant.relay)) for _ in range(2)]
        roles += [group.create_task(plant.keep(plant.processor)) for _ in range(2)]
        await until(world.ready, what="registered")
        chaos.chance = 0.08
        disasters = group.create_task(_disasters(world, chaos, 5))
        version = 0
        while version < 60 or len(chaos.kills) < 4:
            version += 1
            chosen = chaos.random.sample(clients, 3)
            await world.happen(*(ClientUpdated(t, c, version) for t, c in chosen))
            await asyncio.sleep(chaos.random.random() * 0.03)
        await disasters
        chaos.chance = 0.0
        await until(lambda: _complete(world), what="every event has its effect")
        for role in roles:
            role.cancel()
    assert await world.dead() == 0
    happened = [(r[0], r[1]) for r in await world.pool.fetch("SELECT key, (data->>'version')::int FROM outbox")]
    assert Counter(await world.effects()) == Counter(happened)


async def _complete(world: World) -> bool:
    missing = await world.pool.fetchval(
        """SELECT count(*) FROM outbox o WHERE NOT EXISTS (
           SELECT 1 FROM toy_effect e WHERE e.client_id = o.key AND e.version = (o.data->>'version')::int)"""
    )
    return bool(missing == 0)

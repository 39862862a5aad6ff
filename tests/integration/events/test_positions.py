"""How far consumers are, as the database knows it: never further than what is handled, never days behind for nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from battcrm.events.catalogue import ClientUpdated
from battcrm.events.positions import SLACK, GroupStatus, Positions
from battcrm.events.registry import Begin, HandlerRegistry
from battcrm.kit.ids import bucket_of
from tests.integration.events.conftest import SHARDS, World, ledger, running, settled, unpublished, until

SOON = timedelta(minutes=1)


def registry() -> HandlerRegistry:
    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], ledger)
    return made


async def place(world: World, shard: int) -> datetime:
    return (await Positions(world.pool, world.clock, SHARDS).register("ledger", shard, Begin.NOW)).time


async def go_back(world: World, hours: int) -> None:
    """All places and events as they would be had nothing happened for hours."""
    then = world.clock.now() - timedelta(hours=hours)
    await world.pool.execute(
        "UPDATE consumer_group SET position = $1 || ' ' || split_part(position, ' ', 2)", then.isoformat()
    )


async def test_a_place_follows_what_is_handled(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    shard = bucket_of(tenant) % SHARDS
    async with running(world.relay(), world.processor(registry())):
        await until(world.ready, what="registered")
        start = await place(world, shard)
        assert world.clock.now() - start < SLACK + SOON
        await go_back(world, 12)
        await world.updates(tenant, client, 1, 1)
        await until(lambda: settled(world), what="handled")

        async def moved() -> bool:
            return await place(world, shard) > world.clock.now() - SLACK - SOON

        await until(moved, what="the place is just behind the event")
        assert await place(world, shard) < world.clock.now() - SLACK
    stored = await world.pool.fetchval("SELECT position_seq FROM consumer_group WHERE shard = $1", shard)
    assert stored == await world.pool.fetchval("SELECT seq FROM outbox WHERE tenant_id = $1", tenant)


async def test_a_quiet_shard_keeps_up_but_not_past_what_is_unpublished(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    shard = bucket_of(tenant) % SHARDS
    async with running(world.processor(registry())):
        await until(world.ready, what="registered")
        await world.updates(tenant, client, 1, 1)
        waiting = world.clock.now() - timedelta(days=5)
        await world.pool.execute("UPDATE outbox SET occurred_at = $2 WHERE tenant_id = $1", tenant, waiting)
        await go_back(world, 9 * 24)

        async def moved() -> bool:
            places = [await place(world, s) for s in range(SHARDS)]
            return all(p > world.clock.now() - timedelta(days=6) for p in places)

        await until(moved, what="all places moved")
        assert await place(world, shard) == waiting - SLACK
        assert await place(world, (shard + 1) % SHARDS) > world.clock.now() - SLACK - SOON
        async with running(world.relay()):
            await until(lambda: unpublished(world, 0), what="published")
            await until(world.effects, what="handled")
    states = {r[0] for r in await world.pool.fetch("SELECT state FROM consumer_group WHERE consumer = 'ledger'")}
    assert states == {GroupStatus.LIVE}

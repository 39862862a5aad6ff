"""What streams lose unread comes from the outbox."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from battcrm.events.bus import pack, stream
from battcrm.events.positions import _envelope
from battcrm.kit.ids import bucket_of
from tests.integration.events.conftest import FAST, SHARDS, World, running, settled, unpublished, until
from tests.integration.events.test_consumer import effects_are, registry


async def test_events_trimmed_before_they_were_read_come_from_the_outbox(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
        await world.updates(tenant, client, 0, 500)
        await until(lambda: unpublished(world, 0), what="published")
        await world.redis.xtrim(stream(bucket_of(tenant) % SHARDS), maxlen=10, approximate=False)
        async with running(world.processor(registry())):
            await until(lambda: effects_are(world, 500), what="all effects")
            await until(lambda: settled(world), what="all acknowledged")
    assert sorted(v for _, v in await world.effects()) == list(range(500))


async def test_a_gap_between_two_reads_is_filled_from_the_outbox_and_in_order(world: World) -> None:
    """Trimmed while the consumer follows, and hidden by what came after: no look at the groups can find that later."""
    tenant = await world.tenant()
    client = await world.client(tenant)
    key = stream(bucket_of(tenant) % SHARDS)
    async with running(world.processor(registry(), replace(FAST, check=3600.0))):
        await until(world.ready, what="registered")
        for first in range(0, 50, 10):
            await world.updates(tenant, client, first, 10)
            packed = pack(_envelope(await world.pool.fetchrow("SELECT * FROM outbox ORDER BY seq DESC LIMIT 1")))
            # In one step, as far as readers see: nine come and go, the tenth stays.
            async with world.redis.pipeline(transaction=True) as pipe:
                for _ in range(9):
                    pipe.xadd(key, {"t": "client.updated", "e": "{}"})
                pipe.xtrim(key, maxlen=0, approximate=False)
                pipe.xadd(key, {"t": packed.type, "e": packed.body})
                await pipe.execute()
            await until(partial(effects_are, world, first + 10), what="all effects, the trimmed ones too")
    assert [version for _, version in await world.effects()] == list(range(50))

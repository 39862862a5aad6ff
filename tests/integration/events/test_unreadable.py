"""An entry that nobody of ours wrote is passed over, wherever it stands: the consumer goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from battcrm.events.bus import Packed
from battcrm.events.catalogue import ClientUpdated, Envelope
from battcrm.events.registry import HandlerRegistry
from tests.integration.events.conftest import SHARDS, World, running, until

JUNK = Packed("client.updated", b"{not ours")


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["busy", "pausing"])
async def test_an_unreadable_entry_stops_nobody(world: World, pause: float) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    registry, seen = HandlerRegistry(), list[int]()

    async def take(events: Sequence[Envelope]) -> None:
        seen.extend(event.data["version"] for event in events)

    registry.external("graph", [ClientUpdated], take, pause=pause)
    async with running(world.relay(), world.processor(registry)):
        await until(lambda: world.ready("graph"), what="caught up")
        for shard in range(SHARDS):
            # As many as a whole step: the consumer is behind, and the last entry is what tells by how much.
            await world.bus.publish(shard, [JUNK] * 200)
        await world.updates(tenant, client, 0, 3)
        await until(lambda: _all_of(seen), what="the readable ones")


async def test_one_that_was_read_and_not_finished_stops_nobody(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    registry, seen = HandlerRegistry(), list[int]()

    async def take(events: Sequence[Envelope]) -> None:
        seen.extend(event.data["version"] for event in events)

    registry.external("graph", [ClientUpdated], take)
    async with running(world.processor(registry)):
        await until(lambda: world.ready("graph"), what="caught up")
    await world.bus.publish(0, [JUNK])
    [delivery] = await world.bus.read("graph", "a worker that died", range(SHARDS), count=10, block=0.1)
    assert len(delivery.entries) == 1
    async with running(world.relay(), world.processor(registry)):
        await world.updates(tenant, client, 0, 3)
        await until(lambda: _all_of(seen), what="the readable ones")


async def _all_of(seen: Sequence[int]) -> bool:
    return sorted(seen) == [0, 1, 2]

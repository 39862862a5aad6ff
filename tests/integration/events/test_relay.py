from __future__ import annotations

from collections.abc import Sequence

import pytest

from battcrm.events.bus import Packed, RedisBus, stream
from battcrm.events.catalogue import ClientUpdated
from battcrm.events.outbox import append
from battcrm.events.relay import Relay, pump
from battcrm.kit.errors import Transient
from battcrm.kit.ids import bucket_of
from tests.integration.events.conftest import SHARDS, World, running, unpack, unpublished, until


class Dying(Exception):
    """Stands for a process that is killed."""


async def published(world: World) -> list[tuple[str, int]]:
    """(client, version) on all streams, shard by shard."""
    found = []
    for shard in range(SHARDS):
        for _, fields in await world.redis.xrange(stream(shard)) or ():
            event = unpack(fields)
            found.append((str(event.key), event.data["version"]))
    return found


async def test_each_event_reaches_the_stream_of_its_shard_in_order(world: World) -> None:
    tenants = [await world.tenant() for _ in range(6)]
    clients = {t: await world.client(t) for t in tenants}
    for version in range(1, 4):
        await world.happen(*(ClientUpdated(t, c, version) for t, c in clients.items()))
    assert await pump(world.relay()) == 18
    for tenant, client in clients.items():
        entries = await world.redis.xrange(stream(bucket_of(tenant) % SHARDS))
        own = [e for _, f in entries or () if (e := unpack(f)).key == client]
        assert [e.data["version"] for e in own] == [1, 2, 3]
        assert [e.seq for e in own] == sorted(e.seq for e in own)
        assert own[0].tenant_id == tenant
    assert await pump(world.relay()) == 0


async def test_a_crash_before_the_mark_repeats_and_never_reorders(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    await world.updates(tenant, client, 1, 5)

    async def die(self: Relay, rows: Sequence[object]) -> None:
        raise Dying

    relay = world.relay()
    with monkeypatch.context() as patch:
        patch.setattr(Relay, "_mark", die)
        with pytest.raises(Dying):
            await relay.step()
    await world.updates(tenant, client, 6, 1)
    await pump(relay)
    versions = [v for _, v in await published(world)]
    assert versions == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6]


async def test_an_event_that_commits_late_is_published_and_before_its_successors(world: World) -> None:
    """Its number is below what was published already: only a scan that does not go by the last number finds it."""
    tenant = await world.tenant()
    slow, quick = await world.client(tenant), await world.client(tenant)
    relay = world.relay(pause=0, batch=3)
    await pump(relay)
    async with world.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await append(connection, [ClientUpdated(tenant, slow, 1)], world.ids, world.clock.now())
        for version in range(10):
            await world.updates(tenant, quick, version, 2)
            await pump(relay)
            relay._next_horizon = 0.0
        assert relay._horizon.settled < relay._floor + 100
        await transaction.commit()
    await world.updates(tenant, slow, 2, 1)
    await pump(relay)
    assert [v for key, v in await published(world) if key == str(slow)] == [1, 2]


async def test_the_scan_begins_above_what_is_settled(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    relay = world.relay()
    await world.updates(tenant, client, 1, 6)
    highest = await world.pool.fetchval("SELECT max(seq) FROM outbox WHERE tenant_id = $1", tenant)

    async def begins_above() -> bool:
        relay._next_horizon = 0.0
        await relay.step()
        return bool(relay._floor > highest)

    # A transaction under way anywhere on the server holds it back, also one in another test's database.
    await until(begins_above, what="the scan begins above what is settled")
    assert relay._floor == highest + 1


async def test_a_refusing_shard_does_not_hold_up_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [await world.tenant() for _ in range(12)]
    for tenant in tenants:
        await world.updates(tenant, await world.client(tenant), 1, 1)
    bad = bucket_of(tenants[0]) % SHARDS
    real = RedisBus.publish

    async def publish(self: RedisBus, shard: int, events: Sequence[Packed]) -> None:
        if shard == bad:
            raise Transient("away")
        await real(self, shard, events)

    relay = world.relay()
    with monkeypatch.context() as patch:
        patch.setattr(RedisBus, "publish", publish)
        with pytest.raises(Transient):
            await relay.step()
        assert await relay.step() == 0
    good = sum(1 for t in tenants if bucket_of(t) % SHARDS != bad)
    assert len(await published(world)) == good
    async with running(relay):
        await until(lambda: _all(world, 12), what="the rest is published when the shard is back")


async def _all(world: World, count: int) -> bool:
    return len(await published(world)) == count


async def test_one_of_two_relays_works_and_the_other_takes_over(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    first, second = world.relay(lease=3600), world.relay(lease=3600)
    await first.step()
    async with running(second):
        await world.updates(tenant, client, 1, 1)
        await first.step()
        assert len(first.held) == SHARDS
        assert second.held == frozenset()
        assert await published(world) == [(str(client), 1)]
        # The first one dies without a word: its lease runs out.
        await world.pool.execute("UPDATE lease SET until = $1", world.clock.now())
        await world.updates(tenant, client, 2, 1)
        await until(lambda: _all(world, 2), what="the second relay publishes")
        assert len(second.held) == SHARDS
    held = await world.pool.fetchval("SELECT count(*) FROM lease WHERE until > $1", world.clock.now())
    assert held == 0, "a relay that is told to stop lets go at once"


async def test_streams_are_trimmed(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    relay = world.relay(maximum=100, upkeep=0.0)
    async with running(relay):
        for start in range(0, 1000, 500):
            await world.updates(tenant, client, start, 500)
        await until(lambda: unpublished(world, 0), what="all published")
        key = stream(bucket_of(tenant) % SHARDS)

        async def trimmed() -> bool:
            info = await world.redis.xinfo_stream(key)
            return bool(info["entries-added"] == 1000 and info["length"] <= 300)

        await until(trimmed, what="the stream is short again")

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from battcrm.events.bus import RedisBus, stream
from battcrm.events.catalogue import AppealStageChanged, ClientCreated, ClientUpdated, Envelope
from battcrm.events.consumer import EventProcessor
from battcrm.events.registry import Begin, HandlerRegistry
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import Transient
from battcrm.kit.ids import bucket_of
from tests.integration.events.conftest import FAST, SHARDS, World, ledger, running, settled, unpublished, until


def registry(begin: Begin = Begin.OLDEST) -> HandlerRegistry:
    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], ledger, begin=begin)
    return made


async def finished(done: list[UUID], count: int) -> bool:
    return len(set(done)) >= count


async def effects_are(world: World, count: int) -> bool:
    return len(await world.effects()) >= count


async def test_each_effect_happens_once_and_in_order(world: World) -> None:
    tenants = [await world.tenant() for _ in range(5)]
    clients = [(t, await world.client(t)) for t in tenants]
    async with running(world.relay(), world.processor(registry())):
        await until(world.ready, what="registered")
        for version in range(40):
            await world.happen(*(ClientUpdated(t, c, version) for t, c in clients), ClientCreated(*clients[0], 1))
        await until(lambda: effects_are(world, 200), what="all effects")
        await until(lambda: settled(world), what="all acknowledged, the types nobody follows too")
    effects = await world.effects()
    for _, client in clients:
        assert [v for c, v in effects if c == client] == list(range(40))


@pytest.mark.parametrize(("begin", "versions"), [(Begin.OLDEST, [1, 2, 3, 4]), (Begin.NOW, [4])])
async def test_a_new_consumer_begins_where_it_says(world: World, begin: Begin, versions: list[int]) -> None:
    """What feeds a copy needs what happened before its first start; who reacts does not."""
    tenant = await world.tenant()
    client = await world.client(tenant)
    await world.updates(tenant, client, 1, 3)
    async with running(world.relay()):
        await until(lambda: unpublished(world, 0), what="published")
        async with running(world.processor(registry(begin))):
            await until(world.ready, what="registered")
            await world.updates(tenant, client, 4, 1)
            await until(lambda: effects_are(world, len(versions)), what="the events it wants")
            await until(lambda: settled(world), what="acknowledged")
    assert await world.effects() == [(client, version) for version in versions]
    assert {r[0] for r in await world.pool.fetch("SELECT state FROM consumer_group")} == {"live"}


async def test_nothing_is_missing_or_doubled_after_redis_was_wiped(world: World) -> None:
    tenants = [await world.tenant() for _ in range(4)]
    clients = [(t, await world.client(t)) for t in tenants]
    async with running(world.relay(), world.processor(registry())):
        await until(world.ready, what="registered")
        for version in range(60):
            await world.happen(*(ClientUpdated(t, c, version) for t, c in clients))
            if version in (10, 30, 31, 50):
                await world.redis.flushdb()
        await until(lambda: effects_are(world, 240), what="all effects")
        await until(lambda: settled(world), what="the groups are whole again")
    effects = await world.effects()
    assert sorted(effects) == sorted((c, v) for _, c in clients for v in range(60))


async def test_a_wipe_while_nobody_follows_is_made_up_for(world: World) -> None:
    """Published, not read, wiped: the group of the next process is made anew, and the outbox has the rest."""
    tenant = await world.tenant()
    client = await world.client(tenant)
    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
            await world.updates(tenant, client, 1, 2)
            await until(lambda: effects_are(world, 2), what="the first two")
        await world.updates(tenant, client, 3, 5)
        await until(lambda: unpublished(world, 0), what="published")
        await world.redis.flushdb()
        async with running(world.processor(registry())):
            await until(lambda: effects_are(world, 7), what="the missed ones")
    assert [v for _, v in await world.effects()] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("disaster", ["wipe", "destroyed group"])
async def test_a_crash_in_the_middle_of_catching_up_starts_that_again(
    world: World, monkeypatch: pytest.MonkeyPatch, disaster: str
) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
        await world.updates(tenant, client, 1, 5)
        await until(lambda: unpublished(world, 0), what="published")
        if disaster == "wipe":
            await world.redis.flushdb()
        else:
            await world.redis.xgroup_destroy(stream(bucket_of(tenant) % SHARDS), "ledger")

        async def killed(self: object, events: object, **_: object) -> None:
            raise KeyError("killed after the group was made, before one effect")

        with monkeypatch.context() as patch:
            patch.setattr("battcrm.events.delivery.Deliverer.deliver", killed)
            with pytest.raises(ExceptionGroup):
                await world.processor(registry()).run()
        assert await world.redis.xinfo_groups(stream(bucket_of(tenant) % SHARDS)), "the group is there already"
        async with running(world.processor(registry())):
            await until(lambda: effects_are(world, 5), what="caught up all the same")


async def test_a_destroyed_group_is_made_again_without_a_gap(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    async with running(world.relay(), world.processor(registry())):
        await until(world.ready, what="registered")
        for version in range(30):
            await world.updates(tenant, client, version, 1)
            if version % 10 == 5:
                await world.redis.xgroup_destroy(stream(bucket_of(tenant) % SHARDS), "ledger")
        await until(lambda: effects_are(world, 30), what="all effects")
    assert sorted(v for _, v in await world.effects()) == list(range(30))


async def test_a_server_that_came_back_with_yesterdays_data_is_noticed(world: World) -> None:
    """Stream and group are there and agree with each other; only the last events are gone."""
    tenant = await world.tenant()
    client = await world.client(tenant)
    key = stream(bucket_of(tenant) % SHARDS)
    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
            await world.updates(tenant, client, 1, 2)
            await until(lambda: effects_are(world, 2), what="the first two")
            await until(lambda: settled(world), what="acknowledged")
        saved = await world.redis.dump(key)
        assert saved is not None
        await world.updates(tenant, client, 3, 3)
        await until(lambda: unpublished(world, 0), what="published")
    await world.redis.restore(key, 0, saved, replace=True)
    await world.redis.delete(f"{key}:generation")
    async with running(world.relay(), world.processor(registry())):
        await until(lambda: effects_are(world, 5), what="the events that the server forgot")
    assert [v for _, v in await world.effects()] == [1, 2, 3, 4, 5]


async def test_work_of_a_dead_processor_is_taken_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)

    async def dead_before_ack(self: RedisBus, group: str, shard: int, ids: Sequence[str]) -> None:
        if ids:
            raise KeyError("killed between the effect and its acknowledgement")

    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
        await world.updates(tenant, client, 1, 3)
        with monkeypatch.context() as patch:
            patch.setattr(RedisBus, "ack", dead_before_ack)
            with pytest.raises(ExceptionGroup):
                await world.processor(registry()).run()
        assert len(await world.effects()) >= 1
        async with running(world.processor(registry())):
            await until(lambda: effects_are(world, 3), what="all effects")
            await until(lambda: settled(world), what="taken over and acknowledged")
    assert [v for _, v in await world.effects()] == [1, 2, 3]


async def test_a_poisoned_event_becomes_a_dead_letter_and_stops_nobody(world: World) -> None:
    tenant = await world.tenant()
    good, bad = await world.client(tenant), await world.client(tenant)
    calls: list[int] = []

    async def handle(connection: Connection, events: Sequence[Envelope]) -> None:
        await ledger(connection, events)
        if any(e.key == bad and e.data["version"] == 1 for e in events):
            calls.append(len(events))
            raise ValueError("cannot be handled")

    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], handle)
    async with running(world.relay(), world.processor(made)):
        await until(world.ready, what="registered")
        await world.happen(
            ClientUpdated(tenant, good, 1),
            ClientUpdated(tenant, bad, 1),
            ClientUpdated(tenant, bad, 2),
            ClientUpdated(tenant, good, 2),
        )
        await until(lambda: effects_are(world, 3), what="the others")
        await until(world.dead, what="the dead letter")
        await until(lambda: settled(world), what="acknowledged")
    assert sorted(await world.effects()) == sorted([(good, 1), (good, 2), (bad, 2)])
    assert calls.count(1) == 5
    row = await world.pool.fetchrow("SELECT * FROM dead_letter WHERE tenant_id = $1", tenant)
    assert row is not None
    assert row["source"] == "event:ledger"
    assert row["context"]["type"] == "client.updated"
    assert row["context"]["key"] == str(bad)
    assert "cannot be handled" not in row["reason"], "what a handler says may quote a person's data"


async def test_an_outside_that_is_away_is_waited_for(world: World) -> None:
    tenant = await world.tenant()
    clients = [await world.client(tenant) for _ in range(10)]
    asked: list[int] = []
    done: list[UUID] = []

    async def handle(events: Sequence[Envelope]) -> None:
        asked.append(len(events))
        if len(asked) < 40:
            raise Transient("the other side is away")
        done.extend(e.key for e in events)

    made = HandlerRegistry()
    made.external("ledger", [ClientUpdated], handle)
    async with running(world.relay(), world.processor(made)):
        await until(world.ready, what="registered")
        await world.happen(*(ClientUpdated(tenant, client, 1) for client in clients))
        await until(lambda: finished(done, 10), what="handled when it is back")
        await until(lambda: settled(world), what="acknowledged")
    assert await world.dead() == 0
    recorded = await world.pool.fetchval("SELECT count(*) FROM processed WHERE consumer = 'ledger'")
    assert recorded == 10


async def test_one_event_that_says_away_while_others_succeed_is_its_own_fault(world: World) -> None:
    tenant = await world.tenant()
    good, bad = await world.client(tenant), await world.client(tenant)
    done: list[UUID] = []

    async def handle(events: Sequence[Envelope]) -> None:
        if any(e.key == bad for e in events):
            raise Transient("away, it says")
        done.extend(e.key for e in events)

    made = HandlerRegistry()
    made.external("ledger", [ClientUpdated], handle)
    processor = world.processor(made, replace(FAST, delivery=replace(FAST.delivery, patience=0.05)))
    async with running(world.relay(), processor):
        await until(world.ready, what="registered")
        await world.happen(ClientUpdated(tenant, bad, 1), ClientUpdated(tenant, good, 1))
        await until(world.dead, what="the dead letter")
    assert done == [good]


async def test_a_consumer_away_for_longer_than_the_outbox_is_marked_broken(world: World) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    async with running(world.relay()):
        async with running(world.processor(registry())):
            await until(world.ready, what="registered")
        await world.pool.execute(
            "UPDATE consumer_group SET position = '2020-01-01T00:00:00+00:00 ' || split_part(position, ' ', 2)"
        )
        await world.redis.flushdb()
        await world.updates(tenant, client, 1, 2)
        async with running(world.processor(registry())):
            await until(lambda: effects_are(world, 2), what="what there is, is handled")

            async def broken() -> bool:
                found = await world.pool.fetchval("SELECT count(*) FROM consumer_group WHERE state = 'broken'")
                return bool(found == SHARDS)

            await until(broken, what="and the gap is on record")


async def test_two_processors_share_the_work_and_double_nothing(world: World) -> None:
    tenants = [await world.tenant() for _ in range(6)]
    clients = [(t, await world.client(t)) for t in tenants]
    processors: list[EventProcessor] = [world.processor(registry()), world.processor(registry())]
    async with running(world.relay(), *processors):
        await until(world.ready, what="registered")
        for version in range(30):
            await world.happen(*(ClientUpdated(t, c, version) for t, c in clients))
            if version == 15:
                await world.redis.flushdb()
        await until(lambda: effects_are(world, 180), what="all effects")
        await until(lambda: settled(world), what="all acknowledged")
    assert sorted(await world.effects()) == sorted((c, v) for _, c in clients for v in range(30))


async def test_a_layer_of_its_own_asks_for_a_message(world: World) -> None:
    """All it knows of the core are the names of an event and of a table."""
    tenant = await world.tenant()
    client = await world.client(tenant)

    async def thank(connection: Connection, events: Sequence[Envelope]) -> None:
        for event in events:
            if event.data["after"] == "done":
                await connection.execute(
                    """INSERT INTO outgoing_intent (tenant_id, intent_id, bucket, client_id, purpose, content, cause,
                         dedupe_key, state, created_at, due_at)
                       VALUES ($1, $2, $3, $4, 'review', '{"template": "thanks"}', $5, $6, 'pending', $7, $7)""",
                    event.tenant_id,
                    world.ids.new(),
                    event.bucket,
                    event.key,
                    {"event_id": str(event.event_id)},
                    f"thanks:{event.data['appeal_id']}",
                    event.occurred_at,
                )

    made = HandlerRegistry()
    made.transactional("reviews", ["appeal.stage_changed"], thank)
    async with running(world.relay(), world.processor(made)):
        await until(lambda: world.ready("reviews"), what="registered")
        appeal = world.ids.new()
        await world.happen(
            AppealStageChanged(tenant, client, appeal, 2, "agreed", "in_repair"),
            AppealStageChanged(tenant, client, appeal, 3, "in_repair", "done"),
        )

        async def asked() -> list[asyncpg.Record]:
            return await world.pool.fetch("SELECT * FROM outgoing_intent WHERE tenant_id = $1", tenant)

        (row,) = await until(asked, what="the wish to speak")
    assert row["client_id"] == client
    assert row["cause"].keys() == {"event_id"}

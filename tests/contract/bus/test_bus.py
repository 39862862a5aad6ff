from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from battcrm.events.bus import START, Delivery, EventBus, Packed
from battcrm.events.bus_calls import GroupMissing
from tests.contract.bus.conftest import BusUnderTest
from tests.support.waiting import PATIENCE

G, A, B = "layer", "worker-a", "worker-b"


def events(*names: str) -> list[Packed]:
    return [Packed("client.updated", f'"{name}"'.encode()) for name in names]


def bodies(*deliveries: Delivery) -> list[str]:
    return [e.packed.body.decode().strip('"') for d in deliveries for e in d.entries if e.packed is not None]


def ids(delivery: Delivery) -> list[str]:
    return [entry.id for entry in delivery.entries]


async def take(bus: EventBus, worker: str = A, *shards: int, count: int = 100) -> Sequence[Delivery]:
    return await bus.read(G, worker, shards or (0,), count=count, block=0.05)


async def test_events_arrive_in_order_and_only_once_per_group(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.ensure_group("other", 0)
    await bus.publish(0, events("1", "2", "3"))
    assert bodies(*await take(bus, A, count=2)) == ["1", "2"]
    assert bodies(*await take(bus, B)) == ["3"]
    assert await take(bus) == []
    assert bodies(*await bus.read("other", A, (0,), count=9, block=0.05)) == ["1", "2", "3"]


async def test_one_read_covers_several_shards(bus: EventBus) -> None:
    for shard in range(3):
        await bus.ensure_group(G, shard)
    await bus.publish(2, events("two"))
    await bus.publish(0, events("zero"))
    found = {d.shard: bodies(d) for d in await take(bus, A, 0, 1, 2)}
    assert found == {0: ["zero"], 2: ["two"]}


async def test_a_waiting_reader_is_woken(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(bus.read(G, A, (0,), count=1, block=30))
        await asyncio.sleep(0)
        await bus.publish(0, events("late"))
        async with asyncio.timeout(PATIENCE):
            assert bodies(*await reading) == ["late"]


async def test_a_new_group_begins_with_what_comes(bus: EventBus) -> None:
    await bus.publish(0, events("before"))
    assert await bus.ensure_group(G, 0) is True
    assert await bus.ensure_group(G, 0) is False
    await bus.publish(0, events("after"))
    assert bodies(*await take(bus)) == ["after"]


async def test_type_and_addressee_travel_along(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, [Packed("price.changed", b"{}", only="graph")])
    (delivery,) = await take(bus)
    assert delivery.entries[0].packed == Packed("price.changed", b"{}", only="graph")


async def test_what_is_not_acknowledged_can_be_read_again_by_its_worker(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, events("1", "2"))
    (delivery,) = await take(bus)
    await bus.ack(G, 0, ids(delivery)[:1])
    assert bodies(await bus.reread(G, A, 0, count=9)) == ["2"]
    assert bodies(await bus.reread(G, B, 0, count=9)) == []
    await bus.ack(G, 0, [*ids(delivery), "1-1"])
    assert bodies(await bus.reread(G, A, 0, count=9)) == []


async def test_stale_entries_are_claimed_in_pages_and_their_deliveries_counted(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, events("1", "2", "3"))
    await take(bus)
    first = await bus.claim(G, B, 0, idle=0, count=2)
    rest = await bus.claim(G, B, 0, idle=0, count=2, start=first.next)
    assert bodies(Delivery(0, first.entries), Delivery(0, rest.entries)) == ["1", "2", "3"]
    assert set(first.attempts.values()) == {2}
    assert rest.next == START
    again = await bus.claim(G, A, 0, idle=0, count=9)
    assert set(again.attempts.values()) == {3}
    assert (await bus.claim(G, B, 0, idle=60, count=9)).entries == ()


async def test_who_is_excused_counts_from_none_and_stays_where_it_is(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, events("1", "2", "3"))
    (delivery,) = await take(bus)
    await bus.excuse(G, A, 0, ids(delivery)[1:])
    await bus.excuse(G, A, 0, [])
    again = await bus.claim(G, B, 0, idle=0, count=9)
    assert bodies(Delivery(0, again.entries)) == ["1", "2", "3"]
    assert [again.attempts[id_] for id_ in ids(delivery)] == [2, 1, 1]


async def test_state_tells_what_is_unfinished(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    fresh = await bus.state(G, 0)
    assert (fresh.pending, fresh.drained, fresh.oldest) == (0, True, None)
    await bus.publish(0, events("1", "2", "3"))
    assert not (await bus.state(G, 0)).drained
    (delivery,) = await take(bus)
    await bus.ack(G, 0, ids(delivery)[:1])
    state = await bus.state(G, 0)
    assert (state.lost, state.pending, state.drained) == (0, 2, False)
    assert state.oldest is not None
    assert state.oldest.body == b'"2"'
    await bus.ack(G, 0, ids(delivery))
    state = await bus.state(G, 0)
    assert state.drained
    assert state.oldest is not None
    assert state.oldest.body == b'"3"'


async def publish_many(bus: EventBus, total: int) -> None:
    """Trimming is approximate: by whole nodes of a hundred entries."""
    for start in range(0, total, 500):
        await bus.publish(0, events(*(str(n) for n in range(start, start + 500))))


async def test_trimmed_before_it_was_read_counts_as_lost_until_forgiven(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, events("seen"))
    await take(bus)
    await publish_many(bus, 2000)
    future = datetime.now(UTC) + timedelta(hours=1)
    assert await bus.trim(0, before=future - timedelta(days=2), maximum=10**6) == 0
    assert (await bus.state(G, 0)).lost == 0
    dropped = await bus.trim(0, before=future - timedelta(days=2), maximum=500)
    assert 1000 <= dropped <= 1501
    assert (await bus.state(G, 0)).lost == dropped - 1
    await bus.forgive(G, 0, (await bus.state(G, 0)).trimmed)
    assert (await bus.state(G, 0)).lost == 0
    (delivery,) = await take(bus, count=5)
    assert not delivery.gap
    assert (await bus.state(G, 0)).lost == 0
    assert await bus.trim(0, before=future, maximum=10**6) > 0
    assert (await bus.state(G, 0)).lost > 0


async def test_the_read_after_a_gap_tells_of_it_and_no_other(bus: EventBus) -> None:
    """The server counts as read what was trimmed, as soon as something behind it is read: later nobody could tell."""
    await bus.ensure_group(G, 0)
    await bus.ensure_group(G, 1)
    await bus.publish(0, events("seen"))
    assert [d.gap for d in await take(bus)] == [False]
    await publish_many(bus, 1000)
    await bus.publish(1, events("whole"))
    await bus.trim(0, before=datetime.now(UTC) + timedelta(hours=1), maximum=10**6)
    await bus.publish(0, events("1", "2", "3"))
    assert {d.shard: d.gap for d in await take(bus, A, 0, 1, count=2)} == {0: True, 1: False}
    assert [d.gap for d in await take(bus, B)] == [False]


async def test_what_is_trimmed_after_the_account_was_taken_is_not_forgiven(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await publish_many(bus, 1000)
    await bus.trim(0, before=datetime.now(UTC) - timedelta(hours=1), maximum=500)
    seen = (await bus.state(G, 0)).trimmed
    await bus.trim(0, before=datetime.now(UTC) + timedelta(hours=1), maximum=10**6)
    await bus.forgive(G, 0, seen)
    assert seen > 0
    assert (await bus.state(G, 0)).lost == 1000 - seen
    await bus.publish(0, events("next"))
    assert [d.gap for d in await take(bus)] == [True]


async def test_trimmed_while_unfinished_is_reported_without_a_body(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await publish_many(bus, 500)
    (delivery,) = await take(bus, count=3)
    await bus.trim(0, before=datetime.now(UTC) + timedelta(hours=1), maximum=10**6)
    again = await bus.reread(G, A, 0, count=9)
    assert [(e.id, e.packed) for e in again.entries] == [(i, None) for i in ids(delivery)]
    claimed = await bus.claim(G, B, 0, idle=0, count=9)
    assert [(e.id, e.packed) for e in claimed.entries] == [(i, None) for i in ids(delivery)]


async def test_a_wiped_server_is_noticed(under_test: BusUnderTest) -> None:
    bus = under_test.bus
    await bus.ensure_group(G, 0)
    before = await bus.generation(0)
    assert await bus.generation(0) == before
    await under_test.wipe()
    for call in (take(bus), bus.reread(G, A, 0, count=1), bus.claim(G, A, 0, idle=0, count=1), bus.state(G, 0)):
        with pytest.raises(GroupMissing):
            await call
    assert await bus.generation(0) != before


async def test_a_reader_that_waits_notices_the_wipe(under_test: BusUnderTest) -> None:
    await under_test.bus.ensure_group(G, 0)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_missing(under_test.bus))
        await asyncio.sleep(0)
        await under_test.wipe()
        await under_test.bus.publish(0, events("new"))
        async with asyncio.timeout(PATIENCE):
            await reading


async def _missing(bus: EventBus) -> None:
    with pytest.raises(GroupMissing):
        await _read_for_ever(bus)


async def _read_for_ever(bus: EventBus) -> None:
    while True:
        await bus.read(G, A, (0,), count=1, block=1)


async def test_a_destroyed_group_is_noticed(under_test: BusUnderTest) -> None:
    await under_test.bus.ensure_group(G, 0)
    await under_test.destroy_group(G, 0)
    with pytest.raises(GroupMissing):
        await take(under_test.bus)
    with pytest.raises(GroupMissing):
        await under_test.bus.state(G, 0)
    assert await under_test.bus.ensure_group(G, 0)


async def test_tidying_loses_nothing_that_is_held(bus: EventBus) -> None:
    await bus.ensure_group(G, 0)
    await bus.publish(0, events("1", "2"))
    (delivery,) = await take(bus, A, count=1)
    (other,) = await take(bus, B, count=1)
    await bus.ack(G, 0, ids(other))
    assert await bus.tidy(G, 0, idle=3600) == 0
    assert await bus.tidy(G, 0, idle=0) <= 1
    assert await bus.tidy(G, 0, idle=0) == 0
    assert ids(await bus.reread(G, A, 0, count=9)) == ids(delivery)
    with pytest.raises(GroupMissing):
        await bus.tidy("nobody", 0, idle=0)

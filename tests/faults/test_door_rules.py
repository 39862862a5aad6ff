"""PROTOCOL A, rule by rule: what the door must not do twice, and must not lose."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import orjson
import pytest

from battcrm.devkit.faults.bench import Bench
from battcrm.devkit.faults.messenger import event
from battcrm.devkit.faults.pool import Fault
from battcrm.infra.partitions import maintain
from battcrm.transport.webchat.parse import parse as parse_web_chat
from battcrm.workers.supervise import forget
from tests.support.waiting import eventually

ALL_ROLES = ("processor-1", "ai-1", "out-1")
BLOCKED = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bench-roles' AND wait_event_type = 'Lock'
  AND datname = current_database()
"""


async def work(world: Bench) -> None:
    for name in ALL_ROLES:
        await world.step(name)


async def test_a_message_delivered_again_after_its_answer_is_the_same_message(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    assert await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    assert [s.text for s in world.messenger.shown] == ["1|0|hello"]
    assert await world.pool.fetchval("SELECT count(*) FROM message WHERE direction = 'in'") == 1


async def test_a_duplicate_across_a_partition_border_is_the_same_message(world: Bench) -> None:
    """Its inbox row is gone, its raw body's partition dropped, new partitions of every table are open."""
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    for _ in range(2):
        world.move_clock(timedelta(days=13).total_seconds())
        await maintain(world.pool, world.clock.now())
        await forget(world.pool, world.clock.now(), None)
    assert await world.pool.fetchval("SELECT count(*) FROM message_raw") == 0
    assert await world.deliver(shop, event("anna", "m1", "hello"), event("anna", "m2", "again"))
    await work(world)
    assert [s.text for s in world.messenger.shown] == ["1|0|hello", "3|0|again"]
    assert await world.pool.fetchval("SELECT count(*) FROM message WHERE direction = 'in'") == 2


async def test_one_body_with_the_same_event_twice_is_one_message(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"), event("anna", "m1", "hello"))
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 1


async def test_a_bad_delivery_fails_alone_in_its_batch(world: Bench) -> None:
    shop = await world.shop()
    door = world.roles["door"].worker
    nameless = replace(shop.account, channel_id=cast("Any", None))
    calls = [
        door.accept(account, [event("anna", f"m{n}", "x")], b"{}")
        for n, account in enumerate([shop.account, nameless, shop.account])
    ]
    first, bad, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, third) == (1, 1)
    assert isinstance(bad, Exception)
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 2


async def test_concurrent_batches_take_keys_in_one_order(world: Bench) -> None:
    """Whoever waits for a key holds no later one, so two batches cannot wait for each other."""
    shop = await world.shop()
    keys = sorted(event("anna", f"m{n}").dedup_key for n in (1, 9))
    insert = "INSERT INTO seen (channel_id, dedup_key, tenant_id, seen_at) VALUES ($1, $2, $3, $4)"
    own = (shop.account.channel_id, shop.account.tenant_id, world.clock.now())
    door = world.roles["door"].worker
    async with world.pool.acquire() as other, other.transaction():
        await other.execute(insert, own[0], keys[0], *own[1:])
        call = asyncio.ensure_future(door.accept(shop.account, [event("anna", "m9"), event("anna", "m1")], b"{}"))
        await eventually(lambda: world.pool.fetchval(BLOCKED), what="the door waits for the first key")
        await other.execute("SET LOCAL lock_timeout = '500ms'")
        await other.execute(insert, own[0], keys[1], *own[1:])
    assert await call == 0


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("fault", list(Fault))
async def test_a_door_that_fails_at_any_statement_says_so_and_the_repetition_counts_once(
    world: Bench, after: int, fault: Fault
) -> None:
    shop = await world.shop()
    world.arm("door", after, fault)
    for _ in range(3):
        if await world.deliver(shop, event("anna", "m1", "hello")):
            break
    else:
        raise AssertionError("the door never recovered")
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 1


@pytest.mark.parametrize("key", ["a\x00b", "k" * 5000])
async def test_an_unstorable_key_is_stored_all_the_same(world: Bench, key: str) -> None:
    shop = await world.shop()
    assert await world.deliver(shop, event(key, "m1", "hello"))
    assert await world.deliver(shop, event(key, "m1", "hello"))
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 1


def test_the_web_chats_own_id_of_a_message_is_its_key() -> None:
    def key(own: str) -> str:
        body = orjson.dumps({"client_message_id": own, "visitor_id": "v1", "text": "hello"})
        return parse_web_chat(body)[0].dedup_key

    assert key("m1") == key("m1") != key("m2")

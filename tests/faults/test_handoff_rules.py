"""Direct handoff, rule by rule: a row leased as it is written is claimed like any other, only sooner (PROTOCOL C2, E2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from battcrm.devkit.faults.bench import Bench, bench
from battcrm.devkit.faults.messenger import event
from battcrm.devkit.faults.pool import Fault
from tests.faults.test_turn_rules import answers, hears, let_go, thinking

_CLAIMS = "SELECT token, attempts, lease_until IS NOT NULL AS leased, due_at IS NOT NULL AS due FROM client_work"
_SENDS = "SELECT token, attempts, lease_until IS NOT NULL AS leased, state FROM outgoing ORDER BY seq"


@pytest.fixture
async def world(clean_database: str) -> AsyncIterator[Bench]:
    async with bench(clean_database, together=True) as opened:
        yield opened


async def rows(world: Bench, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await world.pool.fetch(query)]


async def test_a_client_due_now_is_leased_to_the_worker_beside_the_processor(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    assert await rows(world, _CLAIMS) == [(1, 1, True, True)]
    await world.step("ai-2")
    assert world.gate.started == 0
    await world.step("ai-1")
    assert world.gate.started == 1
    assert await rows(world, _CLAIMS) == [(1, 0, False, False)]


async def test_a_client_to_be_waited_for_is_left_to_be_claimed(world: Bench) -> None:
    shop = await world.shop(quiet=5)
    await hears(world, shop, event("anna", "m1", "hello"))
    assert await rows(world, _CLAIMS) == [(0, 0, False, True)]
    world.move_clock(6)
    await world.step("ai-2")
    assert world.gate.started == 1


async def test_what_was_handed_to_a_worker_that_died_is_found_when_its_lease_is_over(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    await world.kill("ai-1")
    await world.step("ai-2")
    assert world.gate.started == 0
    world.move_clock(61)
    await world.step("ai-2")
    await world.step("out-2")
    assert answers(world) == ["1|0|hello"]


async def test_a_client_whose_turn_is_running_is_not_handed_over_again(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await hears(world, shop, event("anna", "m2", "more"))
    assert await rows(world, _CLAIMS) == [(1, 1, True, True)]
    await world.step("ai-1")
    assert world.gate.started == 1
    await let_go(world)
    await world.drain()
    assert answers(world) == ["2|0|hello", "2|1|more"]
    assert world.gate.overlaps == []


async def test_a_worker_that_lost_its_client_meanwhile_has_no_say(world: Bench) -> None:
    """The token handed over is a new one, so that the late turn of an earlier lease does not count."""
    shop = await world.shop()
    await thinking(world, shop)
    world.move_clock(61)
    await hears(world, shop, event("anna", "m2", "more"))
    assert await rows(world, _CLAIMS) == [(2, 2, True, True)]
    await let_go(world)
    assert await rows(world, "SELECT state FROM turn") == []


async def test_a_client_handed_over_again_after_its_lease_is_answered_once(world: Bench) -> None:
    """The worker was held up for longer than a lease, and then has both claims at once."""
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.move_clock(61)
    await hears(world, shop, event("anna", "m2", "more"))
    await world.step("ai-1")
    await world.drain()
    assert answers(world) == ["2|0|hello", "2|1|more"]


async def test_a_full_worker_is_given_nothing(world: Bench) -> None:
    world.roles["ai-1"].worker._concurrency = 1
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    assert await rows(world, _CLAIMS) == [(0, 0, False, True)]


async def test_one_batch_gives_a_worker_no_more_than_it_has_room_for(world: Bench) -> None:
    """Neither one tenant nor all of them together fill the worker."""
    world.roles["ai-1"].worker._per_tenant = 4
    world.roles["ai-1"].worker._concurrency = 6
    for chats in (3, 2, 2):
        shop = await world.shop()
        for number in range(chats):
            assert await world.deliver(shop, event(f"chat{number}", "m1", "hello"))
    await world.step("processor-1")
    leased = await rows(world, "SELECT count(*) FROM client_work WHERE lease_until IS NOT NULL GROUP BY tenant_id")
    assert leased == [(2,)]


async def test_a_reply_is_leased_to_the_sender_beside_the_turn(world: Bench) -> None:
    """The first part; the second is freed by the first."""
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await hears(world, shop, event("anna", "m2", "more"))
    await world.step("ai-1")
    assert await rows(world, _SENDS) == [(1, 1, True, "pending"), (0, 0, False, "pending")]
    await world.step("out-2")
    assert answers(world) == []
    await world.step("out-1")
    assert answers(world) == ["2|0|hello"]
    await world.step("out-2")
    assert answers(world) == ["2|0|hello", "2|1|more"]


async def test_a_reply_behind_one_that_is_being_sent_is_left_to_be_claimed(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    await world.step("ai-1")
    world.messenger.hold = "before"
    assert not await world.step("out-1")
    await hears(world, shop, event("anna", "m2", "more"))
    await world.step("ai-1")
    assert await rows(world, _SENDS) == [(1, 1, True, "sending"), (0, 0, False, "pending")]
    world.messenger.release()
    await world.settle()
    await world.step("out-2")
    assert answers(world) == ["1|0|hello", "3|0|more"]


async def test_a_reply_for_a_channel_that_is_shut_is_left_to_be_claimed(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.roles["out-1"].worker._closed[shop.account.channel_id] = world.clock.monotonic() + 60
    await world.step("ai-1")
    assert await rows(world, _SENDS) == [(0, 0, False, "pending")]


@pytest.mark.parametrize("name", ["processor-1", "ai-1"])
async def test_a_connection_lost_at_any_statement_makes_nobody_wait_for_a_lease(world: Bench, name: str) -> None:
    """Also where the commit took effect and its answer was lost: the token decides whether the handoff counts."""
    shop = await world.shop()
    for after in range(44):
        chat = f"chat{after}"
        assert await world.deliver(shop, event(chat, "m1", "hello"))
        if name == "ai-1":
            await world.step("processor-1")
        world.arm(name, after, Fault.DROP)
        for _ in range(4):
            for role in ("processor-1", "ai-1", "out-1"):
                await world.step(role)
            world.move_clock(1)
        world.roles[name].pool.disarm()
        assert sum(s.chat.endswith(f"/{chat}") for s in world.messenger.shown) == 1, after

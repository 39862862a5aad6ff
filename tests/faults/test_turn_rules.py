"""PROTOCOL C, rule by rule: leases, tokens, versions, at most one voice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from battcrm.devkit.faults.bench import Bench
from battcrm.devkit.faults.messenger import event
from battcrm.devkit.faults.pool import Fault
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.fallback import internal_error
from battcrm.pipeline.turn_types import TurnState
from tests.faults.test_processor_rules import blocked_on_the_first_only
from tests.support.waiting import eventually

STATES = "SELECT state FROM turn ORDER BY started_at, turn_id"


async def states(world: Bench) -> list[str]:
    return sorted(row[0] for row in await world.pool.fetch(STATES))


async def hears(world: Bench, shop: Any, *events: Any) -> None:
    for one in events:
        assert await world.deliver(shop, one)
    await world.step("processor-1")


def answers(world: Bench) -> list[str]:
    return [s.text for s in world.messenger.shown]


async def thinking(world: Bench, shop: Any, name: str = "ai-1") -> None:
    """A turn over `hello` that has begun and not ended."""
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    assert not await world.step(name)
    assert world.gate.started == 1


async def let_go(world: Bench) -> None:
    world.gate.release()
    await world.settle()


async def test_a_claimed_client_is_nobody_elses(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await world.step("ai-2")
    assert world.gate.started == 1
    await let_go(world)
    await world.step("out-1")
    assert answers(world) == ["1|0|hello"]


async def test_a_dead_workers_client_is_taken_when_its_lease_is_over(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await world.kill("ai-1")
    await world.step("ai-2")
    assert world.gate.started == 1
    world.move_clock(61)
    world.gate.hold = False
    await world.step("ai-2")
    await world.step("out-1")
    assert answers(world) == ["1|0|hello"]


async def test_a_late_worker_does_not_release_the_lease_of_its_successor(world: Bench) -> None:
    """Only the first of the two goes on; the second still holds the client."""
    shop = await world.shop()
    await thinking(world, shop)
    early = world.gate._release
    world.gate._release = type(early)()
    world.move_clock(61)
    assert not await world.step("ai-2")
    early.set()
    await world.settle()
    assert await states(world) == []
    assert await world.pool.fetchval("SELECT lease_until IS NOT NULL AND due_at IS NOT NULL FROM client_work")
    assert await world.pool.fetchval("SELECT count(*) FROM outgoing") == 0
    await let_go(world)
    await world.step("out-1")
    assert answers(world) == ["1|0|hello"]


async def test_a_message_that_comes_during_the_turn_is_answered_with_it(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await hears(world, shop, event("anna", "m2", "and one more thing"))
    await let_go(world)
    assert await states(world) == ["superseded"]
    await world.drain()
    assert answers(world) == ["2|0|hello", "2|1|and one more thing"]


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_what_was_taken_back_during_the_turn_is_not_answered(world: Bench, kind: str) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await hears(world, shop, event("anna", "m1", "something else", kind, 1))
    await let_go(world)
    assert await states(world) == ["superseded"]
    await world.drain()
    assert answers(world) == (["1|0|something else"] if kind == "edit" else [])


async def test_a_bare_thank_you_disturbs_no_turn_and_is_still_covered(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    await hears(world, shop, event("anna", "m2", "спасибо"))
    await let_go(world)
    assert await states(world) == ["posted"]
    await world.drain()
    assert answers(world) == ["1|0|hello", "3|0|спасибо"]


async def test_after_two_supersedes_the_answer_is_posted_and_the_rest_follows(world: Bench) -> None:
    shop = await world.shop()
    await thinking(world, shop)
    for n in range(2, 5):
        await hears(world, shop, event("anna", f"m{n}", f"more {n}"))
        await let_go(world)
        if n < 4:
            world.gate.hold = True
            assert not await world.step("ai-1")
    assert await states(world) == ["posted", "superseded", "superseded"]
    await world.drain()
    said = ",".join(a.split("|")[2] for a in answers(world))
    assert said == "hello,more 2,more 3,more 4"
    assert await world.pool.fetchval("SELECT superseded FROM client_work") == 0


async def test_two_turns_over_the_same_messages_speak_once(world: Bench) -> None:
    """Whatever made a dialog due again, (dialog, covered up to, part) is said once."""
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    await world.step("ai-1")
    await world.pool.execute("UPDATE dialog SET answered_seq = 0, last_seq = 1, due_at = $1", world.clock.now())
    await world.pool.execute("UPDATE client_work SET due_at = $1", world.clock.now())
    await world.step("ai-1")
    assert await world.pool.fetchval("SELECT count(*) FROM outgoing") == 1
    await world.drain()
    assert answers(world) == ["1|0|hello"]


async def test_a_turn_that_keeps_failing_becomes_a_handover(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.fail = 100
    for _ in range(12):
        await world.step("ai-1")
        world.move_clock(40)
    (row,) = await world.pool.fetch("SELECT action, reason FROM decision")
    assert (row["action"], row["reason"]) == ("operator", "internal_error")
    await hears(world, shop, event("anna", "m2", "are you there?"))
    world.gate.fail = 0
    await world.drain()
    assert answers(world) == ["1|0|hello", "3|0|are you there?"]


async def test_a_client_merged_during_the_turn_is_answered_under_its_new_name_uncounted(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("boris", "m0", "hi"))
    await world.drain()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    assert not await world.step("ai-1")
    boris = await world.pool.fetchval("SELECT client_id FROM client ORDER BY created_at, client_id LIMIT 1")
    anna = await world.pool.fetchval("SELECT client_id FROM client WHERE client_id <> $1", boris)
    async with world.pool.acquire() as c, c.transaction():
        await c.execute("UPDATE identity SET client_id = $1 WHERE client_id = $2", boris, anna)
        await c.execute("UPDATE client SET merged_into = $1 WHERE client_id = $2", boris, anna)
        await c.execute("UPDATE client_work SET due_at = $2 WHERE client_id = $1", boris, world.clock.now())
    await let_go(world)
    assert await states(world) == ["posted", "superseded"]
    assert await world.pool.fetchval("SELECT superseded FROM client_work WHERE client_id = $1", anna) == 0
    await world.drain()
    assert answers(world)[1:] == ["1|0|hello"]


async def test_a_chat_that_went_back_to_its_own_client_during_the_turn_is_answered_there_uncounted(
    world: Bench,
) -> None:
    """A merge is taken back while the survivor's third attempt thinks, which nothing else supersedes any more."""
    shop = await world.shop()
    for chat in ("boris", "anna"):
        await hears(world, shop, event(chat, "m0", "hi"))
    await world.drain()
    boris, anna = [
        r[0] for r in await world.pool.fetch("SELECT client_id FROM identity ORDER BY created_at, identity_id")
    ]
    chat = await world.pool.fetchval("SELECT identity_id FROM identity WHERE client_id = $1", anna)
    await world.pool.execute("UPDATE identity SET client_id = $1 WHERE identity_id = $2", boris, chat)
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    assert not await world.step("ai-1")
    async with world.pool.acquire() as c, c.transaction():
        await c.execute("UPDATE identity SET client_id = $1 WHERE identity_id = $2", anna, chat)
        await c.execute("UPDATE dialog SET version = version + 1 WHERE identity_id = $1", chat)
        await c.execute("UPDATE client_work SET superseded = 2, due_at = NULL WHERE client_id = $1", boris)
        await c.execute("UPDATE client_work SET due_at = $2 WHERE client_id = $1", anna, world.clock.now())
    await let_go(world)
    assert (await states(world))[-1] == "superseded"
    assert await world.pool.fetchval("SELECT superseded FROM client_work WHERE client_id = $1", boris) == 2
    await world.drain()
    assert answers(world)[2:] == ["3|0|hello"]
    last = "SELECT client_id FROM turn WHERE state = 'posted' ORDER BY started_at DESC, turn_id DESC LIMIT 1"
    assert await world.pool.fetchval(last) == anna


async def test_turns_lock_dialogs_in_one_order(world: Bench) -> None:
    low, high = await two_dialogs(world)
    await blocked_on_the_first_only(world, "dialog", "dialog_id", (low, high), "ai-1")


async def test_turns_lock_clients_in_one_order(world: Bench) -> None:
    await two_dialogs(world)
    low, high = [r[0] for r in await world.pool.fetch("SELECT client_id FROM client ORDER BY client_id")]
    # The events' own lock on the clients' rows is the last one of a transaction.
    await blocked_on_the_first_only(world, "client", "client_id", (low, high), "processor-1")


async def two_dialogs(world: Bench) -> tuple[Any, Any]:
    """Two clients with something to answer, and something more that waits in the inbox."""
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"), event("boris", "m1", "hello"))
    for chat in ("boris", "anna"):
        await world.deliver(shop, event(chat, "m2", "more"))
    low, high = [r[0] for r in await world.pool.fetch("SELECT dialog_id FROM dialog ORDER BY tenant_id, dialog_id")]
    return low, high


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("after", range(0, 44, 3))
async def test_a_turn_that_dies_at_any_statement_answers_once(world: Bench, after: int, fault: Fault) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.arm("ai-1", after, fault)
    await world.step("ai-1")
    await world.drain()
    assert answers(world) == ["1|0|hello"]


async def test_an_edit_during_the_turn_that_must_be_posted_is_answered_afterwards(world: Bench) -> None:
    """The due mark is cleared only if the version is unchanged."""
    shop = await world.shop()
    await thinking(world, shop)
    for n in range(1, 4):
        await hears(world, shop, event("anna", "m1", f"edited {n}", "edit", n))
        await let_go(world)
        if n < 3:
            world.gate.hold = True
            assert not await world.step("ai-1")
    await world.drain()
    assert [a.split("|")[2] for a in answers(world)] == ["edited 2", "edited 3"]


@pytest.mark.parametrize("count", [60, 300])
async def test_a_burst_is_read_to_its_end(world: Bench, count: int) -> None:
    """More than a turn shows as context, and more than it takes at once."""
    shop = await world.shop()
    await hears(world, shop, *(event("anna", f"m{n}", f"w{n}") for n in range(count)))
    await world.drain()
    read = [word for answer in answers(world) for word in answer.split("|")[2].split(",")]
    assert read == [f"w{n}" for n in range(count)]


async def test_a_deadline_ends_a_turn_before_its_lease(world: Bench) -> None:
    worker = world.roles["ai-1"].worker
    usual = AiWorker.__init__.__kwdefaults__ or {}
    assert usual["deadline"] < usual["lease"]
    worker._deadline = 0.05
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    await world.step("ai-1")
    await eventually(lambda: world.pool.fetchval("SELECT last_error FROM client_work"), what="the turn gives up")
    await world.settle()
    assert await world.pool.fetchval("SELECT lease_until IS NULL AND due_at IS NOT NULL FROM client_work")


async def test_a_turn_that_thinks_long_keeps_its_client(world: Bench) -> None:
    """The heartbeat moves the lease; at the end of the first one nobody else may begin."""
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    role = world.roles["ai-1"]
    world._start(role, role.worker.run())
    await eventually(lambda: asyncio.sleep(0, world.gate.started), what="the turn begins")
    for _ in range(5):
        world.move_clock(20)
        await world.settle()
    await world.step("ai-2")
    assert world.gate.started == 1
    assert world.gate.overlaps == []


@pytest.mark.parametrize("name", ["ai-1", "out-1"])
async def test_nobody_holds_a_connection_while_waiting_for_others(world: Bench, name: str) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    if name == "ai-1":
        world.gate.hold = True
    else:
        await world.step("ai-1")
        world.messenger.hold = "before"
    assert not await world.step(name)
    assert (world.gate.started, world.messenger.in_flight) == ((1, 0) if name == "ai-1" else (1, 1))
    assert world.roles[name].pool._open == set()


async def test_what_asks_for_nothing_disturbs_no_turn(world: Bench) -> None:
    """Statuses, typing and reactions."""
    shop = await world.shop()
    await hears(world, shop, event("anna", "m0", "hi"))
    await world.drain()
    await thinking_again(world, shop)
    await hears(
        world,
        shop,
        event("anna", "out-1", kind="status", state="read"),
        event("anna", "t1", kind="typing"),
        event("anna", "r1", kind="reaction"),
    )
    await let_go(world)
    assert await states(world) == ["posted", "posted"]


async def thinking_again(world: Bench, shop: Any) -> None:
    started = world.gate.started
    await hears(world, shop, event("anna", "m1", "hello"))
    world.gate.hold = True
    assert not await world.step("ai-1")
    assert world.gate.started == started + 1


async def test_a_superseded_handover_is_committed_all_the_same(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    worker = world.roles["ai-1"].worker
    (claim,) = await worker._queue.claim(1, lease=60.0)
    (loaded,) = (await worker._loads.submit(claim)).turns
    outcome = internal_error(loaded, worker._engine, "broken")
    await world.pool.execute("UPDATE dialog SET version = version + 1")
    assert await worker._commits.submit(outcome) is TurnState.SUPERSEDED
    assert await world.pool.fetchval("SELECT reason FROM decision WHERE action = 'operator'") == "internal_error"


async def test_giving_back_an_idle_client_needs_the_token(world: Bench) -> None:
    shop = await world.shop()
    await hears(world, shop, event("anna", "m1", "hello"))
    early, late = world.roles["ai-1"].worker, world.roles["ai-2"].worker
    (old,) = await early._queue.claim(1, lease=60.0)
    world.move_clock(61)
    assert len(await late._queue.claim(1, lease=60.0)) == 1
    await early._releases.submit(old)
    assert await world.pool.fetchval("SELECT lease_until FROM client_work") is not None


async def one_client_with_two_chats(world: Bench, shop: Any) -> None:
    for chat in ("anna", "boris"):
        await hears(world, shop, event(chat, "m1", "hello"))
    await world.drain()
    await world.pool.execute("UPDATE identity SET client_id = (SELECT min(client_id::text)::uuid FROM client)")


async def test_a_client_is_due_with_the_first_of_its_chats(world: Bench) -> None:
    shop = await world.shop(quiet=10)
    await one_client_with_two_chats(world, shop)
    began = world.clock.now()
    await hears(world, shop, event("anna", "m2", "one"))
    world.move_clock(6)
    await hears(world, shop, event("boris", "m2", "two"))
    due = await world.pool.fetchval("SELECT min(due_at) FROM client_work")
    assert due == began + timedelta(seconds=10)


async def test_the_chats_of_a_client_are_answered_one_after_another_under_one_lease(world: Bench) -> None:
    shop = await world.shop()
    await one_client_with_two_chats(world, shop)
    await hears(world, shop, event("anna", "m2", "one"), event("boris", "m2", "two"))
    world.gate.hold, world.gate.started = True, 0
    await world.step("ai-1")
    first = world.gate._release
    world.gate._release = type(first)()
    first.set()
    await world.settle()
    await world.step("ai-2")
    assert world.gate.started == 2
    await let_go(world)
    await world.step("out-1")
    assert sorted(a.split("|")[2] for a in answers(world)) == ["hello", "hello", "one", "two"]

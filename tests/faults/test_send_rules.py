"""PROTOCOL E, rule by rule: at most once, in order, and never forgotten."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import asyncpg
import pytest

from battcrm.devkit.faults.bench import Bench, bench
from battcrm.devkit.faults.messenger import Accident, event
from battcrm.devkit.faults.pool import Fault
from battcrm.models.outgoing import OutState, Sent
from battcrm.transport.outbox_store import Outcome
from tests.faults.test_turn_rules import answers, hears
from tests.support.waiting import eventually

LOCK = "SELECT 1 FROM outgoing WHERE outgoing_id = $1 FOR UPDATE NOWAIT"
WAITS_FOR = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)))"


async def decided(world: Bench, *texts: str, chat: str = "anna", **dialog: float) -> None:
    """Replies that wait to be sent, one turn each."""
    shop = await world.shop(**dialog)
    for n, text in enumerate(texts):
        await hears(world, shop, event(chat, f"m{n}", text))
        await world.step("ai-1")


async def outgoing(world: Bench) -> list[str]:
    return [row[0] for row in await world.pool.fetch("SELECT state FROM outgoing ORDER BY seq")]


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_send_whose_worker_died_is_unknown_and_not_repeated(world: Bench, place: str) -> None:
    """`sending` is committed before the first byte; without it the successor would send again."""
    await decided(world, "hello")
    world.messenger.hold = place
    assert not await world.step("out-1")
    assert await outgoing(world) == ["sending"]
    await world.kill("out-1")
    await world.drain()
    assert await outgoing(world) == ["unknown"]
    assert len(answers(world)) == (1 if place == "after" else 0)


@pytest.mark.parametrize("accident", [Accident.SWALLOWED, Accident.ANSWER_LOST])
async def test_a_lost_answer_is_unknown_and_not_repeated(world: Bench, accident: Accident) -> None:
    await decided(world, "hello")
    world.messenger.accidents.append(accident)
    await world.step("out-1")
    world.move_clock(600)
    await world.step("out-1")
    assert await outgoing(world) == ["unknown"]
    assert len(answers(world)) == (1 if accident is Accident.ANSWER_LOST else 0)


async def test_what_failed_before_the_first_byte_is_sent_again(world: Bench) -> None:
    await decided(world, "hello")
    world.messenger.accidents.append(Accident.REFUSED)
    await world.step("out-1")
    assert await outgoing(world) == ["pending"]
    world.move_clock(5)
    await world.step("out-1")
    assert answers(world) == ["1|0|hello"]


async def test_a_channel_that_asks_for_a_pause_gets_it(world: Bench) -> None:
    await decided(world, "hello")
    world.messenger.accidents.append(Accident.BUSY)
    await world.step("out-1")
    await world.step("out-1")
    world.move_clock(2.5)
    await world.step("out-1")
    assert (answers(world), await outgoing(world)) == ([], ["pending"])
    world.move_clock(1)
    await world.step("out-1")
    assert answers(world) == ["1|0|hello"]


async def test_a_pending_or_sending_message_blocks_its_chat(world: Bench) -> None:
    await decided(world, "one", "two")
    world.messenger.hold = "before"
    await world.step("out-1")
    await world.step("out-2")
    assert world.messenger.begun == 1
    world.messenger.release()
    await world.settle()
    await world.step("out-2")
    assert [a.split("|")[2] for a in answers(world)] == ["one", "two"]


async def test_an_unknown_message_does_not_block_its_chat(world: Bench) -> None:
    await decided(world, "one", "two")
    world.messenger.accidents.append(Accident.SWALLOWED)
    await world.step("out-1")
    await world.step("out-1")
    assert [a.split("|")[2] for a in answers(world)] == ["two"]


async def test_a_reply_too_old_is_not_sent(world: Bench) -> None:
    await decided(world, "hello", reply_expires=900)
    world.move_clock(901)
    await world.step("out-1")
    assert (answers(world), await outgoing(world)) == ([], ["expired"])


async def test_two_workers_send_a_message_once(world: Bench) -> None:
    await decided(world, "hello")
    world.messenger.hold = "before"
    await world.step("out-1")
    await world.step("out-2")
    world.messenger.release()
    await world.settle()
    assert answers(world) == ["1|0|hello"]


async def test_a_late_workers_result_does_not_overwrite(world: Bench) -> None:
    """Its lease ran out while the messenger was silent; its successor has said `unknown`."""
    await decided(world, "hello")
    world.messenger.hold = "before"
    await world.step("out-1")
    world.move_clock(91)
    await world.step("out-2")
    assert await outgoing(world) == ["unknown"]
    world.messenger.release()
    await world.settle()
    assert await outgoing(world) == ["unknown"]
    assert len(answers(world)) == 1


async def test_a_cancelled_row_is_not_sent(world: Bench) -> None:
    """Claimed by a worker, cancelled by an operator, then started: the start must notice."""
    await decided(world, "hello")
    claim = (await world.roles["out-1"].worker._queue.claim(1, lease=90.0, extra=([],)))[0]
    await world.pool.execute("UPDATE outgoing SET state = 'cancelled', due_at = NULL, token = token + 1")
    assert list(await world.roles["out-1"].worker._store.start_sending([claim], lease=90.0)) == [False]
    assert await outgoing(world) == ["cancelled"]


async def test_a_send_that_waited_for_its_turn_is_not_taken_for_dead(world: Bench) -> None:
    """Its claim was about to lapse when it began: a lease that is counted from the claim would make it unknown."""
    await decided(world, "hello")
    role = world.roles["out-1"]
    claim = (await role.worker._queue.claim(1, lease=90.0, extra=([],)))[0]
    world.move_clock(89)
    assert list(await role.worker._store.start_sending([claim], lease=90.0)) == [True]
    world.move_clock(2)
    await world.step("out-2")
    assert await outgoing(world) == ["sending"]
    await role.worker._store.settle([Outcome(claim, OutState.SENT, sent=Sent("out-1"))])
    assert await outgoing(world) == ["sent"]


async def test_of_two_claims_of_a_row_in_one_batch_the_later_counts(world: Bench) -> None:
    """The database was away for longer than a lease: the same process claims again what it still had in its queue."""
    await decided(world, "hello")
    worker = world.roles["out-1"].worker
    (old,) = await worker._queue.claim(1, lease=90.0, extra=([],))
    world.move_clock(91)
    (new,) = await worker._queue.claim(1, lease=90.0, extra=([],))
    assert list(await worker._store.start_sending([old, new], lease=90.0)) == [False, True]
    late = Outcome(old, OutState.FAILED, code="late")
    await worker._store.settle([late, Outcome(new, OutState.SENT, sent=Sent("out-1"))])
    assert await world.pool.fetchval("SELECT external_id FROM message WHERE direction = 'out'") == "out-1"
    assert await world.pool.fetchval("SELECT state FROM message WHERE direction = 'out'") == "sent"


async def test_a_long_send_keeps_its_row(world: Bench) -> None:
    """A large file on a thin line: the messenger answers after minutes, and its answer counts."""
    await decided(world, "hello")
    world.messenger.hold = "after"
    role = world.roles["out-1"]
    role.current = world._start(role, role.worker.run())
    await eventually(lambda: asyncio.sleep(0, world.messenger.in_flight == 1), what="the send")
    for _ in range(5):
        world.move_clock(31)
        await world.quiesce()
        await world.step("out-2")
        assert await outgoing(world) == ["sending"]
    world.messenger.release()
    await world.quiesce()
    assert await outgoing(world) == ["sent"]


async def test_outcomes_lock_clients_after_messages(world: Bench) -> None:
    """A status changes the same message and then speaks of the client: held the other way round, both would wait."""
    await decided(world, "hello")
    worker = world.roles["out-1"].worker
    (claim,) = await worker._queue.claim(1, lease=90.0, extra=([],))
    assert list(await worker._store.start_sending([claim], lease=90.0)) == [True]
    async with world.pool.acquire() as processor, processor.transaction():
        pid = await processor.fetchval("SELECT pg_backend_pid()")
        await processor.execute("SELECT 1 FROM message WHERE direction = 'out' FOR UPDATE /* all tenants: one row */")
        outcome = Outcome(claim, OutState.SENT, sent=Sent("out-1"))
        task = asyncio.ensure_future(worker._store.settle([outcome]))
        await eventually(partial(world.pool.fetchval, WAITS_FOR, pid), what="an outcome that waits")
        await processor.execute("SELECT 1 FROM client FOR NO KEY UPDATE NOWAIT /* all tenants: one row */")
    await task
    assert await outgoing(world) == ["sent"]


async def test_a_row_whose_start_was_refused_does_not_wait_for_its_lease(world: Bench) -> None:
    """A deadlock had no effect: half a second later the row is taken again."""
    await decided(world, "hello")
    worker = world.roles["out-1"].worker

    async def refused(claims: Any) -> Any:
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    worker._starts._flush, flush = refused, worker._starts._flush
    await world.step("out-1")
    assert (answers(world), await outgoing(world)) == ([], ["pending"])
    worker._starts._flush = flush
    world.move_clock(1)
    await world.step("out-1")
    assert (answers(world), await outgoing(world)) == (["1|0|hello"], ["sent"])


async def test_outcomes_and_echoes_lock_chats_in_one_order(world: Bench) -> None:
    """The processor cancels chat by chat, in the order of their names; a batch of outcomes in another would deadlock."""
    shop = await world.shop()
    for chat in ("anna", "boris"):
        await hears(world, shop, event(chat, "m1", "hello"))
    for _ in range(2):
        await world.step("ai-1")
    worker = world.roles["out-1"].worker
    claims = await worker._queue.claim(2, lease=90.0, extra=([],))
    by_chat = {claim.row["payload"]["chat"]: claim for claim in claims}
    batches = (
        worker._store.start_sending([by_chat["boris"], by_chat["anna"]], lease=90.0),
        worker._store.settle([Outcome(by_chat[c], OutState.SENT, sent=Sent(c)) for c in ("boris", "anna")]),
    )
    for batch in batches:
        async with world.pool.acquire() as processor, processor.transaction():
            pid = await processor.fetchval("SELECT pg_backend_pid()")
            await processor.execute(LOCK, by_chat["anna"].key)
            task = asyncio.ensure_future(batch)
            await eventually(partial(world.pool.fetchval, WAITS_FOR, pid), what="a batch that waits")
            await processor.execute(LOCK, by_chat["boris"].key)
        await task
    assert await outgoing(world) == ["sent", "sent"]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("after", range(0, 24, 2))
async def test_a_sender_that_dies_at_any_statement_sends_at_most_once(world: Bench, after: int, fault: Fault) -> None:
    await decided(world, "hello")
    world.arm("out-1", after, fault)
    await world.step("out-1")
    await world.drain()
    state = (await outgoing(world))[0]
    assert len(answers(world)) == 1 if state == "sent" else len(answers(world)) <= 1
    assert state in ("sent", "unknown")


@pytest.mark.parametrize("after", range(4))
async def test_what_a_messenger_took_is_recorded_though_the_database_was_away(world: Bench, after: int) -> None:
    """The answer is there, the connection is not: at BEGIN, and at the statement behind it."""
    await decided(world, "hello")
    world.messenger.hold = "after"
    await world.step("out-1")
    world.arm("out-1", after, Fault.DROP)
    world.messenger.release()
    await world.settle()
    for _ in range(4):
        world.move_clock(1)
        await world.settle()
    assert (answers(world), await outgoing(world)) == (["1|0|hello"], ["sent"])


async def test_a_closed_channel_is_closed_for_all_chats_and_all_workers(world: Bench) -> None:
    shop = await world.shop()
    for chat in ("anna", "boris"):
        await hears(world, shop, event(chat, "m1", "hello"))
    await world.step("ai-1")
    world.messenger.accidents.append(Accident.BUSY)
    await world.pool.execute(
        "UPDATE outgoing SET due_at = due_at + interval '1 second' WHERE outgoing_id = ("
        "SELECT max(outgoing_id::text)::uuid FROM outgoing)"
    )
    await world.step("out-1")
    assert (answers(world), await outgoing(world)) == ([], ["pending", "pending"])
    world.move_clock(1.5)
    # The other worker first: nobody has told it but the gate.
    await world.step("out-2")
    await world.step("out-1")
    assert answers(world) == []
    world.move_clock(2)
    await world.step("out-1")
    await world.step("out-2")
    assert sorted(answers(world)) == ["1|0|hello", "1|0|hello"]


async def test_a_dead_channel_does_not_fill_the_worker(world: Bench) -> None:
    dead, living = await world.shop(), await world.shop()
    for n in range(60):
        await world.deliver(dead, event(f"chat{n}", "m1", "hello"))
    await world.step("processor-1")
    await world.step("ai-1")
    await world.step("ai-1")
    world.messenger.hold = "before"
    role = world.roles["out-1"]
    role.current = world._start(role, role.worker.run())
    await eventually(
        lambda: asyncio.sleep(0, world.messenger.in_flight >= 40), what="as many sends as one channel may have"
    )
    await world.quiesce()
    assert world.messenger.in_flight == 40
    world.messenger.hold = None
    await hears(world, living, event("anna", "m1", "alive"))
    await world.step("ai-1")
    world.move_clock(1.1)
    await eventually(lambda: asyncio.sleep(0, "1|0|alive" in answers(world)), what="the living channel's message")
    assert world.messenger.in_flight == 40


async def test_a_platform_that_knows_the_message_again_gets_it_again(clean_database: str) -> None:
    async with bench(clean_database, idempotent_send=True) as world:
        await decided(world, "hello")
        world.messenger.accidents.append(Accident.ANSWER_LOST)
        await world.step("out-1")
        world.move_clock(10)
        await world.step("out-1")
        assert await outgoing(world) == ["sent"]
        assert len({item.key for item in world.messenger.shown}) == 1
        assert len(answers(world)) == 2


async def test_what_a_dead_worker_had_begun_stays_unknown_though_the_channel_is_away(world: Bench) -> None:
    await decided(world, "hello")
    world.messenger.hold = "after"
    await world.step("out-1")
    await world.kill("out-1")
    await world.pool.execute("UPDATE channel SET state = 'auth_expired'")
    world.move_clock(91)
    await world.step("out-2")
    await world.pool.execute("UPDATE channel SET state = 'active'")
    world.messenger.release()
    for _ in range(4):
        world.move_clock(31)
        await world.step("out-2")
    assert await outgoing(world) == ["unknown"]
    assert len(answers(world)) == 1

"""PROTOCOL D2: a human's word silences the bot; the bot comes back when the human does not."""

from __future__ import annotations

from datetime import timedelta

from battcrm.devkit.faults.messenger import event
from battcrm.events.outbox import append
from battcrm.pipeline.control import lock_dialog, take_control
from tests.integration.pipeline.conftest import Shopfront


async def take(front: Shopfront) -> None:
    """What an operator's message does besides being sent."""
    world, tenant = front.world, front.shop.account.tenant_id
    dialog = await front.value("SELECT dialog_id FROM dialog")
    async with world.pool.acquire() as connection, connection.transaction():
        assert await lock_dialog(connection, tenant, dialog) is not None
        now = world.clock.now()
        events = await take_control(connection, tenant, dialog, world.ids, now, reason="test", returns_after=600)
        await connection.execute("UPDATE dialog SET version = version + 1")
        await append(connection, events, world.ids, now)


async def test_an_operators_word_cancels_what_the_bot_has_not_sent(front: Shopfront) -> None:
    await front.appeal("bot")
    await front.world.deliver(front.shop, event("anna", "m2", "a question"))
    await front.world.step("processor-1")
    await front.world.step("ai-1")
    await take(front)
    assert await front.said() == []
    assert await front.value("SELECT state FROM outgoing ORDER BY seq DESC LIMIT 1") == "cancelled"
    assert (
        await front.value("SELECT state FROM message WHERE direction = 'out' ORDER BY seq DESC LIMIT 1") == "cancelled"
    )
    assert await front.value("SELECT control FROM appeal") == "human"


async def test_what_is_being_sent_is_not_cancelled(front: Shopfront) -> None:
    await front.world.deliver(front.shop, event("anna", "m2", "a question"))
    await front.world.step("processor-1")
    await front.world.step("ai-1")
    front.world.messenger.hold = "before"
    await front.world.step("out-1")
    await take(front)
    front.world.messenger.release()
    await front.world.settle()
    assert await front.said() == ["a question"]
    assert await front.value("SELECT state FROM outgoing ORDER BY seq DESC LIMIT 1") == "sent"


async def test_control_comes_back_and_the_waiting_client_is_answered(front: Shopfront) -> None:
    await front.appeal("bot")
    await take(front)
    await front.world.deliver(front.shop, event("anna", "m2", "anybody here?"))
    await front.world.step("processor-1")
    await front.world.pool.execute("UPDATE dialog SET due_at = NULL, answered_seq = last_seq")
    await front.world.pool.execute("UPDATE client_work SET due_at = NULL")
    await front.caretaker.step()
    assert await front.value("SELECT control FROM appeal") == "human"
    front.world.move_clock(601)
    await front.caretaker.step()
    assert await front.value("SELECT control FROM appeal") == "bot"
    await front.world.step("ai-1")
    assert await front.said() == ["anybody here?"]


async def test_a_human_who_spoke_last_is_not_answered_by_the_bot(front: Shopfront) -> None:
    await front.appeal("bot")
    await take(front)
    front.world.move_clock(601)
    await front.caretaker.step()
    assert await front.value("SELECT control FROM appeal") == "bot"
    assert await front.value("SELECT due_at IS NULL FROM client_work")


async def test_a_human_who_talks_without_an_open_appeal_is_not_interrupted(front: Shopfront) -> None:
    """The chat is theirs; when they fall silent, what the client said last is taken up."""
    await take(front)
    assert await front.value("SELECT human_until FROM dialog") == front.world.clock.now() + timedelta(seconds=600)
    await front.world.deliver(front.shop, event("anna", "m2", "anybody here?"))
    await front.world.step("processor-1")
    await front.world.pool.execute("UPDATE dialog SET due_at = NULL, answered_seq = last_seq")
    await front.world.pool.execute("UPDATE client_work SET due_at = NULL")
    front.world.move_clock(599)
    await front.caretaker.step()
    assert await front.value("SELECT human_until IS NOT NULL FROM dialog")
    front.world.move_clock(2)
    await front.caretaker.step()
    assert await front.value("SELECT human_until IS NULL FROM dialog")
    await front.world.step("ai-1")
    assert await front.said() == ["anybody here?"]


async def test_a_turn_under_way_does_not_speak_over_a_human(front: Shopfront) -> None:
    await front.world.deliver(front.shop, event("anna", "m2", "a question"))
    await front.world.step("processor-1")
    front.world.gate.hold = True
    await front.world.step("ai-1")
    await take(front)
    await front.world.pool.execute("UPDATE dialog SET version = version - 1")
    front.world.gate.release()
    await front.world.settle()
    assert await front.value("SELECT array_agg(state ORDER BY state) FROM turn") == ["posted", "superseded"]
    assert await front.said() == []

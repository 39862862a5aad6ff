"""The operator's word against the bot's: who speaks, what is cancelled, what comes back (PROTOCOL D2)."""

from __future__ import annotations

import asyncio

import pytest

from battcrm.kit.errors import Conflict, Invalid
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.turn import TurnEngine
from battcrm.pipeline.turn_types import TurnInput, TurnOutcome
from tests.integration.operator.conftest import Shop

QUESTION = "сколько стоит поменять экран на айфон 13 про?"
WARRANTY = "меняли у вас экран на айфон 11, опять полосы, это по гарантии?"


async def test_a_reply_cancels_what_the_bot_had_not_sent(shop: Shop) -> None:
    await shop.hears(QUESTION)
    await shop.answers()
    assert await shop.outgoing() == [("bot", "pending")]
    await shop.operators.reply(shop.tenant_id, 1, "Здравствуйте, это Виктор")
    assert await shop.outgoing() == [("bot", "cancelled"), ("operator", "pending")]
    await shop.delivers()
    assert await shop.outgoing() == [("bot", "cancelled"), ("operator", "sent")]
    appeal = await shop.appeal()
    assert (appeal["control"], appeal["control_until"] > shop.runtime.clock.now()) == ("human", True)
    said = await shop.rows(
        "SELECT author, state, text FROM message WHERE tenant_id = $1 AND direction = 'out' ORDER BY seq"
    )
    assert [(m["author"], m["state"]) for m in said] == [("bot", "cancelled"), ("operator", "sent")]
    assert [e["after"] for e in await shop.events("appeal.control_changed")] == ["human"]
    assert [e["author"] for e in await shop.events("message.sent")] == ["operator"]


async def test_what_the_operator_answered_is_not_answered_again_by_the_bot(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    await shop.hears("алло")
    await shop.operators.reply(shop.tenant_id, 1, "Смотрю")
    assert (await shop.rows("SELECT due_at FROM dialog WHERE tenant_id = $1"))[0]["due_at"] is None
    await shop.answers()
    await shop.delivers()
    assert [author for author, _ in await shop.outgoing()] == ["bot", "operator"]


async def test_taking_over_drops_the_turn_that_is_running(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.hears(QUESTION)
    await shop.answers()
    await shop.delivers()
    thinking, go_on = asyncio.Event(), asyncio.Event()
    original = TurnEngine.run

    async def slow(self: TurnEngine, turn: TurnInput) -> TurnOutcome:
        outcome = await original(self, turn)
        thinking.set()
        await go_on.wait()
        return outcome

    monkeypatch.setattr(TurnEngine, "run", slow)
    await shop.hears("а аккумулятор сколько?")
    async with asyncio.TaskGroup() as group:
        turn = group.create_task(_step(shop.turns))
        await thinking.wait()
        await shop.operators.take(shop.tenant_id, 1)
        go_on.set()
        await turn
    monkeypatch.setattr(TurnEngine, "run", original)
    await shop.answers()
    assert await shop.outgoing() == [("bot", "sent")]
    states = [row["state"] for row in await shop.rows("SELECT state FROM turn WHERE tenant_id = $1 ORDER BY turn_id")]
    assert states == ["posted", "superseded", "silent"]


async def _step(turns: AiWorker) -> int:
    return await turns.step()


async def test_returning_lets_the_bot_answer_the_clients_last_word(shop: Shop) -> None:
    await shop.hears("здравствуйте, позовите оператора, у меня айфон 13 про")
    await shop.answers()
    await shop.operators.reply(shop.tenant_id, 1, "Слушаю вас")
    await shop.hears("сколько стоит поменять экран?")
    await shop.answers()
    assert [author for author, _ in await shop.outgoing()] == ["bot", "operator"]
    assert await shop.operators.give_back(shop.tenant_id, 1)
    due = await shop.rows("SELECT due_at FROM client_work WHERE tenant_id = $1")
    assert due[0]["due_at"] is not None
    await shop.answers()
    assert [author for author, _ in await shop.outgoing()] == ["bot", "operator", "bot"]
    assert not await shop.operators.give_back(shop.tenant_id, 1)


async def test_returning_after_the_operators_last_word_wakes_nobody(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    await shop.operators.reply(shop.tenant_id, 1, "Привозите")
    assert await shop.operators.give_back(shop.tenant_id, 1)
    assert (await shop.rows("SELECT due_at FROM dialog WHERE tenant_id = $1"))[0]["due_at"] is None
    await shop.answers()
    assert [author for author, _ in await shop.outgoing()] == ["bot", "operator"]


async def test_closing_ends_the_appeal_and_its_episode_and_says_so(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    before = await shop.appeal()
    await shop.closes(1)
    after = await shop.appeal()
    assert (after["status"], after["control"], after["version"]) == ("done", "bot", before["version"] + 1)
    assert after["closed_at"] is not None
    staged = (await shop.events("appeal.stage_changed"))[-1]
    assert (staged["before"], staged["after"], staged["version"]) == (before["status"], "done", after["version"])
    episode = (await shop.rows("SELECT ended_at, outcome FROM episode WHERE tenant_id = $1"))[0]
    assert (episode["ended_at"] is not None, episode["outcome"]) == (True, "handed_over")
    with pytest.raises(Conflict):
        await shop.closes(1)
    with pytest.raises(Conflict):
        await shop.operators.take(shop.tenant_id, 1)


async def test_the_list_shows_who_waits_and_since_when(shop: Shop) -> None:
    await shop.hears(QUESTION, visitor="visitor-2")
    await shop.answers()
    assert await shop.operators.waiting(shop.tenant_id) == []
    await shop.hears(WARRANTY)
    await shop.answers()
    (waits,) = await shop.operators.waiting(shop.tenant_id)
    assert (waits.number, waits.client, waits.device, waits.reason) == (2, "Анна", "Apple iPhone 11", "warranty")
    assert waits.since is not None
    await shop.operators.reply(shop.tenant_id, 2, "Привозите")
    (answered,) = await shop.operators.waiting(shop.tenant_id)
    assert (answered.since, answered.last_author, answered.last_text) == (None, "operator", "Привозите")
    await shop.hears("а когда можно?")
    await shop.answers()
    (again,) = await shop.operators.waiting(shop.tenant_id)
    assert again.since is not None
    assert again.since > waits.since
    assert again.last_text == "а когда можно?"


async def test_a_thread_shows_facts_note_and_words(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    thread = await shop.operators.show(shop.tenant_id, 1)
    facts = {name: fact.value for name, fact in thread.facts}
    assert (facts["model"], facts["appeal_type"]) == ("iPhone 11", "warranty")
    assert all(0 < fact.confidence <= 1 and fact.method.value for _, fact in thread.facts)
    assert thread.handover["reason"] == "warranty"
    assert [line.author for line in thread.lines] == ["client", "bot"]
    assert thread.lines[0].text == WARRANTY


async def test_what_cannot_be_done_is_refused_by_name(shop: Shop) -> None:
    with pytest.raises(Invalid, match="no appeal 7"):
        await shop.operators.reply(shop.tenant_id, 7, "да")
    await shop.hears(QUESTION)
    await shop.answers()
    with pytest.raises(Invalid, match="empty"):
        await shop.operators.reply(shop.tenant_id, 1, " \n ")
    with pytest.raises(Invalid, match="closed as quoted"):
        await shop.operators.close(shop.tenant_id, 1, AppealStatus.QUOTED)
    other = shop.runtime.ids.new()
    with pytest.raises(Invalid):
        await shop.operators.show(other, 1)
    assert await shop.outgoing() == [("bot", "pending")]

"""One call that mends what was understood or routed wrongly; the next turn, the graph's events and the price follow."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from battcrm.kit.errors import Conflict, Invalid
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.turn import TurnEngine
from battcrm.pipeline.turn_types import TurnInput, TurnOutcome
from battcrm.services.operator_correct import ALL, NEW
from tests.integration.operator.conftest import Shop

SCREEN = "сколько стоит поменять экран на айфон 13?"
OTHER = "и на самсунг а52 аккумулятор сколько?"


def _values(appeal: dict[str, Any]) -> dict[str, Any]:
    return {name: appeal[name] for name in ("brand", "model", "repair_types", "part_owner", "appeal_type")}


async def _appeals(shop: Shop) -> list[dict[str, Any]]:
    return await shop.rows("SELECT * FROM appeal WHERE tenant_id = $1 ORDER BY number")


async def _words(shop: Shop, number: int) -> list[tuple[str, str]]:
    rows = await shop.rows(
        """SELECT m.author, m.text FROM message m JOIN appeal a ON a.tenant_id = m.tenant_id AND a.appeal_id = m.appeal_id
           WHERE m.tenant_id = $1 AND a.number = $2 ORDER BY m.seq""",
        number,
    )
    return [(row["author"], row["text"]) for row in rows]


async def test_a_fact_set_by_hand_is_locked_and_the_next_message_does_not_change_it(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    before = await shop.appeal()
    facts = {"brand": ["Apple"], "model": ["iPhone 13 Pro"], "repair": ["battery"], "part_owner": ["client"]}
    done = await shop.corrections.correct(shop.tenant_id, 1, facts=facts)
    assert [(c.number, c.created) for c in done.appeals] == [(1, False)]
    after = await shop.appeal()
    assert _values(after) == {
        "brand": "Apple", "model": "iPhone 13 Pro", "repair_types": ["battery"], "part_owner": "client",
        "appeal_type": "repair",
    }  # fmt: skip
    assert after["version"] == before["version"] + 1
    assert after["known"]["model"] == {"v": "iPhone 13 Pro", "c": 1.0, "m": "operator", "s": "operator", "l": True}
    rows = await shop.rows(
        """SELECT field, value, method, superseded_at IS NULL AS current FROM fact
           WHERE tenant_id = $1 AND field = 'model' ORDER BY created_at"""
    )
    assert [(r["value"], r["method"], r["current"]) for r in rows] == [
        ("iPhone 13", "gazetteer", False), ("iPhone 13 Pro", "operator", True),
    ]  # fmt: skip
    await shop.hears("ну так сколько за айфон 13?")
    await shop.answers()
    assert (await _appeals(shop))[0]["model"] == "iPhone 13 Pro"
    versions = [e["version"] for e in await shop.events("appeal.updated") if e["appeal_id"] == str(after["appeal_id"])]
    assert after["version"] in versions
    (record,) = await shop.rows("SELECT inputs FROM decision WHERE tenant_id = $1 AND action = 'correct'")
    assert record["inputs"]["appeals"][0]["facts"][0]["model"] == ["iPhone 13"]


async def test_a_price_that_no_longer_holds_is_taken_back_once(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    await shop.runtime.pool.execute(
        "UPDATE appeal SET status = 'quoted', quoted_low = 1, quoted_high = 2, expecting = 'agreement' WHERE tenant_id = $1",
        shop.tenant_id,
    )
    await shop.corrections.correct(shop.tenant_id, 1, facts={"part_owner": ["client"]})
    appeal = await shop.appeal()
    assert (appeal["status"], appeal["quoted_low"], appeal["expecting"]) == ("collecting", None, None)
    staged = [(e["before"], e["after"]) for e in await shop.events("appeal.stage_changed")]
    assert staged.count(("quoted", "collecting")) == 1
    await shop.corrections.correct(shop.tenant_id, 1, facts={"type": ["repair"]})
    assert (await shop.events("appeal.stage_changed"))[-1]["version"] == appeal["version"]


async def test_messages_take_their_facts_and_answers_to_a_new_appeal_and_back(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    await shop.hears(OTHER)
    await shop.answers()
    assert len(await _appeals(shop)) == 2
    # as if the second had been taken for more of the first
    await shop.corrections.correct(shop.tenant_id, 2, messages=ALL, to=1)
    first, second = await _appeals(shop)
    assert (first["brand"], first["model"], sorted(first["repair_types"])) == (
        "Samsung", "Galaxy A52", ["battery", "screen"],
    )  # fmt: skip
    assert (second["status"], second["brand"], second["repair_types"]) == ("lost", None, [])
    assert [author for author, _ in await _words(shop, 1)] == ["client", "bot", "client", "bot"]
    seqs = [m["seq"] for m in await shop.rows(
        "SELECT seq FROM message WHERE tenant_id = $1 AND direction = 'in' ORDER BY seq")]  # fmt: skip
    done = await shop.corrections.correct(shop.tenant_id, 1, messages=[seqs[1]], to=NEW)
    assert (done.to, done.messages, done.replies, done.facts) == (3, 1, 1, 4)
    first, _, third = await _appeals(shop)
    assert (first["brand"], first["model"], first["repair_types"]) == ("Apple", "iPhone 13", ["screen"])
    assert (third["brand"], third["model"], third["repair_types"]) == ("Samsung", "Galaxy A52", ["battery"])
    assert (third["status"], third["control"]) == ("collecting", "bot")
    assert (await _words(shop, 3))[0] == ("client", OTHER)
    assert [e["appeal_id"] for e in await shop.events("appeal.created")][-1] == str(third["appeal_id"])
    # the talk is about the appeal that has the last words now
    await shop.hears("хорошо, записывайте")
    await shop.answers()
    last = await shop.rows(
        "SELECT appeal_id FROM message WHERE tenant_id = $1 AND direction = 'in' ORDER BY seq DESC LIMIT 1"
    )
    assert last[0]["appeal_id"] == third["appeal_id"]


async def test_a_preview_changes_nothing(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    before = (await _appeals(shop), await shop.rows("SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq"))
    plan = await shop.corrections.correct(shop.tenant_id, 1, messages=ALL, to=NEW, preview=True)
    assert (plan.to, plan.messages, plan.appeals[1].created) == (2, 1, True)
    assert before == (await _appeals(shop), await shop.rows("SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq"))


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ("а аккумулятор на него сколько?", ["posted", "superseded", "posted"]),
        ("позовите оператора", ["posted", "posted", "silent"]),
    ],
)
async def test_a_correction_stands_whatever_the_turn_that_is_running_does(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, words: str, states: list[str]
) -> None:
    """A turn that speaks is dropped and runs again; a handover is never dropped, and writes nothing over."""
    await shop.hears(SCREEN)
    await shop.answers()
    thinking, go_on = asyncio.Event(), asyncio.Event()
    original = TurnEngine.run

    async def slow(self: TurnEngine, turn: TurnInput) -> TurnOutcome:
        outcome = await original(self, turn)
        thinking.set()
        await go_on.wait()
        return outcome

    monkeypatch.setattr(TurnEngine, "run", slow)
    await shop.hears(words)
    async with asyncio.TaskGroup() as group:
        turn = group.create_task(_step(shop.turns))
        await thinking.wait()
        await shop.corrections.correct(shop.tenant_id, 1, facts={"brand": ["Apple"], "model": ["iPhone 13 mini"]})
        go_on.set()
        await turn
    monkeypatch.setattr(TurnEngine, "run", original)
    await shop.answers()
    rows = await shop.rows("SELECT state FROM turn WHERE tenant_id = $1 ORDER BY turn_id")
    assert [row["state"] for row in rows] == states
    assert {appeal["model"] for appeal in await _appeals(shop)} == {"iPhone 13 mini"}


async def _step(turns: AiWorker) -> int:
    return await turns.step()


async def test_what_cannot_be_corrected_is_refused_naming_the_field(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    await shop.hears("здравствуйте, разбил экран на айфон 11", visitor="visitor-2")
    await shop.answers()
    tenant, correct = shop.tenant_id, shop.corrections.correct
    wrong: list[tuple[dict[str, object], str]] = [
        ({}, "set"),
        ({"facts": {"colour": ["red"]}}, "colour"),
        ({"facts": {"repair": ["engine"]}}, "repair_types"),
        ({"facts": {"part_owner": ["me"]}}, "part_owner"),
        ({"facts": {"model": ["a", "b"]}}, "model"),
        ({"facts": {"brand": [""], "model": ["X100"]}}, "brand"),
        ({"messages": [1]}, "to"),
        ({"to": NEW}, "messages"),
        ({"messages": [77], "to": NEW}, "messages"),
        ({"messages": [UUID(int=5)], "to": NEW}, "messages"),
        ({"messages": ALL, "to": 1}, "to"),
        ({"messages": ALL, "to": 9}, "to"),
        ({"messages": ALL, "to": 2}, "to"),
    ]
    for arguments, field in wrong:
        with pytest.raises(Invalid) as error:
            await correct(tenant, 1, **arguments)  # type: ignore[arg-type]
        assert (error.value.field, bool(error.value.remedy)) == (field, True), arguments
    with pytest.raises(Invalid, match="no appeal 9"):
        await correct(tenant, 9, facts={"type": ["repair"]})
    await shop.hears("а аккумулятор?")
    waiting = (await shop.rows("SELECT max(seq) AS seq FROM message WHERE tenant_id = $1 AND direction = 'in'"))[0]
    with pytest.raises(Conflict) as refused:
        await correct(tenant, 1, messages=[waiting["seq"]], to=NEW)
    assert refused.value.code == "not_answered"
    assert [a["version"] for a in await _appeals(shop)] == [1, 1]


async def test_the_last_message_takes_what_was_set_by_hand_along(shop: Shop) -> None:
    await shop.hears(SCREEN)
    await shop.answers()
    await shop.corrections.correct(shop.tenant_id, 1, facts={"brand": ["Apple"], "model": ["iPhone 13 mini"]})
    await shop.corrections.correct(shop.tenant_id, 1, messages=ALL, to=NEW)
    first, second = await _appeals(shop)
    assert (first["status"], first["known"], first["parent_id"]) == ("lost", {}, second["appeal_id"])
    assert (second["model"], second["repair_types"]) == ("iPhone 13 mini", ["screen"])
    assert second["known"]["model"]["l"] is True

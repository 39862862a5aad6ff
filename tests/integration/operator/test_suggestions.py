"""Drafts: said at most once, never over the client's newer words, and only then do they take effect."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from battcrm.kit.errors import Conflict, Invalid
from tests.integration.operator.conftest import Shop

QUESTION = "сколько стоит поменять экран на айфон 13?"
_PRICE = """
INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_price, labour_price, stock, priced_at, source)
VALUES ($1, $2, 'Apple', 'iPhone 13', 'screen', 700000, 150000, 2, $3, 'test')
"""


async def _draft(shop: Shop) -> UUID:
    await shop.runtime.pool.execute(_PRICE, shop.tenant_id, uuid4(), shop.runtime.clock.now())
    await shop.hears(QUESTION)
    await shop.answers()
    (waits,) = await shop.suggestions.waiting(shop.tenant_id)
    assert (waits.number, waits.asked, waits.stale) == (1, QUESTION, None)
    assert await shop.outgoing() == []
    return waits.suggestion_id


async def _bot_messages(shop: Shop) -> list[str]:
    rows = await shop.rows("SELECT text FROM message WHERE tenant_id = $1 AND direction = 'out' ORDER BY seq")
    return [row["text"] for row in rows]


async def test_an_accepted_draft_is_sent_once_and_then_the_price_is_said(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    appeal = await suggesting.appeal()
    assert (appeal["status"], appeal["quoted_low"]) == ("new", None)
    episode = (await suggesting.rows("SELECT first_answer_at, human_at FROM episode WHERE tenant_id = $1"))[0]
    assert (episode["first_answer_at"], episode["human_at"]) == (None, None)
    (waits,) = await suggesting.suggestions.waiting(suggesting.tenant_id)
    assert waits.quoted == (850_000, 850_000)
    said = await suggesting.suggestions.accept(suggesting.tenant_id, draft)
    assert (said.state, len(said.outgoing)) == ("accepted", 1)
    await suggesting.delivers()
    assert await suggesting.outgoing() == [("bot", "sent")]
    assert await _bot_messages(suggesting) == list(waits.texts)
    appeal = await suggesting.appeal()
    assert (appeal["status"], appeal["quoted_low"], appeal["control"]) == ("quoted", 850_000, "bot")
    staged = [(e["before"], e["after"]) for e in await suggesting.events("appeal.stage_changed")]
    assert staged == [("new", "quoted")]
    episode = (await suggesting.rows("SELECT * FROM episode WHERE tenant_id = $1"))[0]
    assert (episode["first_answer_by"], episode["human_at"] is not None) == ("draft", True)
    with pytest.raises(Conflict) as again:
        await suggesting.suggestions.accept(suggesting.tenant_id, draft)
    assert again.value.code == "decided_already"


async def test_two_operators_at_once_say_it_once(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    acts = [suggesting.suggestions.accept(suggesting.tenant_id, draft) for _ in range(3)]
    acts.append(suggesting.suggestions.edit(suggesting.tenant_id, draft, "Здравствуйте! 8500 с деталью."))
    results = await asyncio.gather(*acts, return_exceptions=True)
    refused = [r for r in results if isinstance(r, Conflict)]
    assert len(refused) == 3
    assert {r.code for r in refused} == {"decided_already"}
    await suggesting.delivers()
    assert await suggesting.outgoing() == [("bot", "sent")]


async def test_the_clients_newer_words_make_a_draft_stale(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    await suggesting.hears("а нет, у меня айфон 12")
    (waits,) = await suggesting.suggestions.waiting(suggesting.tenant_id)
    assert waits.stale == "client_wrote"
    with pytest.raises(Conflict) as refused:
        await suggesting.suggestions.accept(suggesting.tenant_id, draft)
    assert refused.value.code == "client_wrote"
    await suggesting.answers()
    (newer,) = await suggesting.suggestions.waiting(suggesting.tenant_id)
    assert newer.suggestion_id != draft
    with pytest.raises(Conflict, match="outdated"):
        await suggesting.suggestions.accept(suggesting.tenant_id, draft)
    assert await suggesting.outgoing() == []
    await suggesting.suggestions.accept(suggesting.tenant_id, newer.suggestion_id)
    assert await suggesting.outgoing() == [("bot", "pending")]


async def test_a_draft_can_be_said_anyway_and_the_newer_words_are_still_answered(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    await suggesting.hears("алло, ответьте")
    await suggesting.suggestions.accept(suggesting.tenant_id, draft, anyway=True)
    assert (await suggesting.rows("SELECT due_at FROM dialog WHERE tenant_id = $1"))[0]["due_at"] is not None
    await suggesting.answers()
    states = [r["state"] for r in await suggesting.rows("SELECT state FROM turn WHERE tenant_id = $1 ORDER BY turn_id")]
    assert len(states) == 2


async def test_own_words_go_out_with_the_buttons_and_quote_nothing(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    (waits,) = await suggesting.suggestions.waiting(suggesting.tenant_id)
    await suggesting.suggestions.edit(suggesting.tenant_id, 1, "  Анна, 8000 для вас  ")
    rows = await suggesting.rows("SELECT payload FROM outgoing WHERE tenant_id = $1")
    assert rows[0]["payload"]["text"] == "Анна, 8000 для вас"
    assert [b["title"] for line in rows[0]["payload"]["buttons"] for b in line] == list(waits.buttons)
    stored = (await suggesting.rows("SELECT state, edited_text FROM suggestion WHERE tenant_id = $1"))[0]
    assert (stored["state"], stored["edited_text"]) == ("edited", "Анна, 8000 для вас")
    assert (await suggesting.appeal())["status"] == "new"
    with pytest.raises(Conflict):
        await suggesting.suggestions.reject(suggesting.tenant_id, draft)


async def test_a_rejected_draft_is_never_said(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    await suggesting.suggestions.reject(suggesting.tenant_id, draft, "цена устарела")
    assert await suggesting.suggestions.waiting(suggesting.tenant_id) == []
    assert await suggesting.outgoing() == []
    stored = (await suggesting.rows("SELECT state, note FROM suggestion WHERE tenant_id = $1"))[0]
    assert (stored["state"], stored["note"]) == ("rejected", "цена устарела")
    with pytest.raises(Invalid, match="no open draft"):
        await suggesting.suggestions.accept(suggesting.tenant_id, 1)
    with pytest.raises(Invalid, match="no draft"):
        await suggesting.suggestions.accept(suggesting.tenant_id, uuid4())
    with pytest.raises(Invalid, match="empty"):
        await suggesting.suggestions.edit(suggesting.tenant_id, draft, "  ")


async def test_a_colleagues_answer_comes_first(suggesting: Shop) -> None:
    draft = await _draft(suggesting)
    await suggesting.operators.reply(suggesting.tenant_id, 1, "Здравствуйте, это Виктор: 8500")
    with pytest.raises(Conflict) as refused:
        await suggesting.suggestions.accept(suggesting.tenant_id, draft)
    assert refused.value.code == "answered_already"
    assert await suggesting.outgoing() == [("operator", "pending")]

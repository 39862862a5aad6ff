"""An explanation tells the whole chain, found from any of its ends."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from battcrm.cli.explain_screen import screen
from battcrm.kit.errors import Invalid
from battcrm.services.explain import Explanation
from tests.integration.operator.conftest import Shop

QUESTION = "Добрый день! Сколько стоит поменять экран на айфон 13 про?"


async def priced(shop: Shop) -> None:
    """A fresh line of the price list, so that there is a price with evidence."""
    now = shop.runtime.clock.now()
    await shop.runtime.pool.execute(
        "INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_name, part_price,"
        " labour_price, stock, priced_at, source) VALUES ($1, $2, 'Apple', 'iPhone 13 Pro', 'screen', 'Дисплей',"
        " 500000, 200000, 2, $3, 'test')",
        shop.tenant_id,
        shop.runtime.ids.new(),
        now,
    )


async def answered(shop: Shop) -> Explanation:
    await priced(shop)
    await shop.hears(QUESTION)
    await shop.answers()
    await shop.delivers()
    return await shop.explain("№ 1")


async def test_the_whole_chain(shop: Shop) -> None:
    found = await answered(shop)
    assert [m.text for m in found.heard] == [QUESTION]
    facts = {fact.field: fact for fact in found.learned}
    assert (facts["model"].value, facts["model"].method) == ("iPhone 13 Pro", "gazetteer")
    assert facts["model"].words == "айфон 13 про"
    assert facts["repair_types"].words in QUESTION
    assert all(0 < fact.confidence <= 1 for fact in found.learned)
    (decided,) = found.decisions
    assert (decided.action, decided.reason, decided.appeal) == ("auto", "quote_with_evidence", 1)
    assert decided.routing["reason"] == "first_contact"
    assert [q["low"] for q in decided.quotes] == [700_000]
    assert [(e.kind, e.amount) for e in decided.evidence] == [("price", 700_000)]
    assert decided.graph_away is not None
    assert decided.rejected
    assert {"config", "plan", "reading"} <= set(decided.versions)
    (said,) = found.said
    assert (said.state, said.external_id is not None, said.finished_at is not None) == ("sent", True, True)
    assert "7 000" in said.text.replace("\xa0", " ")
    assert said.buttons
    assert "read_ms" in found.timings


async def test_every_end_of_the_chain_leads_to_the_same_turn(shop: Shop) -> None:
    found = await answered(shop)
    messages = await shop.rows("SELECT message_id FROM message WHERE tenant_id = $1")
    assert len(messages) == 2
    ends = [found.turn_id, found.said[0].outgoing_id, *(m["message_id"] for m in messages), 1]
    assert {(await shop.explain(end)).turn_id for end in ends} == {found.turn_id}


async def test_it_fits_one_screen_in_both_languages(shop: Shop) -> None:
    found = await answered(shop)
    for language, words in (("ru", ("Пришло", "Решение", "цена с подтверждением")), ("en", ("Arrived", "Decision"))):
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(screen(found, language))
        text = console.export_text()
        assert len(text.splitlines()) <= 30
        assert all(word in text for word in words)
        assert "«айфон 13 про»" in text


async def test_a_silent_turn_is_explained_too(shop: Shop) -> None:
    await shop.hears("спасибо")
    await shop.answers()
    (message,) = await shop.rows("SELECT message_id FROM message WHERE tenant_id = $1")
    found = await shop.explain(message["message_id"])
    assert (found.state, found.said, found.decisions[0].action) == ("silent", (), "silence")


async def test_what_has_no_explanation_says_why(shop: Shop) -> None:
    await shop.hears(QUESTION)
    (message,) = await shop.rows("SELECT message_id FROM message WHERE tenant_id = $1")
    with pytest.raises(Invalid, match="no turn has answered"):
        await shop.explain(message["message_id"])
    await shop.answers()
    reply = await shop.operators.reply(shop.tenant_id, 1, "Я сам")
    with pytest.raises(Invalid, match="written by operator"):
        await shop.explain(reply)
    with pytest.raises(Invalid, match="neither an id nor a number"):
        await shop.explain("вчера")
    with pytest.raises(Invalid, match="nothing has the id"):
        await shop.explain(shop.runtime.ids.new())
    with pytest.raises(Invalid, match="no turn was about"):
        await shop.explain(99)

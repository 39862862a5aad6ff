"""An explanation tells the whole chain, found from any of its ends."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from battcrm.cli.explain_screen import screen
from battcrm.kit.errors import Invalid
from battcrm.services.explain import Explanation
from tests.integration.operator.conftest import Shop

QUESTION = "Добрый день! Сколько стоит поменять экран на айфон 13 про?"


async def priced(shop: Shop, repair: str = "screen") -> None:
    """A fresh line of the price list, so that there is a price with evidence."""
    now = shop.runtime.clock.now()
    await shop.runtime.pool.execute(
        "INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_name, part_price,"
        " labour_price, stock, priced_at, source) VALUES ($1, $2, 'Apple', 'iPhone 13 Pro', $4, 'Дисплей',"
        " 500000, 200000, 2, $3, 'test')",
        shop.tenant_id,
        shop.runtime.ids.new(),
        now,
        repair,
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


TWO = "Сколько стоит поменять экран и батарею на айфон 13 про? И ещё на самсунг a52 экран, очень нужно сегодня"
MARKS = {
    "ru": ("Пришло", "Решение", "цена с подтверждением", "auto/quote_with_evidence", "Доставка", "Отвергнуто"),
    "en": ("Arrived", "Decision", "a price with its evidence", "auto/quote_with_evidence", "Delivery", "Turned down"),
}


def lines_of(found: Explanation, language: str, width: int = 100, **how: Any) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(screen(found, language, width=width, **how))
    return console.export_text().splitlines()


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("text", [QUESTION, TWO, f"{TWO}. " + "Очень длинный рассказ о том, как его уронили. " * 20])
async def test_it_fits_one_screen_and_still_says_why(shop: Shop, text: str, width: int, language: str) -> None:
    await priced(shop, "screen")
    await priced(shop, "battery")
    await shop.hears(text)
    await shop.answers()
    await shop.delivers()
    found = await shop.explain("№ 1")
    shown = lines_of(found, language, width)
    assert len(shown) <= 24
    assert max(map(len, shown)) <= width
    whole = "\n".join(shown)
    assert all(mark in whole for mark in MARKS[language])
    assert "iPhone 13 Pro" in whole
    assert "7 000" in whole
    longer = lines_of(found, language, width, lines=None)
    assert len(longer) >= len(shown)
    assert found.said[-1].text.splitlines()[-1][-12:] in "\n".join(longer).replace("│", "")


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

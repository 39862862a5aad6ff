"""Texts in a model's words, through the whole turn: what is sent, what is remembered, what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest

from battcrm.models.calls import CallScope
from battcrm.response.writer import ModelWriter
from tests.integration.operator.conftest import Shop, opened

QUESTION = "сколько стоит поменять экран на айфон 13?"
_PRICE = """
INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_price, labour_price, stock, priced_at, source)
VALUES ($1, $2, 'Apple', 'iPhone 13', 'screen', 700000, 150000, 2, $3, 'test')
"""


class Model:
    """Rewords by one word, or lies."""

    def __init__(self, lie: str = "") -> None:
        self.lie = lie
        self.calls = 0

    async def __call__(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        deadline_s: float,
        scope: CallScope | None = None,
    ) -> Mapping[str, Any]:
        self.calls += 1
        if scope is not None:
            scope.report.calls += 1
        text = messages[-1]["content"].replace(
            "Записать вас?", f"Записать вас? Точно записать, вариант {'I' * self.calls}?"
        )
        return {"text": self.lie or text}


async def _said(shop: Shop) -> list[dict[str, Any]]:
    return await shop.rows("SELECT text, content FROM message WHERE tenant_id = $1 AND direction = 'out' ORDER BY seq")


async def test_a_reworded_answer_is_sent_recorded_and_known_again(environment: str) -> None:
    async with opened(environment, {"written": True}, ModelWriter(Model())) as shop:
        await shop.runtime.pool.execute(_PRICE, shop.tenant_id, uuid4(), shop.runtime.clock.now())
        await shop.hears(QUESTION)
        await shop.answers()
        (first,) = await _said(shop)
        assert "вариант I?" in first["text"]
        assert first["content"]["plain"].endswith("Записать вас?")
        (decision,) = await shop.rows("SELECT inputs FROM decision WHERE tenant_id = $1")
        assert decision["inputs"]["model_steps"] == ["wording-1: applied"]
        assert decision["inputs"]["model_calls"] == 1
        await shop.hears(QUESTION)
        await shop.answers()
        reasons = [
            d["reason"] for d in await shop.rows("SELECT reason FROM decision WHERE tenant_id = $1 ORDER BY created_at")
        ]
        assert reasons[-1] == "same_answer_twice"


@pytest.mark.parametrize("lie", ["Всё бесплатно!", "Экран 100 ₽, запишем?"])
async def test_a_lie_is_not_sent(environment: str, lie: str) -> None:
    async with opened(environment, {"written": True}, ModelWriter(Model(lie))) as shop:
        await shop.runtime.pool.execute(_PRICE, shop.tenant_id, uuid4(), shop.runtime.clock.now())
        await shop.hears(QUESTION)
        await shop.answers()
        (said,) = await _said(shop)
        assert "8" in said["text"]
        assert lie not in said["text"]
        (decision,) = await shop.rows("SELECT inputs FROM decision WHERE tenant_id = $1")
        assert decision["inputs"]["model_steps"][0].startswith("wording-1: refused")


async def test_only_what_is_said_is_reworded(environment: str) -> None:
    """Of two devices one is asked about now: the other's question waits, and costs no call."""
    model = Model()
    async with opened(environment, {"written": True}, ModelWriter(model)) as shop:
        await shop.hears("Сколько стоит экран на айфоне и батарея на самсунге?")
        await shop.answers()
        reasons = {d["reason"] for d in await shop.rows("SELECT reason FROM decision WHERE tenant_id = $1")}
        assert reasons == {"other_device_first", "ask_most_valuable_field"}
        assert len(await _said(shop)) == 1
        assert model.calls == 1

"""What episodes come to, and when that is settled: on a clock that the test moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from battcrm.infra.due import Claim
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import ManualClock
from battcrm.services.operator_outcomes import OUTCOMES_KIND, Outcomes
from tests.integration.operator.conftest import Shop

QUESTION = "сколько стоит поменять экран на айфон 13?"
WEEK = timedelta(days=7)


async def _look(shop: Shop, at: datetime) -> datetime | None:
    """What the caretaker does about the tenant's outcomes at a moment; when it is due again."""
    runtime = shop.runtime
    outcomes = Outcomes(runtime.pool, ManualClock(at), runtime.ids, Wakeups())
    return await outcomes.handle(Claim(shop.tenant_id, uuid4(), 1, 1, {"kind": OUTCOMES_KIND, "payload": {}}))


async def _episodes(shop: Shop) -> list[dict[str, Any]]:
    return await shop.rows("SELECT * FROM episode WHERE tenant_id = $1 ORDER BY started_at, episode_id")


async def _closed(shop: Shop) -> datetime:
    await shop.hears(QUESTION)
    await shop.answers()
    await shop.closes(1)
    ended: datetime = (await _episodes(shop))[0]["ended_at"]
    return ended


async def test_an_outcome_is_durable_after_seven_days_and_not_before(shop: Shop) -> None:
    ended = await _closed(shop)
    assert await _look(shop, ended + timedelta(hours=1)) == ended + timedelta(days=1, hours=1)
    almost = ended + WEEK - timedelta(hours=2)
    assert await _look(shop, almost) == ended + WEEK
    (episode,) = await _episodes(shop)
    assert (episode["outcome"], episode["durable_at"]) == ("auto", None)
    await _look(shop, ended + WEEK)
    (episode,) = await _episodes(shop)
    assert (episode["outcome"], episode["durable_at"]) == ("auto", ended + WEEK)
    await _look(shop, ended + 2 * WEEK)
    assert (await _episodes(shop))[0]["durable_at"] == ended + WEEK


async def test_a_reopening_takes_back_what_is_provisional_only(shop: Shop) -> None:
    ended = await _closed(shop)
    await shop.hears("экран на айфон 13 опять не работает")
    await shop.answers()
    first, second = await _episodes(shop)
    assert (first["outcome"], first["taken_back_at"] is not None) == (None, True)
    assert (second["outcome"], second["ended_at"]) == (None, None)
    await _look(shop, ended + 2 * WEEK)
    assert (await _episodes(shop))[0]["durable_at"] is None


async def test_a_durable_outcome_is_not_taken_back(shop: Shop) -> None:
    ended = await _closed(shop)
    await _look(shop, ended + WEEK)
    await shop.hears("экран на айфон 13 опять не работает")
    await shop.answers()
    first, _ = await _episodes(shop)
    assert (first["outcome"], first["taken_back_at"]) == ("auto", None)


async def test_what_was_left_alone_is_abandoned_until_a_word_comes(shop: Shop) -> None:
    await shop.hears(QUESTION)
    await shop.answers()
    touched: datetime = (await shop.appeal())["touched_at"]
    await _look(shop, touched + timedelta(days=13, hours=23))
    assert (await _episodes(shop))[0]["outcome"] is None
    await _look(shop, touched + timedelta(days=14))
    (episode,) = await _episodes(shop)
    assert (episode["outcome"], episode["ended_at"]) == ("abandoned", touched + timedelta(days=14))
    assert (await shop.appeal())["closed_at"] is None
    await shop.hears("а аккумулятор у него?")
    await shop.answers()
    assert (await _episodes(shop))[0]["outcome"] in (None, "abandoned")
    await shop.hears("экран на айфон 13 сколько, ещё раз?")
    await shop.answers()
    assert (await _episodes(shop))[0]["outcome"] is None


async def test_every_tenant_is_looked_after_once(shop: Shop) -> None:
    runtime = shop.runtime
    outcomes = Outcomes(runtime.pool, runtime.clock, runtime.ids, Wakeups())
    await outcomes.watch_all()
    await outcomes.watch_all()
    (row,) = await shop.rows("SELECT kind, due_at FROM due_work WHERE tenant_id = $1 AND kind = $2", OUTCOMES_KIND)
    assert row["due_at"] > runtime.clock.now()

"""Ledger, budget and cache against the real database, also between processes."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.infra.llm.budget import PostgresBudget, Wish
from battcrm.infra.llm.clients import PostgresClientBook, Take
from battcrm.infra.llm.later import Later
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import Permanent
from battcrm.models.calls import CallScope
from battcrm.settings import Settings
from battcrm.workers.runtime import Runtime
from tests.contract.llm.conftest import BIG, SMALL, TENANT, World, other_worker, tenant_with
from tests.support.waiting import eventually

_ROOT = Path(__file__).parents[3]
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_ledger_row_says_who_asked_what_and_what_it_cost(world: World) -> None:
    scope = CallScope(TENANT, turn_id=uuid4(), appeal_id=uuid4())
    await world.ask("экран разбит", scope=scope)
    await world.settled()
    row = await world.pool.fetchrow("SELECT * FROM llm_call WHERE tenant_id = $1", TENANT)
    assert row is not None
    assert (row["turn_id"], row["appeal_id"], row["purpose"]) == (scope.turn_id, scope.appeal_id, "extraction")
    assert row["cost_microrub"] == row["tokens_in"] * 160 + row["tokens_out"] * 640 == scope.report.cost_microrub > 0
    assert len(row["prompt_hash"]) == 16
    assert await world.budget() == (0, scope.report.cost_microrub)


async def test_answer_that_cannot_be_used_is_paid_for(world: World, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("truncated"), account=BIG)
    _, scope = await world.ask("экран разбит")
    await world.settled()
    costs = await world.pool.fetch("SELECT model, cost_microrub FROM llm_call /* tenant_id */ ORDER BY call_id")
    assert [row["model"] for row in costs] == [BIG, SMALL]
    assert all(row["cost_microrub"] > 0 for row in costs)
    assert sum(row["cost_microrub"] for row in costs) == scope.report.cost_microrub


async def test_equal_question_is_answered_once_per_tenant(world: World, provider: OpenAiEmulator) -> None:
    first, _ = await world.ask("экран разбит")
    again, scope = await world.ask("экран разбит")
    assert again == first
    assert (scope.report.calls, scope.report.steps, scope.report.cost_microrub) == (0, ["cache: ok"], 0)
    assert len(provider.log.all) == 1
    await world.ask("экран разбит", scope=CallScope(UUID(int=8)))
    assert len(provider.log.all) == 2, "another tenant's answer is not ours"


async def test_cache_is_shared_between_processes_and_not_needed(
    world: World, provider: OpenAiEmulator, settings: Settings
) -> None:
    first, _ = await world.ask("экран разбит")
    async with other_worker(settings) as (other, runtime):
        again, scope = await other.ask("экран разбит")
        assert (again, scope.report.steps) == (first, ["cache: ok"])
        assert runtime.redis is not None
        await runtime.redis.flushdb()
        await other.ask("экран цел")
    assert len(provider.log.all) == 2


async def test_failed_answer_is_not_cached(world: World, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("truncated"), times=2)
    with pytest.raises(Exception, match="stopped early"):
        await world.ask("экран разбит")
    assert (await world.ask("экран разбит"))[1].report.steps == ["big: ok"]


async def test_budget_of_the_tenants_document_stops_calls(
    world: World, runtime: Runtime, provider: OpenAiEmulator
) -> None:
    await tenant_with(runtime, {"models": {"day_budget_rub": 0}})
    scope = CallScope(TENANT)
    with pytest.raises(Permanent) as caught:
        await world.ask("экран разбит", scope=scope)
    assert caught.value.code == "budget"
    assert scope.report.steps == ["big: budget", "small: budget"]
    assert provider.log.all == []
    assert await world.budget() == (0, 0)


async def test_a_client_who_asks_all_day_gets_rules(world: World, runtime: Runtime, provider: OpenAiEmulator) -> None:
    await tenant_with(runtime, {"models": {"client_day_calls": 2}})
    anna, boris = uuid4(), uuid4()
    asked = [world.ask(f"экран разбит, вопрос {n}", scope=CallScope(TENANT, client_id=anna)) for n in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [a for a in answers if isinstance(a, Permanent)]
    assert [a.code for a in refused] == ["client_cap"] * 3
    assert len(provider.log.all) == 2
    await world.ask("экран разбит", scope=CallScope(TENANT, client_id=boris))
    await world.ask("экран разбит, ничей", scope=CallScope(TENANT))
    assert len(provider.log.all) == 4, "neither another client nor work for nobody is counted with it"


async def test_a_new_day_begins_from_nothing(world: World) -> None:
    book, client = PostgresClientBook(world.pool), uuid4()
    monday, tuesday = date(2026, 1, 5), date(2026, 1, 6)
    granted = [await book.take(Take(TENANT, client, day, 1)) for day in (monday, monday, tuesday, tuesday)]
    assert granted == [True, False, True, False]
    assert not await book.take(Take(TENANT, client, date(2026, 1, 7), 0)), "none at all"


async def test_small_model_is_asked_when_the_big_one_is_too_dear(settings: Settings) -> None:
    prices = {BIG: (1000.0, 10_000.0), SMALL: (1.0, 1.0)}
    async with other_worker(settings, llm_prices=prices, llm_day_budget_rub=1) as (world, _):
        _, scope = await world.ask("экран разбит")
        assert scope.report.steps == ["big: budget", "small: ok"]
        assert await world.budget() == (0, scope.report.cost_microrub)


async def test_two_processes_never_spend_more_than_the_budget(world: World, clean_database: str) -> None:
    spenders = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.contract.llm.spender", clean_database, str(TENANT), "300", "10", "2000",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
        )
        for _ in range(2)
    ]  # fmt: skip
    for spender in spenders:
        assert spender.stdout is not None
        assert await spender.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(spender.communicate(b"go\n") for spender in spenders))
    assert [spender.returncode for spender in spenders] == [0, 0]
    assert sum(int(output) for output, _ in answers) == 200, answers
    assert await world.budget() == (2000, 0)


async def test_wishes_of_one_batch_are_granted_as_far_as_they_go(world: World) -> None:
    book = PostgresBudget(world.pool, Later(ManualClock()))
    day = date(2026, 1, 5)
    wishes = [Wish(tenant, day, 10, 35) for _ in range(6) for tenant in (TENANT, UUID(int=8))]
    granted = await asyncio.gather(*(book.reserve(wish) for wish in wishes))
    assert granted == [True] * 6 + [False] * 6


async def test_money_granted_to_somebody_who_has_left_is_given_back(world: World) -> None:
    later, day = Later(ManualClock()), date(2026, 1, 5)
    book = PostgresBudget(world.pool, later)
    async with world.pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE llm_budget IN EXCLUSIVE MODE")
        asking = asyncio.ensure_future(book.reserve(Wish(TENANT, day, 10, 35)))
        await eventually(partial(world.pool.fetchval, _BLOCKED), what="the reservation waits for its row")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await later.drain()
    assert await world.pool.fetchval("SELECT reserved_microrub FROM llm_budget WHERE tenant_id = $1", TENANT) == 0


async def test_calls_asked_together_take_what_is_left(settings: Settings, provider: OpenAiEmulator) -> None:
    """Together they are too much for the budget; one by one some fit."""
    provider.set_latency(1000, 1000)
    provider.clock = held = ManualClock()
    async with other_worker(settings, llm_day_budget_rub=2) as (world, _):
        scopes = [CallScope(TENANT) for _ in range(40)]
        asked = [asyncio.ensure_future(world.ask(f"экран {n}", scope=s, deadline_s=60)) for n, s in enumerate(scopes)]
        await eventually(lambda: provider.in_flight + sum(task.done() for task in asked) == len(asked))
        held.advance(1)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        first = [scope.report.steps[0] for scope in scopes]
        assert {"big: ok", "big: budget"} == set(first)
        refused = [outcome for outcome in outcomes if not isinstance(outcome, tuple)]
        assert refused
        assert all(isinstance(outcome, Permanent) and outcome.code == "budget" for outcome in refused)
        reserved, spent = await world.budget()
        assert (reserved, spent) == (0, sum(scope.report.cost_microrub for scope in scopes))
        assert 0 < spent <= 2_000_000

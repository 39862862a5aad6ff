"""Whatever the provider does, the ladder goes on, and the ledger and the report say what happened."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.infra.circuit import Circuit
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, RateLimited, Transient
from battcrm.models.calls import CallScope
from battcrm.settings import Settings
from tests.contract.llm.conftest import BIG, SMALL, TENANT, World, other_worker
from tests.support.waiting import PATIENCE, eventually

_AGAIN = 3
# Fault of the big model, the code it leaves, how often it is asked.
FAULTS = [
    (Fault("rate_limited", seconds=60), "rate_limited", 1),
    (Fault("quota"), "quota", 1),
    (Fault("server_error", status=503), "provider_error", _AGAIN),
    (Fault("revoked"), "unauthorized", 1),
    (Fault("unknown_model"), "invalid_request", 1),
    (Fault("bad_request"), "invalid_request", 1),
    (Fault("lost_answer"), "no_answer", _AGAIN),
    (Fault("truncated"), "invalid_answer", 1),
    (Fault("schema_violation"), "invalid_answer", 1),
    (Fault("refusal"), "invalid_answer", 1),
    (Fault("filtered"), "invalid_answer", 1),
    (Fault("not_json"), "invalid_answer", 1),
]


@pytest.mark.parametrize(("fault", "code", "times"), FAULTS, ids=lambda v: v.kind if isinstance(v, Fault) else None)
async def test_small_model_answers_for_the_big_one(
    world: World, provider: OpenAiEmulator, fault: Fault, code: str, times: int
) -> None:
    provider.faults.add(fault, account=BIG, times=times)
    answer, scope = await world.ask("экран разбит")
    assert answer["items"][0]["repair_types"] == [{"type": "screen", "evidence": "экран"}]
    again = [f"big: {code}, asked again"] * (times - 1)
    assert scope.report.steps == [*again, f"big: {code}", "small: ok"]
    assert await world.rows() == [(BIG, code)] * times + [(SMALL, "ok")]
    assert scope.report.calls == times + 1


async def test_slow_model_leaves_time_for_the_next(world: World, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("slow", seconds=PATIENCE), account=BIG, times=100)
    for deadline_s in (1.0, 8.0, 60.0):  # a slow machine needs more for the small model's share
        scope = CallScope(TENANT)
        with contextlib.suppress(Transient):
            await world.ask("экран разбит", deadline_s=deadline_s, scope=scope)
        if scope.report.steps == ["big: timeout", "small: ok"]:
            break
    assert scope.report.steps == ["big: timeout", "small: ok"]
    assert (await world.rows())[-2:] == [(BIG, "timeout"), (SMALL, "ok")]
    assert scope.report.provider_ms > 500, "waiting for a provider that says nothing is the provider's time"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault("rate_limited", seconds=60), RateLimited, "rate_limited"),
        (Fault("server_error"), Transient, "provider_error"),
        (Fault("revoked"), AuthExpired, "unauthorized"),
        (Fault("quota"), Permanent, "quota"),
        (Fault("truncated"), Invalid, "invalid_answer"),
    ],
    ids=lambda v: v.kind if isinstance(v, Fault) else None,
)
async def test_when_every_model_fails_the_last_failure_is_raised(
    world: World, provider: OpenAiEmulator, fault: Fault, kind: type[BattError], code: str
) -> None:
    provider.faults.add(fault, times=100)
    scope = CallScope(TENANT)
    with pytest.raises(kind) as caught:
        await world.ask("экран разбит", scope=scope)
    assert caught.value.code == code
    assert scope.report.steps[-1] == f"small: {code}"
    assert {outcome for _, outcome in await world.rows()} == {code}


async def test_retry_waits_as_long_as_the_provider_asks(world: World, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("rate_limited", seconds=0.4), account=BIG)
    _, scope = await world.ask("экран разбит")
    assert scope.report.steps == ["big: rate_limited, asked again", "big: ok"]
    first, second = provider.log.all
    assert second.at - first.at >= 0.4


async def test_circuit_spares_a_provider_that_is_down(
    settings: Settings, provider: OpenAiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("battcrm.infra.llm.build.Circuit", partial(Circuit, pause=3600.0, max_pause=3600.0))
    provider.faults.add(Fault("server_error"), account=BIG, times=1000)
    async with other_worker(settings) as (world, _):
        for number in range(6):
            _, scope = await world.ask(f"экран {number}")
    assert scope.report.steps == ["big: circuit_open", "small: ok"]
    asked = [item for item in provider.log.all if item.account == BIG]
    assert len(asked) == 8


async def test_cancelled_call_is_recorded_and_leaves_nothing_behind(world: World, provider: OpenAiEmulator) -> None:
    provider.set_latency(30_000, 30_000)
    scope = CallScope(TENANT)
    task = asyncio.ensure_future(world.ask("экран разбит", scope=scope, deadline_s=60))
    await eventually(lambda: provider.in_flight == 1, what="the provider was asked")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.rows() == [(BIG, "cancelled")]
    assert scope.report.cost_microrub > 0, "the provider may charge for it"
    await eventually(lambda: provider.in_flight == 0, what="the connection was closed")
    provider.set_latency(0, 0)
    assert (await world.ask("экран разбит"))[1].report.steps == ["big: ok"]


async def test_four_hundred_calls_in_flight(world: World, provider: OpenAiEmulator) -> None:
    provider.set_latency(1500, 1500)
    provider.clock = held = ManualClock()
    asked = [asyncio.ensure_future(world.ask(f"экран номер {n}", deadline_s=PATIENCE)) for n in range(400)]
    await eventually(lambda: provider.in_flight == 400, what="all are under way at once")
    held.advance(1.5)
    answers = await asyncio.gather(*asked)
    assert all(scope.report.steps == ["big: ok"] for _, scope in answers)
    assert all(scope.report.provider_ms == 1500 for _, scope in answers)
    assert len(await world.rows()) == 400


async def test_burst_of_rate_limits_is_answered_in_the_end(world: World, provider: OpenAiEmulator) -> None:
    provider.set_latency(20, 20)
    provider.faults.add(Fault("rate_limited", seconds=0.2), account=BIG, times=40)
    answers = await asyncio.gather(*(world.ask(f"экран номер {n}") for n in range(80)))
    assert all(scope.report.steps[-1].endswith("ok") for _, scope in answers)
    refused = [row for row in await world.rows() if row == (BIG, "rate_limited")]
    assert len(refused) == 40
    assert len(await world.rows()) == sum(scope.report.calls for _, scope in answers)

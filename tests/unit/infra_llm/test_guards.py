"""Retries, the circuit and the adaptive limit, each on its own."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from battcrm.infra.circuit import Circuit, CircuitOpen, CircuitState
from battcrm.infra.llm.guards import Guarded, Limited, Retrying
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, RateLimited, Transient
from tests.support.waiting import PATIENCE, eventually
from tests.unit.infra_llm.scripted import ANSWER, Scripted, question


def limited(maximum: int = 8, *script: BattError) -> tuple[Limited, Scripted, ManualClock]:
    model, clock = Scripted(*script), ManualClock()
    return Limited(model, clock, maximum=maximum, minimum=2), model, clock


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (Transient("", code="provider_error"), 3),
        (RateLimited("", retry_after=0.01), 3),
        (RateLimited("", retry_after=60.0), 1),
        (Transient("", code="timeout"), 1),
        (CircuitOpen("", code="circuit_open", retry_after=0.01), 1),
        (Invalid("", code="invalid_answer"), 1),
        (Permanent("", code="budget"), 1),
        (AuthExpired(""), 1),
    ],
    ids=lambda v: f"{type(v).__name__}-{v.code}" if isinstance(v, BattError) else None,
)
async def test_only_what_may_pass_is_asked_again(error: BattError, asked: int) -> None:
    model = Scripted(*[error] * 9)
    with pytest.raises(type(error)):
        await Retrying(model, SystemClock(), Random(1), "big", pause=0.01).complete(question())
    assert len(model.asked) == asked


async def test_retry_passes_on_what_is_left_of_the_deadline() -> None:
    model, clock = Scripted(RateLimited("", code="rate_limited", retry_after=3.0)), ManualClock()
    request = question(deadline_s=8.0)
    task = asyncio.ensure_future(Retrying(model, clock, Random(1), "big").complete(request))
    await eventually(lambda: bool(clock._sleepers), what="it waits as asked")
    clock.advance(2.9)
    await asyncio.sleep(0)
    assert len(model.asked) == 1
    clock.advance(0.2)
    assert await task == ANSWER
    assert model.asked[1].deadline_s == pytest.approx(4.9)
    assert request.scope.report.steps == ["big: rate_limited, asked again"]


async def test_no_retry_without_time_for_an_answer() -> None:
    model = Scripted(*[Transient("", code="provider_error", retry_after=0.9)] * 3)
    with pytest.raises(Transient):
        await Retrying(model, ManualClock(), Random(1), "big").complete(question(deadline_s=1.0))
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("error", "opens"),
    [
        (Transient("", code="timeout"), True),
        (AuthExpired(""), True),
        (Permanent("", code="quota"), True),
        (RateLimited(""), False),
        (Permanent("", code="budget"), False),
        (Invalid("", code="invalid_answer"), False),
    ],
    ids=lambda v: f"{type(v).__name__}-{v.code}" if isinstance(v, BattError) else None,
)
async def test_circuit_opens_for_a_provider_that_cannot_serve_us(error: BattError, opens: bool) -> None:
    circuit = Circuit(ManualClock(), threshold=3)
    guarded = Guarded(Scripted(*[error] * 3), circuit)
    for _ in range(3):
        with pytest.raises(type(error)):
            await guarded.complete(question())
    assert (circuit.state is CircuitState.OPEN) is opens


async def test_cancelled_probe_lets_the_next_one_probe() -> None:
    clock = ManualClock()
    circuit = Circuit(clock, threshold=1, pause=1.0)
    model = Scripted(Transient("", code="timeout"))
    guarded = Guarded(model, circuit)
    with pytest.raises(Transient):
        await guarded.complete(question())
    clock.advance(1.1)
    model.gate.clear()
    probe = asyncio.ensure_future(guarded.complete(question()))
    await eventually(lambda: model.running == 1)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    model.gate.set()
    assert await guarded.complete(question()) == ANSWER
    assert circuit.state is CircuitState.CLOSED


async def test_limit_holds_and_serves_in_order() -> None:
    limit, model, _ = limited(3)
    model.gate.clear()
    tasks = [asyncio.ensure_future(limit.complete(question(f"{n}"))) for n in range(7)]
    await eventually(lambda: model.running == 3)
    assert len(model.asked) == 3
    model.gate.set()
    await asyncio.gather(*tasks)
    assert [request.messages[-1]["content"] for request in model.asked] == [str(n) for n in range(7)]


async def test_limit_halves_once_per_round_and_grows_back() -> None:
    limit, model, clock = limited(8, *[RateLimited("", retry_after=0.5)] * 8)
    model.gate.clear()
    tasks = [asyncio.ensure_future(limit.complete(question(f"{n}"))) for n in range(8)]
    await eventually(lambda: model.running == 8)
    clock.advance(0.1)
    model.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limit.limit == 4, "eight refusals of one round are one sign, not eight"
    clock.advance(1)
    for _ in range(40):
        await limit.complete(question())
    assert limit.limit == 8


async def test_limit_never_falls_below_its_minimum() -> None:
    limit, _, clock = limited(8, *[Transient("", code="timeout")] * 20)
    for _ in range(20):
        clock.advance(1)
        with pytest.raises(Transient):
            await limit.complete(question())
    assert limit.limit == 2


async def test_waiter_leaves_at_its_deadline_and_takes_no_room_with_it() -> None:
    limit, model, _ = limited(2)
    model.gate.clear()
    running = [asyncio.ensure_future(limit.complete(question())) for _ in range(2)]
    await eventually(lambda: model.running == 2)
    with pytest.raises(Transient) as caught:
        await limit.complete(question(deadline_s=0.01))
    assert caught.value.code == "busy"
    cancelled = asyncio.ensure_future(limit.complete(question()))
    last = asyncio.ensure_future(limit.complete(question("last")))
    await asyncio.sleep(0)
    cancelled.cancel()
    model.gate.set()
    await asyncio.gather(*running)
    assert await last == ANSWER
    assert await asyncio.gather(*(limit.complete(question()) for _ in range(5))) == [ANSWER] * 5
    assert len(model.asked) == 8


async def test_room_handed_to_a_cancelled_waiter_goes_to_the_next() -> None:
    limit, model, _ = limited(2)
    model.gate.clear()
    waiters: list[asyncio.Task[object]] = []

    async def ends_and_cancels() -> None:
        await limit.complete(question())
        waiters[0].cancel()  # in the very step in which the room was handed over

    running = [asyncio.ensure_future(ends_and_cancels()) for _ in range(2)]
    await eventually(lambda: model.running == 2)
    waiters += [asyncio.create_task(limit.complete(question(f"w{n}"))) for n in range(2)]
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.gather(*running)
    assert isinstance((await asyncio.gather(*waiters, return_exceptions=True))[0], asyncio.CancelledError)
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*(limit.complete(question()) for _ in range(2))) == [ANSWER] * 2
    assert limit._running == 0

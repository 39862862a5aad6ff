"""Send limits on a clock that the test moves."""

from __future__ import annotations

import asyncio

from battcrm.kit.clock import ManualClock
from battcrm.transport.limits import SendLimits
from tests.support.waiting import PATIENCE


def test_channel_rate_holds_over_time_after_the_burst() -> None:
    clock = ManualClock()
    limits = SendLimits(clock, rate=10, chat_interval=0, burst=5)
    passed = 0
    for _ in range(1000):
        if limits.try_acquire(f"chat{passed}") == 0.0:
            passed += 1
        clock.advance(0.01)
    assert 100 <= passed <= 106


def test_one_chat_is_slower_than_the_channel_and_does_not_slow_others() -> None:
    clock = ManualClock()
    limits = SendLimits(clock, rate=1000, chat_interval=1.0, chat_burst=2)
    assert [limits.try_acquire("a") for _ in range(2)] == [0.0, 0.0]
    assert abs(limits.try_acquire("a") - 1.0) < 1e-3
    assert limits.try_acquire("b") == 0.0
    clock.advance(1.0)
    assert limits.try_acquire("a") == 0.0
    assert limits.try_acquire("a") > 0.9


def test_a_server_hint_closes_the_gate_for_all_or_for_one_chat() -> None:
    clock = ManualClock()
    limits = SendLimits(clock, rate=100, chat_interval=1.0)
    limits.hold(17, chat="a")
    assert abs(limits.wait("a") - 17) < 1e-3
    assert limits.wait("b") == 0.0
    limits.hold(5)
    limits.hold(1)
    assert abs(limits.wait("b") - 5) < 1e-3
    clock.advance(5)
    assert limits.try_acquire("b") == 0.0
    assert limits.wait("a") > 11


async def test_waiting_books_only_when_it_is_over_and_cancelling_books_nothing() -> None:
    clock = ManualClock()
    limits = SendLimits(clock, rate=1, chat_interval=0, burst=1)
    await limits.acquire("a")
    waiting = asyncio.ensure_future(limits.acquire("a"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    patient = asyncio.ensure_future(limits.acquire("b"))
    await asyncio.sleep(0)
    assert not patient.done()
    clock.advance(1.0)
    await asyncio.wait_for(patient, PATIENCE)


def test_forgetting_idle_chats_changes_nothing() -> None:
    clock = ManualClock()
    limits = SendLimits(clock, rate=0, chat_interval=1.0, chat_burst=1)
    limits.hold(500, chat="held")
    for number in range(20_050):
        limits.try_acquire(f"c{number}")
        clock.advance(0.01)
    assert len(limits._chats) < 12_000
    assert limits.wait("held") > 200

"""The ladder's use of time, and what the cache remembers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from battcrm.infra.llm.base import ChatModel
from battcrm.infra.llm.cache import Cached
from battcrm.infra.llm.ladder import Ladder, Rung
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import Invalid, Transient
from tests.unit.infra_llm.scripted import ANSWER, Scripted, question


class Slow(Scripted):
    """Takes its whole deadline and fails."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    async def complete(self, request: Any) -> Any:
        self.asked.append(request)
        self._clock.advance(request.deadline_s)
        raise Transient("", code="timeout")


def ladder(clock: ManualClock, big: ChatModel, small: ChatModel) -> Ladder:
    return Ladder([Rung("big", big), Rung("small", small)], clock)


async def test_slow_rung_leaves_a_share_to_the_next() -> None:
    clock = ManualClock()
    big, small = Slow(clock), Scripted()
    assert await ladder(clock, big, small).complete(question(deadline_s=10.0)) == ANSWER
    assert big.asked[0].deadline_s == pytest.approx(6.0)
    assert small.asked[0].deadline_s == pytest.approx(4.0)


async def test_no_rung_is_asked_without_time() -> None:
    clock = ManualClock()
    request = question(deadline_s=0.05)
    small = Scripted()
    with pytest.raises(Transient, match="no time"):
        await ladder(clock, Slow(clock), small).complete(request)
    assert (small.asked, request.scope.report.steps) == ([], ["big: no time left"])


async def test_closing_closes_every_rung() -> None:
    big, small = Scripted(), Scripted()
    await Cached(ladder(ManualClock(), big, small), ManualClock()).aclose()
    assert (big.closed, small.closed) == (True, True)


async def test_cache_keys_are_text_tenant_and_prompt() -> None:
    model = Scripted()
    cached = Cached(model, ManualClock())
    for request in (question("а"), question("б"), question("а", tenant=2), question("а"), question("б")):
        await cached.complete(request)
    assert len(model.asked) == 3


async def test_cache_forgets_with_time_and_when_full() -> None:
    model, clock = Scripted(), ManualClock()
    cached = Cached(model, clock, size=2, ttl=60)
    for text in ("а", "б", "а", "в", "а", "б"):
        await cached.complete(question(text))
    assert [r.messages[-1]["content"] for r in model.asked] == ["а", "б", "в", "б"]
    clock.advance(61)
    await cached.complete(question("а"))
    assert len(model.asked) == 5


async def test_failures_are_not_remembered() -> None:
    cached = Cached(Scripted(Invalid("", code="invalid_answer")), ManualClock())
    with pytest.raises(Invalid):
        await cached.complete(question())
    assert await cached.complete(question()) == ANSWER


class Memory:
    """A store that keeps what it is given; counts its round trips."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.trips = 0
        self.commands: list[tuple[Any, ...]] = []

    def pipeline(self, *, transaction: bool) -> Memory:
        assert not transaction
        return self

    async def __aenter__(self) -> Memory:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.commands = []

    def execute_command(self, *command: Any) -> None:
        self.commands.append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        self.trips += 1
        return [self.answer(*command) for command in self.commands]

    def answer(self, verb: str, name: str, *rest: Any) -> Any:
        if verb == "GET":
            return self.kept.get(name)
        self.kept[name] = rest[0]
        assert rest[1:] == ("EX", 3600)
        return True


class Broken(Memory):
    """A store that fails in every way it can."""

    def __init__(self, found: Any = None) -> None:
        super().__init__()
        self.found = found

    def answer(self, verb: str, name: str, *rest: Any) -> Any:
        if verb == "SET" or self.found is None:
            raise ConnectionError
        return self.found


@pytest.mark.parametrize("found", [None, b"not json", b"{}", b"[]", ConnectionError("one node is away")])
async def test_store_that_fails_is_no_store(found: Any) -> None:
    assert await Cached(Scripted(), ManualClock(), store=Broken(found)).complete(question()) == ANSWER


class Silent(Memory):
    """A store that never answers."""

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_store_that_does_not_answer_is_not_waited_for() -> None:
    assert await Cached(Scripted(), ManualClock(), store=Silent()).complete(question()) == ANSWER


async def test_processes_share_answers_in_few_round_trips() -> None:
    store, here, there = Memory(), Scripted(), Scripted()
    asked = [question(str(number)) for number in range(9)]
    first = Cached(here, ManualClock(), store=store)
    await asyncio.gather(*(first.complete(request) for request in asked))
    await first.aclose()
    assert (len(here.asked), len(store.kept), store.trips) == (9, 9, 2)
    second = Cached(there, ManualClock(), store=store)
    answers = await asyncio.gather(*(second.complete(request) for request in asked))
    assert (there.asked, store.trips, {a.parsed == ANSWER.parsed for a in answers}) == ([], 3, {True})

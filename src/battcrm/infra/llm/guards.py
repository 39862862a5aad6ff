"""Wrappers that keep a call bounded: one retry policy, a circuit breaker, and a limit on calls in flight that adapts."""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random
from typing import Final

from battcrm.infra.circuit import Circuit
from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Permanent, RateLimited, Transient

_USEFUL_S: Final = 0.25
_FINAL: Final = frozenset({"timeout", "circuit_open", "busy"})


class Retrying:
    """Asks again after a Transient failure while the deadline leaves time: full jitter, or as long as the provider asks.

    A time-out, an open circuit and a full queue are not asked again: the next rung is the better use of what is left.
    """

    def __init__(
        self, inner: ChatModel, clock: Clock, random: Random, name: str, *, attempts: int = 3, pause: float = 0.2
    ) -> None:
        self._inner, self._clock, self._random, self._name = inner, clock, random, name
        self._attempts = attempts
        self._pause = pause

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The first answer of at most `attempts`, or the last failure."""
        ends = self._clock.monotonic() + request.deadline_s
        for attempt in range(self._attempts):
            left = ends - self._clock.monotonic()
            try:
                return await self._inner.complete(request.within(left))
            except Transient as error:
                wait = self._wait(error, attempt)
                last = attempt + 1 == self._attempts or error.code in _FINAL
                if last or wait > ends - self._clock.monotonic() - _USEFUL_S:
                    raise
                request.scope.report.steps.append(f"{self._name}: {error.code}, asked again")
            await self._clock.sleep(wait)
        raise AssertionError("unreachable")

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

    def _wait(self, error: Transient, attempt: int) -> float:
        jitter = self._random.uniform(0.0, self._pause * 2**attempt)
        return jitter if error.retry_after is None else error.retry_after + jitter * 0.1


class Guarded:
    """Stops asking a provider that does not answer, or refuses our key, and probes when it may be back."""

    def __init__(self, inner: ChatModel, circuit: Circuit) -> None:
        self._inner, self._circuit = inner, circuit

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The inner answer; CircuitOpen without asking while the circuit is open."""
        self._circuit.enter()
        try:
            answer = await self._inner.complete(request)
        except BaseException as error:
            self._judge(error)
            raise
        self._circuit.succeeded()
        return answer

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

    def _judge(self, error: BaseException) -> None:
        if isinstance(error, RateLimited) or (isinstance(error, Permanent) and error.code == "budget"):
            self._circuit.abandoned()
        elif isinstance(error, Transient | AuthExpired | Permanent):
            self._circuit.failed()
        elif isinstance(error, BattError):
            self._circuit.succeeded()
        else:
            self._circuit.abandoned()


class Limited:
    """A limit on calls in flight that finds the provider's own: halves on 429 or time-out, grows back with answers.

    Growth doubles per round up to where it last went wrong, then adds one per round. Waiters are served in order; one
    whose deadline passes leaves with Transient `busy`.
    """

    def __init__(self, inner: ChatModel, clock: Clock, *, maximum: int = 400, minimum: int = 4) -> None:
        self._inner, self._clock = inner, clock
        self._maximum, self._minimum = maximum, minimum
        self._limit = float(maximum)
        self._threshold = float(maximum)
        self._quiet_until = 0.0
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Calls allowed in flight now."""
        return int(self._limit)

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The inner answer, once there is room for the call."""
        ends = self._clock.monotonic() + request.deadline_s
        await self._enter(request.deadline_s)
        began = self._clock.monotonic()
        try:
            answer = await self._inner.complete(request.within(ends - began))
        except RateLimited as error:
            self._shrink(began, error.retry_after or 0.0)
            raise
        except Transient as error:
            if error.code == "timeout":
                self._shrink(began, 0.0)
            raise
        else:
            self._grow()
            return answer
        finally:
            self._running -= 1
            self._admit()

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

    async def _enter(self, seconds: float) -> None:
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(room)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await room
        except BaseException as error:
            self._give_up(room)
            if isinstance(error, TimeoutError):
                raise Transient("too many model calls in flight", code="busy") from None
            raise

    def _give_up(self, room: asyncio.Future[None]) -> None:
        if room.done() and not room.cancelled():
            self._running -= 1
            self._admit()
        elif room in self._waiting:
            self._waiting.remove(room)

    def _admit(self) -> None:
        while self._waiting and self._running < self.limit:
            room = self._waiting.popleft()
            if not room.done():
                self._running += 1
                room.set_result(None)

    def _shrink(self, began: float, pause: float) -> None:
        # Calls that were under way at the last cut say nothing about the limit that came after it.
        if began < self._quiet_until:
            return
        self._threshold = max(float(self._minimum), min(self._limit, self._running) / 2)
        self._limit = self._threshold
        self._quiet_until = self._clock.monotonic() + pause

    def _grow(self) -> None:
        step = 1.0 if self._limit < self._threshold else 1.0 / self._limit
        self._limit = min(float(self._maximum), self._limit + step)

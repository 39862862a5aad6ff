"""How platforms deliver webhooks: one queue per chat, chats in parallel, failures retried with growing pauses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError

DAY = 86_400.0


@dataclass(slots=True)
class Delivery:
    """One webhook call to make. `attempts`, `status` and `took` (seconds, of the last attempt) tell how it went;
    `status` 0 = no answer."""

    key: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    born: float = 0.0
    attempts: int = 0
    status: int = 0
    took: float = 0.0


@dataclass(slots=True)
class Target:
    """Where the deliveries of one account go; url None = nowhere yet, deliveries wait."""

    url: str | None = None
    max_connections: int = 40
    timeout: float = 60.0


class WebhookQueue:
    """Delivers in order per key until the answer is accepted or the delivery is a day old.

    `time_factor` scales pauses, not the platform's limits: 0.01 makes a minute of back-off 0.6 s.
    """

    def __init__(
        self,
        http: AioHttp,
        clock: Clock,
        target: Target,
        *,
        time_factor: float = 1.0,
        first_pause: float = 1.0,
        growth: float = 2.0,
        longest_pause: float = 60.0,
        give_up: float = DAY,
        accepted: Callable[[HttpResponse], bool] = lambda answer: 200 <= answer.status < 300,
        failed: Callable[[Delivery, str], None] | None = None,
    ) -> None:
        self.target = target
        self.delivered: list[Delivery] = []
        self.dropped: list[Delivery] = []
        self._http, self._clock = http, clock
        self._factor = time_factor
        self._pauses = (first_pause, growth, longest_pause)
        self._give_up = give_up
        self._accepted, self._failed = accepted, failed
        self._queues: dict[str, deque[Delivery]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(target.max_connections)
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pending(self) -> int:
        """Deliveries not accepted yet."""
        return sum(len(q) for q in self._queues.values())

    def push(self, delivery: Delivery) -> None:
        """Queue a delivery behind the earlier ones of its key."""
        delivery.born = delivery.born or self._clock.monotonic()
        self._queues.setdefault(delivery.key, deque()).append(delivery)
        self._wake(delivery.key)

    def retarget(self, target: Target) -> None:
        """Use another address from now on; what waits goes there."""
        self.target = target
        self._slots = asyncio.Semaphore(target.max_connections)
        for key in list(self._queues):
            self._wake(key)

    def take_back(self) -> list[Delivery]:
        """Everything undelivered, oldest first, removed from the queue."""
        waiting = [d for q in self._queues.values() for d in q]
        self._queues.clear()
        return sorted(waiting, key=lambda d: d.born)

    async def idle(self) -> None:
        """Wait until nothing is left to deliver."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop delivering; what waits is dropped."""
        workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _wake(self, key: str) -> None:
        if self.target.url is None or key in self._workers:
            return
        self._idle.clear()
        self._workers[key] = asyncio.get_running_loop().create_task(self._drain(key))

    async def _drain(self, key: str) -> None:
        try:
            while (queue := self._queues.get(key)) and self.target.url is not None:
                delivery = queue[0]
                pause = await self._attempt(delivery)
                if pause is None:
                    if queue and queue[0] is delivery:
                        queue.popleft()
                    if not queue:
                        self._queues.pop(key, None)
                else:
                    await self._clock.sleep(pause * self._factor)
        finally:
            self._workers.pop(key, None)
            if not self._workers:
                self._idle.set()

    async def _attempt(self, delivery: Delivery) -> float | None:
        """One call; None = done with it, else seconds until the next attempt."""
        delivery.attempts += 1
        url = self.target.url
        if url is None:
            return 0.0
        reason, asked = "", 0.0
        async with self._slots:
            began = self._clock.monotonic()
            try:
                answer = await self._http.request(
                    "POST",
                    url,
                    headers={"Content-Type": "application/json", **delivery.headers},
                    raw=delivery.body,
                    timeout=self.target.timeout,
                )
                delivery.status, delivery.took = answer.status, self._clock.monotonic() - began
                if self._accepted(answer):
                    self.delivered.append(delivery)
                    return None
                reason, asked = f"Wrong response from the webhook: {answer.status}", _retry_after(answer)
            except BattError as error:
                delivery.status, reason = 0, error.text
        if self._failed is not None:
            self._failed(delivery, reason)
        if self._clock.monotonic() - delivery.born > self._give_up * self._factor:
            self.dropped.append(delivery)
            return None
        first, growth, longest = self._pauses
        return asked or float(min(first * growth ** min(delivery.attempts - 1, 32), longest))


def _retry_after(answer: HttpResponse) -> float:
    value = answer.headers.get("retry-after", "")
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else 0.0

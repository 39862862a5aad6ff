"""Group commit: callers wait for their own item, the database sees batches.

While one flush runs, new items gather and leave together with the next: batches grow by themselves under load and
cost nothing when idle. A `pace` keeps the starts of flushes apart, or a `muster` holds them back for items that are
known to come: the batches of a half-busy process get bigger at the price of a few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from battcrm.infra.pace import Muster, Pace

Item = TypeVar("Item")
Result = TypeVar("Result")
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


class Batcher(Generic[Item, Result]):
    """Collects items and flushes them together.

    `flush` gets up to `maximum` items and returns one result or exception for each, in order. If it raises, the items
    are flushed again one by one, so that a bad item fails alone. `lanes` flushes may run at once; their starts are at
    least `pace` seconds apart, but `plenty` items are reason enough to start at once.
    """

    def __init__(
        self,
        flush: Flush[Item, Result],
        *,
        maximum: int = 200,
        lanes: int = 1,
        pace: float = 0.0,
        plenty: int | None = None,
        muster: Muster | None = None,
    ) -> None:
        self._flush = flush
        self._maximum = maximum
        self._lanes = lanes
        self._pace = Pace(pace)
        self._plenty = plenty or maximum
        self._muster = muster or Muster()
        self._enough = asyncio.Event()
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def depth(self) -> int:
        """Items that have not been handed to a flush yet."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Result:
        """The item's own result; raises the item's own exception."""
        return await self._add(item)

    def post(self, item: Item) -> None:
        """Hand over an item whose result nobody wants; `flush` must not raise for it."""
        self._add(item)

    async def drain(self) -> None:
        """Wait until everything submitted so far has been flushed."""
        while self._waiting or self._running:
            self._start()
            await asyncio.wait(list(self._running))

    def _add(self, item: Item) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._plenty:
            self._enough.set()
        self._start()
        return future

    def _start(self) -> None:
        if self._waiting and len(self._running) < self._lanes:
            task = asyncio.get_running_loop().create_task(self._lane())
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and self._waiting:
            self._start()

    async def _lane(self) -> None:
        # One turn of the loop lets everybody who is ready now join the first batch.
        await asyncio.sleep(0)
        while self._waiting:
            await self._pace.start(self._enough)
            await self._muster.all_here()
            if not self._waiting:
                return
            batch = [self._waiting.popleft() for _ in range(min(self._maximum, len(self._waiting)))]
            if len(self._waiting) < self._plenty:
                self._enough.clear()
            try:
                await self._send(batch)
            except asyncio.CancelledError:
                for _, future in batch:
                    future.cancel()
                raise

    async def _send(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever a flush raises belongs to its callers
            if len(batch) == 1:
                _settle(batch[0][1], error)
                return
            for single in batch:
                await self._send([single])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)

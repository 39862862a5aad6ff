"""Group commit: everybody gets their own result, whatever their neighbours do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from battcrm.infra.batcher import Batcher


class Flushes:
    """Doubles numbers; a negative one breaks its batch, a zero is refused alone."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [item * 2 if item else LookupError("zero") for item in items]


async def test_items_submitted_together_leave_together() -> None:
    flushes = Flushes()
    batcher = Batcher(flushes, maximum=3)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(1, 6))) == [2, 4, 6, 8, 10]
    assert flushes.batches == [[1, 2, 3], [4, 5]]


async def test_a_bad_item_fails_alone() -> None:
    batcher = Batcher(Flushes())
    results = await asyncio.gather(*(batcher.submit(n) for n in (1, -1, 0, 4)), return_exceptions=True)
    assert [type(r) if isinstance(r, Exception) else r for r in results] == [2, ValueError, LookupError, 8]


async def test_a_waiter_that_goes_away_takes_nobody_along() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    batcher = Batcher(flushes)
    waiters = [asyncio.ensure_future(batcher.submit(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    flushes.gate.set()
    assert await waiters[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await waiters[0]
    await batcher.drain()
    assert batcher.depth == 0


@pytest.mark.parametrize("lanes", [1, 2])
async def test_lanes_bound_the_flushes_at_once(lanes: int) -> None:
    flushes = Flushes()
    flushes.gate.clear()
    batcher = Batcher(flushes, maximum=1, lanes=lanes)
    waiters = [asyncio.ensure_future(batcher.submit(n)) for n in range(1, 5)]
    for _ in range(10):
        await asyncio.sleep(0)
    flushes.gate.set()
    assert await asyncio.gather(*waiters) == [2, 4, 6, 8]
    assert flushes.most == lanes

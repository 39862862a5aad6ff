"""Starts are kept apart, an idle loop starts at once; a batch waits for those who are coming, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from battcrm.infra.batcher import Batcher
from battcrm.infra.pace import Muster, Pace


async def test_the_first_start_waits_for_nothing_and_the_next_ones_do() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(0.03)
    began = loop.time()
    starts: list[float] = []
    for _ in range(3):
        await pace.start()
        starts.append(loop.time() - began)
    assert starts[1] > 0.027
    assert starts[2] > 0.057


async def test_two_who_wait_get_different_starts() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(0.03)
    began = loop.time()
    await pace.start()
    at: list[float] = []

    async def one() -> None:
        await pace.start()
        at.append(loop.time() - began)

    await asyncio.gather(one(), one())
    assert min(at) > 0.027
    assert max(at) > 0.057


async def test_a_paced_batcher_takes_together_what_came_during_the_pause() -> None:
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    batcher: Batcher[int, int] = Batcher(flush, pace=0.05)
    assert await batcher.submit(0) == 0
    assert await asyncio.gather(*(batcher.submit(n) for n in range(1, 6))) == [1, 2, 3, 4, 5]
    assert batches == [[0], [1, 2, 3, 4, 5]]
    await batcher.drain()


async def test_plenty_of_items_do_not_wait_for_the_pause_to_end() -> None:
    batches: list[int] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        batches.append(len(items))
        return items

    batcher: Batcher[int, int] = Batcher(flush, pace=3600.0, plenty=4)
    await batcher.submit(0)
    few = [asyncio.ensure_future(batcher.submit(n)) for n in range(3)]
    done, _ = await asyncio.wait(few, timeout=0.05)
    assert (done, batches) == (set(), [1]), "three wait for the pause"
    await batcher.submit(3)
    await asyncio.gather(*few)
    assert batches == [1, 4]


async def test_early_starts_put_the_next_one_off_by_one_pause_only() -> None:
    pace, early = Pace(0.1), asyncio.Event()
    early.set()
    for _ in range(5_000):
        await pace.start(early)
    async with asyncio.timeout(120):
        await pace.start()


def recorder(muster: Muster) -> tuple[Batcher[int, int], list[list[int]]]:
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    return Batcher(flush, muster=muster), batches


async def test_a_batch_leaves_when_nobody_is_coming_any_more() -> None:
    muster = Muster(3600.0)
    batcher, batches = recorder(muster)
    with muster.coming():
        with muster.coming():
            first = asyncio.ensure_future(batcher.submit(1))
            for _ in range(20):
                await asyncio.sleep(0)
        second = asyncio.ensure_future(batcher.submit(2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert batches == []
    assert list(await asyncio.gather(first, second)) == [1, 2]
    assert batches == [[1, 2]]


async def test_nobody_waits_for_one_who_is_late() -> None:
    muster = Muster(3600.0)
    batcher, batches = recorder(muster)
    with muster.coming(), muster.late():
        assert await batcher.submit(1) == 1
        with muster.coming():
            waiting = asyncio.ensure_future(batcher.submit(2))
            for _ in range(20):
                await asyncio.sleep(0)
            assert batches == [[1]]
        assert await waiting == 2


async def test_a_batch_does_not_wait_for_ever() -> None:
    muster = Muster(0.01)
    batcher, _ = recorder(muster)
    with muster.coming():
        async with asyncio.timeout(120):
            assert await batcher.submit(1) == 1

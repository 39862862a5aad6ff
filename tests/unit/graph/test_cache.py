from __future__ import annotations

import asyncio

import pytest

from battcrm.graph.cache import LocalCache


def now() -> float:
    return 100.0


def test_values_age_and_the_oldest_give_way() -> None:
    cache: LocalCache[str] = LocalCache(ttl=10, maximum=2)
    for name in "abc":
        cache.put(name, "g", name, 0.0, cache.mark("g"))
    assert [cache.get(name, 9.9) for name in "abc"] == [None, "b", "c"]
    assert cache.get("c", 10.0) is None


def test_a_drop_forgets_the_group_and_what_was_being_read() -> None:
    cache: LocalCache[str] = LocalCache(ttl=10, maximum=9)
    cache.put("a", "g", "A", 0.0, cache.mark("g"))
    cache.put("b", "h", "B", 0.0, cache.mark("h"))
    mark = cache.mark("g")
    assert cache.drop("g") == 1
    cache.put("a", "g", "stale", 0.0, mark)
    assert (cache.get("a", 1), cache.get("b", 1)) == (None, "B")


async def test_one_load_serves_all_who_wait() -> None:
    cache: LocalCache[str] = LocalCache(ttl=10, maximum=9)
    gate, reads = asyncio.Event(), []

    async def read() -> str:
        reads.append(1)
        await gate.wait()
        return "value"

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(cache.load("k", "g", read, now)) for _ in range(5)]
        await asyncio.sleep(0)
        gate.set()
    assert ({t.result() for t in waiting}, len(reads)) == ({"value"}, 1)


async def test_a_cancelled_leader_does_not_cancel_the_others() -> None:
    cache: LocalCache[str] = LocalCache(ttl=10, maximum=9)
    gate = asyncio.Event()

    async def stuck() -> str:
        await gate.wait()
        return "never"

    async def quick() -> str:
        return "quick"

    leader = asyncio.ensure_future(cache.load("k", "g", stuck, now))
    await asyncio.sleep(0)
    follower = asyncio.ensure_future(cache.load("k", "g", quick, now))
    await asyncio.sleep(0)
    leader.cancel()
    assert await follower == "quick"
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_a_failed_load_is_told_to_all_and_not_kept() -> None:
    cache: LocalCache[str] = LocalCache(ttl=10, maximum=9)

    async def broken() -> str:
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    results = await asyncio.gather(*(cache.load("k", "g", broken, now) for _ in range(3)), return_exceptions=True)
    assert [type(r) for r in results] == [RuntimeError] * 3
    assert len(cache) == 0

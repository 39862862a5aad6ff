"""At whatever moment a process, Redis or the database goes away, every task ends as a row or a dead letter."""

from __future__ import annotations

import asyncio

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.kit.errors import Transient
from battcrm.migration.queue.lists import TakenList
from battcrm.migration.queue.settings import Side
from battcrm.migration.queue.store import Arrival, Finished, Lane
from battcrm.settings import Settings
from tests.integration.queue.conftest import OPEN, PLAIN, QUEUE, Place, bridged, options, pump
from tests.support.waiting import PATIENCE, eventually


def taker(place: Place, worker: str) -> TakenList:
    assert place.runtime.redis is not None
    return TakenList(place.redis, QUEUE, Side.LEFT, place.runtime.clock, worker)


async def dies(place: Place, worker: str) -> None:
    """What its expiry would do half a minute later."""
    await place.redis.delete(f"{{{QUEUE}}}:alive:{worker}")


async def test_what_a_dead_worker_had_taken_is_adopted(place: Place) -> None:
    await place.push(*({"id": n, "text": PLAIN} for n in range(3)))
    dead = taker(place, "dead")
    assert await dead.take()
    assert await dead.take()
    assert await place.redis.llen(QUEUE) == 0
    async with bridged(place, options()) as built:
        await pump(built)
        assert await place.rows() == [], "its owner may be alive"
        await dies(place, "dead")
        await pump(built)
        assert len(await place.rows()) == 3
        await pump(built)
    assert not [key for key in await place.keys() if b":processing:" in key]


async def test_two_heirs_and_a_return_from_the_dead_do_no_harm(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN})
    slow = taker(place, "slow")
    batch = await slow.take()
    await dies(place, "slow")
    async with bridged(place, options()) as one, bridged(place, options()) as other:
        assert await asyncio.gather(one.intake.adopt(), other.intake.adopt())
        await place.push({"id": 2, "text": PLAIN})
        assert (await slow.take()).raws, "it was only slow, and goes on"
        await slow.settle(batch)
        await dies(place, "slow")
        await pump(one)
    assert {row["task_id"] for row in await place.rows()} == {"1", "2"}


async def test_flushall_after_the_commit_loses_nothing(place: Place) -> None:
    await place.push(*({"id": n, "text": PLAIN} for n in range(20)))
    async with bridged(place, options()) as built:
        while await built.intake.step():
            pass
        await place.redis.flushall()
        await pump(built)
    assert len(await place.rows()) == 20


async def test_lost_answer_of_redis_is_made_good(place: Place) -> None:
    """The elements were moved, the reply never came: they stand in the worker's own list."""
    await place.push(*({"id": n, "text": PLAIN} for n in range(2)))
    source = taker(place, "w")
    await source.take()
    broken = source._redis
    source._redis = type(broken).from_url("redis://127.0.0.1:1", retry=None)
    with pytest.raises(Transient):
        await source.take()
    source._redis = broken
    held = await source.take()
    assert len(held.raws) == 1, "what it holds already comes first"
    await source.settle(held)
    assert len((await source.take()).raws) == 1


async def test_database_that_goes_away_after_the_take(place: Place) -> None:
    await place.push(*({"id": n, "text": PLAIN} for n in range(5)))
    async with bridged(place, options()) as built:
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'battcrm%' AND pid <> pg_backend_pid()"
        await place.runtime.pool.execute(terminate)
        await pump(built)
    assert len(await place.rows()) == 5


async def test_lease_of_a_killed_worker_runs_out(place: Place, provider: OpenAiEmulator, settings: Settings) -> None:
    await place.push({"id": 1, "text": OPEN})
    async with bridged(place, options()) as built:
        await built.intake.step()
        claims = await built.worker._queue.claim(10, lease=0.0, extra=(QUEUE,))
        assert len(claims) == 1, "the process dies here"
        await pump(built)
    (row,) = await place.rows()
    assert row["model_calls"] == 1


async def test_result_of_a_task_that_was_replaced_meanwhile_is_dropped(place: Place) -> None:
    async with bridged(place, options()) as built:
        lane, shop = Lane(QUEUE), place.shops["lavka"]
        await built.store.accept([Arrival(shop, "1", b'{"id":1,"text":"a"}')])
        (claim,) = await built.worker._queue.claim(10, lease=60, extra=(QUEUE,))
        await built.store.accept([Arrival(shop, "1", b'{"id":1,"text":"b"}')])
        assert claim.key == lane.key(shop, "1")
        assert await built.store.finish([Finished(claim, {"tenant_id": str(shop), "task_id": "1"})]) == [False]
        assert await place.rows() == []
        assert await place.waiting() == 1
        await pump(built)
    assert await place.waiting() == 0


async def test_task_that_ends_its_process_again_and_again_is_a_dead_letter(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN}, {"id": 2, "text": PLAIN})
    async with bridged(place, options()) as built:
        while await built.intake.step():
            pass
        await place.runtime.pool.execute(
            "UPDATE queue_task SET attempts = 8 WHERE convert_from(raw, 'utf8') LIKE '%1,%'"
        )
        await pump(built)
    assert [row["task_id"] for row in await place.rows()] == ["2"]
    assert [reason for _, reason in await place.dead()] == ["it ended the process that worked on it, again and again"]


async def test_stopped_worker_gives_its_tasks_back_at_once(place: Place, provider: OpenAiEmulator) -> None:
    provider.set_latency(60_000, 60_000)
    await place.push({"id": 1, "text": OPEN})
    async with bridged(place, options()) as built:
        running = asyncio.ensure_future(asyncio.wait_for(_both(built), PATIENCE))
        await eventually(lambda: provider.in_flight == 1, what="the model was asked")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    provider.set_latency(0, 0)
    async with bridged(place, options()) as built:
        assert await place.runtime.pool.fetchval("SELECT count(*) FROM queue_task WHERE lease_until IS NOT NULL") == 0
        await pump(built)
    assert len(await place.rows()) == 1


async def _both(built: object) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(built.intake.run())  # type: ignore[attr-defined]
        group.create_task(built.worker.run())  # type: ignore[attr-defined]


async def test_model_that_fails_is_part_of_the_answer(place: Place, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("revoked"), times=100)
    await place.push({"id": 1, "text": OPEN})
    async with bridged(place, options()) as built:
        await pump(built)
    (row,) = await place.rows()
    assert row["failed"] == "unauthorized"
    assert row["steps"][1:] == ["big: unauthorized", "small: unauthorized", "failed: unauthorized"]
    assert row["open_fields"]


async def test_drain_finishes_what_is_stored_and_takes_nothing(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN})
    async with bridged(place, options()) as built:
        await built.intake.step()
        await place.push({"id": 2, "text": PLAIN})
        async with asyncio.timeout(PATIENCE):
            await built.worker.drain()
    assert [row["task_id"] for row in await place.rows()] == ["1"]
    assert await place.redis.llen(QUEUE) == 1

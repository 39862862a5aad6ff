"""Waiting executions are woken, dead letters come back to life, and a shadow takes nothing away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from battcrm.migration.queue.store import SOURCE
from battcrm.services.dead import DeadLetters
from battcrm.transport.door import Door
from tests.integration.queue.conftest import PLAIN, QUEUE, Place, bridged, options, pump


class Waiting:
    """n8n's side: answers for `/webhook-waiting/…`, in order, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = [(200, "")]
        self.got: list[tuple[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((request.path_qs, await request.json()))
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, text=text)


@pytest.fixture
async def n8n() -> AsyncIterator[Waiting]:
    waiting = Waiting()
    app = web.Application()
    app.router.add_post("/{path:.*}", waiting.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    waiting.url = f"{host}:{port}"
    yield waiting
    await runner.cleanup()


def resuming(n8n: Waiting, **changed: Any) -> Any:
    return options(resume={"hosts": [n8n.url]}, **changed)


async def test_execution_is_woken_with_the_answer(place: Place, n8n: Waiting) -> None:
    n8n.answers = [(409, "The execution is running already"), (200, "")]
    await place.push({"id": 1, "text": PLAIN, "resume_url": f"http://{n8n.url}/webhook-waiting/12?signature=s"})
    async with bridged(place, resuming(n8n)) as built:
        await pump(built)
    assert [path for path, _ in n8n.got] == ["/webhook-waiting/12?signature=s"] * 2
    answer = n8n.got[-1][1]
    assert (answer["task_id"], answer["model"], answer["repair_types"]) == ("1", "iPhone 13 Pro", ["screen"])
    assert len(await place.rows()) == 1
    assert await place.waiting() == 0


async def test_execution_that_is_gone_settles_the_task(place: Place, n8n: Waiting) -> None:
    n8n.answers = [(404, "The execution does not exist")]
    await place.push({"id": 1, "text": PLAIN, "resume_url": f"http://{n8n.url}/webhook-waiting/12"})
    async with bridged(place, resuming(n8n)) as built:
        await pump(built)
    assert (len(n8n.got), len(await place.rows()), await place.waiting(), await place.dead()) == (1, 1, 0, [])


async def test_n8n_that_is_away_is_asked_again_with_the_same_answer(place: Place, n8n: Waiting) -> None:
    n8n.answers = [(503, ""), (200, "")]
    await place.push({"id": 1, "text": PLAIN, "resume_url": f"http://{n8n.url}/webhook-waiting/12"})
    async with bridged(place, resuming(n8n)) as built:
        await pump(built)
        assert len(await place.rows()) == 1, "the result is written whether or not somebody can be woken"
        assert await place.waiting() == 1
        await place.runtime.pool.execute("UPDATE queue_task SET due_at = received_at")
        await pump(built)
    assert n8n.got[0][1] == n8n.got[1][1]
    assert await place.waiting() == 0


async def test_address_that_is_not_allowed_is_never_asked(place: Place, n8n: Waiting) -> None:
    await place.push({"id": 1, "text": PLAIN, "resume_url": f"http://{n8n.url}/rest/owner"})
    async with bridged(place, resuming(n8n)) as built:
        await pump(built)
    assert n8n.got == []
    assert len(await place.rows()) == 1
    (dead,) = await place.dead()
    assert dead[1] == "the resume address is not allowed: its path is not in resume.paths"


async def test_without_allowed_hosts_nobody_is_woken(place: Place, n8n: Waiting) -> None:
    await place.push({"id": 1, "text": PLAIN, "resume_url": f"http://{n8n.url}/webhook-waiting/12"})
    async with bridged(place, options()) as built:
        await pump(built)
    assert (n8n.got, len(await place.rows()), await place.dead(), await place.waiting()) == ([], 1, [], 0)


def letters(place: Place) -> DeadLetters:
    runtime = place.runtime
    door = Door(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    return DeadLetters(runtime.pool, runtime.clock, door=door, channels=runtime.channels, bus=None, shards=4)


async def test_dead_letter_is_replayed_once_the_settings_are_mended(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN, "bot_key": "bot-17"})
    async with bridged(place, options()) as built:
        await pump(built)
    owner = place.shops["lavka"]
    (letter,) = await letters(place).list(owner, source=f"{SOURCE}:{QUEUE}")
    assert "bot-17" in letter.reason
    await letters(place).replay(owner, letter.dead_id)
    async with bridged(place, options(tenants={"bot-17": "servis"})) as built:
        await pump(built)
    (row,) = await place.rows()
    assert (row["tenant_id"], row["task_id"]) == (place.shops["servis"], "1")
    assert await place.waiting() == 0
    assert await letters(place).list(owner) == []


async def test_replay_of_what_still_cannot_be_read_is_a_new_dead_letter(place: Place) -> None:
    await place.push(b"{")
    async with bridged(place, options()) as built:
        await pump(built)
        owner = place.shops["lavka"]
        (letter,) = await letters(place).list(owner)
        await letters(place).replay(owner, letter.dead_id)
        await pump(built)
    (again,) = await letters(place).list(owner)
    assert again.dead_id != letter.dead_id
    assert again.reason == letter.reason == "task: not JSON"


async def test_shadow_leaves_the_list_as_it_is(place: Place, n8n: Waiting) -> None:
    await place.push(
        *({"id": n, "text": PLAIN, "resume_url": f"http://{n8n.url}/webhook-waiting/{n}"} for n in range(4)), b"{"
    )
    before = await place.redis.lrange(QUEUE, 0, -1)
    async with bridged(place, resuming(n8n, shadow=True)) as built:
        await pump(built)
        assert await place.redis.lrange(QUEUE, 0, -1) == before
        assert await built.intake.step() == 0, "what stands there was seen already"
        await place.redis.rpop(QUEUE)
        await place.push({"id": 9, "text": PLAIN})
        await pump(built)
    assert {row["task_id"] for row in await place.rows("ai_extraction_shadow")} == {"0", "1", "2", "3", "9"}
    assert await place.rows() == []
    assert n8n.got == []
    assert await place.keys() == {QUEUE.encode()}


async def test_shadow_of_copies_takes_the_copies(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN})
    await place.push({"id": 1, "text": PLAIN}, queue="copies")
    async with bridged(place, options(shadow=True, copies="copies")) as built, bridged(place, options()) as real:
        await pump(built)
        assert await place.redis.llen(QUEUE) == 1
        await pump(real)
    assert await place.redis.llen("copies") == 0
    (shadow,), (own,) = await place.rows("ai_extraction_shadow"), await place.rows()
    ignored = {"queue", "received_at", "finished_at"}
    assert {k: v for k, v in shadow.items() if k not in ignored} == {k: v for k, v in own.items() if k not in ignored}


async def test_two_lanes_do_not_see_each_others_tasks(place: Place) -> None:
    await place.push({"id": 1, "text": PLAIN})
    async with bridged(place, options(shadow=True)) as shadow, bridged(place, options()) as real:
        await shadow.intake.step()
        await real.intake.step()
        assert await place.waiting() == 2
        await pump(real)
        assert await place.rows("ai_extraction_shadow") == []
        await pump(shadow)
    assert len(await place.rows("ai_extraction_shadow")) == len(await place.rows()) == 1

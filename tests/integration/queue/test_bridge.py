"""A task goes from n8n's list to the table n8n reads, whatever its shape, and nothing else happens to it."""

from __future__ import annotations

import json

import asyncpg
import pytest

from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.kit.errors import Invalid
from tests.integration.queue.conftest import OPEN, PLAIN, QUEUE, Place, bridged, options, pump


async def test_task_becomes_a_row(place: Place, provider: OpenAiEmulator) -> None:
    await place.push({"id": "7", "text": PLAIN}, {"id": 8, "text": OPEN, "tenant_id": "servis"})
    async with bridged(place, options()) as built:
        await pump(built)
    first, second = await place.rows()
    assert (first["tenant_id"], first["task_id"], first["queue"]) == (place.shops["lavka"], "7", QUEUE)
    assert (first["appeal_type"], first["brand"], first["model"]) == ("repair", "Apple", "iPhone 13 Pro")
    assert first["repair_types"] == ["screen"]
    assert set(first["confidence"]) == {"appeal_type", "brand", "model", "repair_types"}
    assert (first["model_calls"], first["failed"], first["steps"]) == (0, None, [])
    assert (second["tenant_id"], second["model_calls"]) == (place.shops["servis"], 1)
    assert second["steps"][1:] == ["big: ok", "applied"]
    assert second["cost_microrub"] > 0
    assert len(provider.log.all) == 1
    assert await place.waiting() == 0
    assert await place.dead() == []


@pytest.mark.parametrize("side", ["left", "right"])
async def test_oldest_first_from_either_side(place: Place, side: str) -> None:
    await place.push(*({"id": n, "text": ""} for n in range(5)), side=side)
    async with bridged(place, options(pushed=side)) as built:
        first = await built.intake.step()
        assert first == 1, "it asks for one until it knows that there is more"
    rows = await place.runtime.pool.fetch("SELECT raw FROM queue_task")
    assert [json.loads(row["raw"])["id"] for row in rows] == [0]


@pytest.mark.parametrize("side", ["left", "right"])
async def test_both_sides_whole(place: Place, side: str) -> None:
    await place.push(*({"id": n, "text": PLAIN} for n in range(30)), side=side)
    async with bridged(place, options(pushed=side)) as built:
        await pump(built)
    assert {row["task_id"] for row in await place.rows()} == {str(n) for n in range(30)}
    assert await place.redis.llen(QUEUE) == 0


async def test_same_task_again_is_one_row_with_the_newer_reading(place: Place) -> None:
    async with bridged(place, options()) as built:
        await place.push({"id": "7", "text": PLAIN}, json.dumps(json.dumps({"id": 7, "text": PLAIN})).encode())
        await pump(built)
        assert [row["model"] for row in await place.rows()] == ["iPhone 13 Pro"]
        await place.push({"id": "7", "text": "а на самсунг а52 экран сколько"})
        await pump(built)
    (row,) = await place.rows()
    assert (row["brand"], row["model"]) == ("Samsung", "Galaxy A52")


async def test_bad_tasks_are_dead_letters_and_cost_their_neighbours_nothing(place: Place) -> None:
    bad = [b"{", b"7", json.dumps({"id": 1}).encode(), json.dumps({"id": 1, "text": "", "tenant": "nobody"}).encode()]
    await place.push(*bad, {"id": "good", "text": PLAIN})
    async with bridged(place, options()) as built:
        await pump(built)
    assert [row["task_id"] for row in await place.rows()] == ["good"]
    dead = await place.dead()
    assert {source for source, _ in dead} == {f"queue:{QUEUE}"}
    reasons = [reason for _, reason in dead]
    assert reasons == [
        "task: not JSON",
        "task: not a JSON object",
        "text: there is none of text, message, messages",
        "no active tenant is called 'nobody'",
    ]
    assert await place.redis.llen(QUEUE) == 0


async def test_names_of_tenants_and_fields_are_configured(place: Place) -> None:
    await place.push({"uid": 5, "said": PLAIN, "bot_key": "bot-17"})
    changed = options(tenants={"bot-17": "servis"}, fields={"id": ["uid"], "text": ["said"]})
    async with bridged(place, changed) as built:
        await pump(built)
    (row,) = await place.rows()
    assert (row["tenant_id"], row["task_id"]) == (place.shops["servis"], "5")


async def test_several_shops_and_no_owner_is_refused(place: Place) -> None:
    with pytest.raises(Invalid, match="several tenants"):
        async with bridged(place, options(tenant=None)):
            pass


async def test_shop_that_asks_and_options_are_understood(place: Place) -> None:
    task = {"id": 1, "text": "2", "expecting": "model", "options": ["iPhone 13", "iPhone 13 Pro"]}
    await place.push(task)
    async with bridged(place, options()) as built:
        await pump(built)
    (row,) = await place.rows()
    assert row["model"] == "iPhone 13 Pro"


async def test_reader_of_the_view_needs_no_other_right(place: Place, pg_api_url: str) -> None:
    await place.push({"id": 1, "text": PLAIN})
    async with bridged(place, options()) as built:
        await pump(built)
    reader = await asyncpg.connect(pg_api_url, ssl=False)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetchval("SELECT model FROM n8n_extraction")
        await place.runtime.pool.execute("GRANT SELECT ON n8n_extraction TO battcrm_api")
        assert await reader.fetchval("SELECT model FROM n8n_extraction WHERE task_id = '1'") == "iPhone 13 Pro"
        assert await reader.fetchval("SELECT count(*) FROM ai_extraction_result") == 0, "the table is guarded"
    finally:
        await reader.close()
        await place.runtime.pool.execute("REVOKE SELECT ON n8n_extraction FROM battcrm_api")

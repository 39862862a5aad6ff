"""PROTOCOL F and I, as far as they are the database's: events in order, what remembers outlives what can come again."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from datetime import datetime, timedelta

from battcrm.devkit.faults.bench import Bench
from battcrm.devkit.faults.messenger import event
from battcrm.events import catalogue
from battcrm.events.catalogue import ClientCreated
from battcrm.events.outbox import append
from battcrm.infra.partitions import TABLES
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.workers.supervise import _SEEN_KEPT
from tests.faults.test_door_rules import BLOCKED
from tests.support.waiting import eventually


async def test_one_clients_events_are_numbered_in_the_order_of_their_commits(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await world.step("processor-1")
    tenant, client = shop.account.tenant_id, await world.pool.fetchval("SELECT client_id FROM client")
    late = world.roles["ai-1"].pool

    async def second() -> None:
        async with late.acquire() as connection, connection.transaction():
            await append(connection, [ClientCreated(tenant, client, 3)], world.ids, world.clock.now())

    async with world.pool.acquire() as first, first.transaction():
        await append(first, [ClientCreated(tenant, client, 2)], world.ids, world.clock.now())
        waiting = asyncio.ensure_future(second())
        await eventually(lambda: world.pool.fetchval(BLOCKED), what="the second waits for the first one's commit")
        assert not waiting.done()
    await waiting


def test_what_remembers_outlives_what_can_come_again() -> None:
    kept = {table.table: table.keep_days for table in TABLES}
    assert kept["processed"] is not None
    assert kept["outbox"] is not None
    assert kept["processed"] > kept["outbox"]
    assert kept["message_raw"] == 14
    assert _SEEN_KEPT.days >= 30


async def test_a_forgotten_transaction_is_ended_by_the_server(clean_database: str) -> None:
    pool = await open_pool(clean_database, maximum=1, name="limits", patience=30.0)
    try:
        assert (
            await pool.fetchval(
                "SELECT reset_val FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
                " AND source = 'client'"
            )
            == "60000"
        )
    finally:
        await pool.close()


def test_events_carry_ids_versions_and_codes_and_nothing_of_a_person() -> None:
    """Every field is an id, a number or one of the words that say what happened."""
    words = {"author", "state", "before", "after", "reason", "code"}
    for kind in (v for v in vars(catalogue).values() if isinstance(v, type) and issubclass(v, catalogue.Event)):
        for item in fields(kind):
            allowed = item.type in ("UUID", "UUID | None", "int") or item.name in words
            assert allowed, f"{kind.__name__}.{item.name}"


async def test_the_clock_never_moves_back() -> None:
    """The reference may be behind, and a measurement late: time already given out is not given out again."""
    clock = SystemClock()
    before = clock.now()

    async def an_hour_ago() -> datetime:
        return before - timedelta(hours=1)

    await clock.follow(an_hour_ago)
    assert clock.now() >= before

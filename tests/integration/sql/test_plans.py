"""On a database with some 10,000s of rows every statement of the path of a message finds its rows by an index."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from battcrm.devkit.bench.preload import Size, fill
from battcrm.devkit.bench.seed import seed_shops
from battcrm.infra import due
from battcrm.infra.backlog import QUERIES
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from tests.integration.sql.test_statements_prepare import _STATEMENT, alone

# Modules whose every statement runs for each message, or every second.
HOT = (
    "battcrm.transport.door",
    "battcrm.transport.accounts",
    "battcrm.transport.outbox_store",
    "battcrm.pipeline.intake_store",
    "battcrm.pipeline.intake_work",
    "battcrm.pipeline.echoes",
    "battcrm.pipeline.turn_load",
    "battcrm.pipeline.turn_commit",
    "battcrm.pipeline.write_turns",
    "battcrm.pipeline.write_replies",
    "battcrm.pipeline.write_appeals",
    "battcrm.pipeline.configs",
    "battcrm.resolution.directory",
    "battcrm.events.outbox",
    "battcrm.events.relay",
    "battcrm.events.delivery",
    "battcrm.graph.pricing_source",
)
BIG = {
    "client", "identity", "client_work", "dialog", "message", "appeal", "episode", "turn", "decision", "outgoing", "seen",
    "price_item", "repair_record", "fact",
}  # fmt: skip
# Only a part of a statement, or one that only a rare event runs.
PARTS = {"_PICKED"}


@pytest.fixture
async def grown(clean_database: str) -> AsyncIterator[asyncpg.Connection]:
    """Fifty tenants, 10,000 clients, 60,000 messages and what they left."""
    await seed_shops(clean_database, "http://127.0.0.1:9", bytes(32), 50, 0.0)
    pool = await open_pool(clean_database, maximum=2)
    await fill(pool, Size(50, 10_000, 60_000), SystemClock().now(), lambda _share: None, lanes=1)
    await pool.close()
    connection = await asyncpg.connect(clean_database)
    yield connection
    await connection.close()


def statements() -> dict[str, str]:
    found: dict[str, str] = {f"backlog.{name}": text for name, text in QUERIES.items()}
    for name in HOT:
        for attribute, value in vars(importlib.import_module(name)).items():
            if attribute not in PARTS and isinstance(value, str) and _STATEMENT.match(value):
                found[f"{name.removeprefix('battcrm.')}.{attribute}"] = value
    for table in (due.CLIENT_WORK, due.DUE_WORK, due.INTENTS, due.OUTGOING):
        for template in ("_CLAIM", "_EXTEND", "_DONE", "_RETRY"):
            found[f"{table.name}{template}"] = table.sql(getattr(due, template))
    return found


async def plan_of(connection: asyncpg.Connection, sql: str) -> dict[str, Any]:
    """The plan for any arguments; those given here are not looked at."""
    explain = await connection.prepare(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {alone(sql)}")
    text = await explain.fetchval(*(None for _ in explain.get_parameters()))
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def scanned(plan: dict[str, Any]) -> set[str]:
    """Big tables that a plan reads from end to end."""
    found = set()
    for node in nodes(plan):
        table = str(node.get("Relation Name", "")).split("_p2")[0].removesuffix("_default")
        whole = node["Node Type"] == "Seq Scan" or (node["Node Type"] == "Index Scan" and not _narrow(node))
        # A partition that is empty is read as it likes.
        if whole and table in BIG and node["Plan Rows"] + node.get("Rows Removed by Filter", 0) > 1:
            found.add(f"{node['Node Type']} on {node['Relation Name']}")
    return found


def _narrow(node: dict[str, Any]) -> bool:
    """An index with a condition, or a partial one, which holds only what waits."""
    return "Index Cond" in node or str(node["Index Name"]).startswith(("ix_", "uq_"))


async def test_no_hot_statement_reads_a_big_table_whole(grown: asyncpg.Connection) -> None:
    found = statements()
    wrong = {}
    for name, sql in found.items():
        # The plan for any arguments, as a prepared statement gets it after five uses.
        whole = scanned(await plan_of(grown, sql))
        if whole:
            wrong[name] = sorted(whole)
    assert wrong == {}
    assert len(found) > 50


async def test_the_check_sees_a_missing_index(grown: asyncpg.Connection) -> None:
    await grown.execute("BEGIN")
    await grown.execute("DROP INDEX ix_message_dialog_seq")
    sql = statements()["pipeline.turn_load._MESSAGES"]
    await grown.execute("DROP INDEX ix_message_external")
    plan = await plan_of(grown, sql)
    await grown.execute("ROLLBACK")
    conditions = [str(node.get("Index Cond")) for node in nodes(plan) if "message" in str(node.get("Relation Name"))]
    assert scanned(plan) or not any("dialog_id" in condition for condition in conditions)

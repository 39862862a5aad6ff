"""One client with more appeals than anybody needs, one model with more repairs, many shops in one batch."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from battcrm.graph.check import Checker
from battcrm.graph.context import GraphContextReader
from battcrm.graph.statements import CONTEXT
from battcrm.graph.sync import EventRef, Projector
from battcrm.infra.neo4j import Graph, Statement
from battcrm.models.situation import ContextQuery
from tests.support.graph_rows import NOW, Rows

_FILL = """
INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, brand, model, repair_types,
  opened_at, touched_at)
SELECT $1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $2, $2, $2, n, 'done', 'Apple', 'iPhone 13',
  '{screen}', $3::timestamptz + n * interval '1 minute', $3 FROM generate_series(1, $4::int) AS n
"""
_COUNT = """
MATCH (:Client {tenant_id: $tenant_id, id: $client_id})<-[:OF_CLIENT]-(e) RETURN count(e) AS n
"""


async def wholesale(rows: Rows, projector: Projector, count: int) -> UUID:
    client = await rows.client()
    await rows.pool.execute(_FILL, rows.tenant_id, client, NOW - timedelta(days=400), count)
    await projector.rebuild(rows.tenant_id)
    return client


async def asked_and_bounded(rows: Rows, bolt: Graph, reader: GraphContextReader, client: UUID, count: int) -> None:
    own = {"tenant_id": str(rows.tenant_id), "client_id": str(client)}
    assert await bolt.read(_COUNT, own, deadline=60.0) == [{"n": count}]
    # Whatever is allowed to be shown, no more than `entries` is looked at.
    limits = {"brand": "", "family": "", "want_history": True, "want_shared": False, "repairs": 1}
    (row,) = await bolt.read(CONTEXT, own | limits | {"entries": 500, "history": 10_000}, deadline=60.0)
    assert len(row["history"]) == 500
    asked = ContextQuery(rows.tenant_id, client, "Apple", "iPhone 13", ("screen",), None, NOW)
    facts = await reader.fetch(asked)
    assert facts.unavailable is None
    newest = NOW - timedelta(days=400) + timedelta(minutes=count)
    assert [past.at for past in facts.history] == [newest - timedelta(minutes=n) for n in range(10)]


async def test_a_wholesale_buyer_costs_no_more_than_anybody(
    rows: Rows, bolt: Graph, projector: Projector, reader: GraphContextReader
) -> None:
    client = await wholesale(rows, projector, 1200)
    await asked_and_bounded(rows, bolt, reader, client, 1200)


@pytest.mark.long
async def test_a_hundred_thousand_appeals_of_one_client(
    rows: Rows, bolt: Graph, projector: Projector, reader: GraphContextReader, checker: Checker
) -> None:
    client = await wholesale(rows, projector, 100_000)
    await asked_and_bounded(rows, bolt, reader, client, 100_000)
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))


async def test_shops_share_a_batch_and_nothing_else(rows: Rows, projector: Projector, checker: Checker) -> None:
    shops = [rows, *(Rows(rows.pool, uuid4()) for _ in range(4))]
    events = []
    for shop in shops:
        client = await shop.client()
        appeal = await shop.appeal(client, 1)
        repair = await shop.repair(client_id=client, appeal_id=appeal)
        ids = {"client_id": client, "appeal_id": appeal, "repair_id": repair}
        events.append(EventRef("repair.recorded", shop.tenant_id, ids))
    assert await projector.apply(events) == 3 * len(shops)
    for shop in shops:
        drifts = await checker.check(shop.tenant_id)
        assert all(drift.ok for drift in drifts)
        assert {drift.label: drift.in_graph for drift in drifts} == {"client": 1, "appeal": 1, "repair": 1, "price": 0}


async def test_what_changes_nothing_the_graph_shows_is_no_drift(
    rows: Rows, projector: Projector, checker: Checker
) -> None:
    client = await rows.client()
    appeal = await rows.appeal(client, 1)
    await projector.rebuild(rows.tenant_id)
    touch = "UPDATE appeal SET version = version + 1, touched_at = $3 WHERE tenant_id = $1 AND appeal_id = $2"
    await rows.pool.execute(touch, rows.tenant_id, appeal, NOW)
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))
    change = "UPDATE appeal SET version = version + 1, status = 'lost' WHERE tenant_id = $1 AND appeal_id = $2"
    await rows.pool.execute(change, rows.tenant_id, appeal)
    assert [drift.different for drift in await checker.check(rows.tenant_id) if not drift.ok] == [[str(appeal)]]


async def test_a_node_that_ran_ahead_is_drift(rows: Rows, bolt: Graph, projector: Projector, checker: Checker) -> None:
    appeal = await rows.appeal(await rows.client(), 1)
    await projector.rebuild(rows.tenant_id)
    await bolt.write([Statement("MATCH (n:Appeal {tenant_id: $tenant_id}) SET n.version = 99", _tenant(rows))])
    assert [drift.different for drift in await checker.check(rows.tenant_id, repair=True) if not drift.ok] == [
        [str(appeal)]
    ]
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))


async def test_pruned_models_and_parts_come_back_with_the_next_row(
    rows: Rows, bolt: Graph, projector: Projector, checker: Checker
) -> None:
    first = await rows.repair()
    await projector.rebuild(rows.tenant_id)
    await projector.apply([EventRef("repair.recorded", rows.tenant_id, {"repair_id": await rows.repair()})])
    # Another process prunes: this one still believes that model and part are there.
    await rows.pool.execute("DELETE FROM repair_record WHERE tenant_id = $1", rows.tenant_id)
    gone = await bolt.read("MATCH (n:Repair {tenant_id: $tenant_id}) RETURN n.id AS id", _tenant(rows))
    other = Projector(projector._stored, projector._graph)
    await other.erase("repair", [(str(rows.tenant_id), row["id"]) for row in gone])
    await other.prune(rows.tenant_id)
    assert str(first) in {row["id"] for row in gone}
    await projector.apply([EventRef("repair.recorded", rows.tenant_id, {"repair_id": await rows.repair()})])
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))


def _tenant(rows: Rows) -> dict[str, str]:
    return {"tenant_id": str(rows.tenant_id)}

from __future__ import annotations

import random
from uuid import UUID, uuid4

from battcrm.graph.check import Checker
from battcrm.graph.schema import MIGRATIONS, migrate, version
from battcrm.graph.stored import Stored
from battcrm.graph.sync import EventRef, Projector
from battcrm.infra.neo4j import Graph, Statement
from battcrm.kit.clock import SystemClock
from tests.support.graph import GraphServer
from tests.support.graph_rows import NOW, Rows
from tests.support.waiting import PATIENCE


async def everything(bolt: Graph, tenant_id: UUID) -> list[dict[str, object]]:
    return await bolt.read(
        """MATCH (n {tenant_id: $tenant_id})
        RETURN labels(n)[0] AS label, properties(n) AS properties,
          [(n)-[r]->(x) | [type(r), x.id]] AS edges ORDER BY label, n.id""",
        {"tenant_id": str(tenant_id)},
    )


def canonical(nodes: list[dict[str, object]]) -> list[tuple[str, str, str]]:
    return sorted(
        (str(n["label"]), str(sorted(n["properties"].items())), str(sorted(n["edges"])))  # type: ignore[attr-defined, call-overload]
        for n in nodes
    )


async def small_shop(rows: Rows) -> list[EventRef]:
    tenant = rows.tenant_id
    one, two = await rows.client(), await rows.client()
    await rows.pool.execute(
        "UPDATE client SET merged_into = $3, version = 2 WHERE tenant_id = $1 AND client_id = $2", tenant, two, one
    )
    appeal = await rows.appeal(two, 1)
    bare = await rows.appeal(one, 2, brand=None, model=None, repair_types=[])
    repair = await rows.repair(client_id=two, appeal_id=appeal, repair_types=["screen", "battery"])
    loose = await rows.repair(model="iPhone 13 Pro")
    price = await rows.price()
    return [
        EventRef("client.created", tenant, {"client_id": one}),
        EventRef("client.merged", tenant, {"client_id": two, "survivor_id": one}),
        EventRef("appeal.created", tenant, {"client_id": two, "appeal_id": appeal}),
        EventRef("appeal.updated", tenant, {"client_id": one, "appeal_id": bare}),
        EventRef("repair.recorded", tenant, {"client_id": two, "repair_id": repair}),
        EventRef("repair.recorded", tenant, {"repair_id": loose}),
        EventRef("price.changed", tenant, {"client_id": price, "price_item_id": price}),
    ]


async def test_migrations_are_idempotent(bolt: Graph) -> None:
    assert await version(bolt) == len(MIGRATIONS)
    await migrate(bolt)
    assert await version(bolt) == len(MIGRATIONS)


async def test_who_started_without_the_server_makes_the_schema_with_the_first_event(
    graph: GraphServer, rows: Rows
) -> None:
    late = Graph.open(graph.url, *graph.auth, database=graph.database, clock=SystemClock(), connect_timeout=PATIENCE)
    await late.write([Statement("MATCH (s:GraphSchema {tenant_id: '-'}) DETACH DELETE s")])
    assert await version(late) == 0
    client = await rows.client()
    await Projector(Stored(rows.pool), late).apply([EventRef("client.created", rows.tenant_id, {"client_id": client})])
    assert await version(late) == len(MIGRATIONS)
    await late.close()


async def test_events_in_any_order_and_twice_give_the_rebuilt_graph(
    bolt: Graph, rows: Rows, projector: Projector, checker: Checker
) -> None:
    events = await small_shop(rows)
    await projector.rebuild(rows.tenant_id)
    rebuilt = canonical(await everything(bolt, rows.tenant_id))
    assert {label for label, _, _ in rebuilt} == {
        "Client", "Appeal", "Repair", "Price", "Model", "Brand", "Part", "Device",
    }  # fmt: skip
    for seed in range(4):
        await bolt.write([_wipe(rows.tenant_id)])
        shuffled = events * 2
        random.Random(seed).shuffle(shuffled)
        for event in shuffled:
            await projector.apply([event])
        assert canonical(await everything(bolt, rows.tenant_id)) == rebuilt
        assert all(drift.ok for drift in await checker.check(rows.tenant_id))


def _wipe(tenant_id: UUID):  # type: ignore[no-untyped-def]
    return Statement("MATCH (n {tenant_id: $tenant_id}) DETACH DELETE n", {"tenant_id": str(tenant_id)})


async def test_an_older_row_never_overwrites_a_newer_one(bolt: Graph, rows: Rows, projector: Projector) -> None:
    from battcrm.graph.projection import PROJECT

    client = await rows.client()
    appeal = await rows.appeal(client, 1)
    (stored,) = await rows.pool.fetch("SELECT * FROM appeal WHERE tenant_id = $1", rows.tenant_id)
    old = dict(stored)
    new = old | {"version": 2, "model": "iPhone 14", "status": "agreed"}
    await projector.write("appeal", [PROJECT["appeal"](new)])
    assert await projector.write("appeal", [PROJECT["appeal"](old)]) == 0
    assert await projector.write("appeal", [PROJECT["appeal"](old)], force=True) == 0
    found = await bolt.read(
        "MATCH (a:Appeal {tenant_id: $tenant_id})-[:ABOUT]->(m) RETURN a.id AS id, a.status AS status, m.name AS name",
        {"tenant_id": str(rows.tenant_id)},
    )
    assert found == [{"id": str(appeal), "status": "agreed", "name": "iPhone 14"}]


async def test_edges_follow_a_row_that_changed(rows: Rows, projector: Projector, checker: Checker) -> None:
    one, other = await rows.client(), await rows.client()
    appeal = await rows.appeal(one, 1, brand=None, model=None)
    events = [EventRef("appeal.updated", rows.tenant_id, {"appeal_id": appeal})]
    change = """UPDATE appeal SET version = version + 1, client_id = $3, brand = $4, model = $5
    WHERE tenant_id = $1 AND appeal_id = $2"""
    await projector.rebuild(rows.tenant_id)
    for client, brand, model in ((one, "Apple", "iPhone 13"), (other, "Apple", "iPhone 14"), (one, None, None)):
        await rows.pool.execute(change, rows.tenant_id, appeal, client, brand, model)
        assert await projector.apply(events) == 1
        assert all(drift.ok for drift in await checker.check(rows.tenant_id))


async def test_erased_rows_leave_the_graph(bolt: Graph, rows: Rows, projector: Projector, checker: Checker) -> None:
    events = await small_shop(rows)
    await projector.apply(events)
    for table in ("repair_record", "appeal", "client", "price_item"):
        await rows.pool.execute(f"DELETE FROM {table} WHERE tenant_id = $1", rows.tenant_id)
    await projector.apply(events)
    await projector.prune(rows.tenant_id)
    assert await everything(bolt, rows.tenant_id) == []
    assert all(drift.ok and drift.stored == 0 for drift in await checker.check(rows.tenant_id))


async def test_check_finds_and_mends_every_kind_of_drift(
    bolt: Graph, rows: Rows, projector: Projector, checker: Checker
) -> None:
    await small_shop(rows)
    await projector.rebuild(rows.tenant_id)
    right = canonical(await everything(bolt, rows.tenant_id))
    tenant = {"tenant_id": str(rows.tenant_id)}
    await bolt.write(
        [
            Statement("MATCH (n:Price {tenant_id: $tenant_id}) DETACH DELETE n", tenant),
            Statement("MATCH (n:Repair {tenant_id: $tenant_id}) SET n.amount = 1, n.version = 99", tenant),
            Statement("MATCH (n:Appeal {tenant_id: $tenant_id})-[r:OF_CLIENT]->() DELETE r", tenant),
            Statement("CREATE (n:Client {tenant_id: $tenant_id, id: $id})", tenant | {"id": str(uuid4())}),
        ]
    )
    found = {d.label: d for d in await checker.check(rows.tenant_id, repair=True)}
    assert [len(found["price"].missing), len(found["repair"].different)] == [1, 2]
    assert [len(found["appeal"].different), len(found["client"].extra)] == [2, 1]
    assert found["repair"].stored_checksum != found["repair"].graph_checksum
    after = await checker.check(rows.tenant_id)
    assert all(d.ok and d.stored_checksum == d.graph_checksum for d in after)
    assert canonical(await everything(bolt, rows.tenant_id)) == right


async def test_hostile_names_stay_data(bolt: Graph, rows: Rows, projector: Projector, checker: Checker) -> None:
    hostile = ["'}) DETACH DELETE n //", "$rows", "`; MATCH (n) DETACH DELETE n", "\\u0027", 'a"b\x1fc', "😀" * 20]
    client = await rows.client()
    for number, name in enumerate(hostile, 1):
        await rows.appeal(client, number, brand=name, model=name, status=name, repair_types=[name])
        await rows.repair(brand=name, model=name, repair_types=[name], client_id=client)
    await projector.rebuild(rows.tenant_id)
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))
    count = await bolt.read(
        "MATCH (n:Appeal {tenant_id: $tenant_id}) RETURN count(n) AS n", {"tenant_id": str(rows.tenant_id)}
    )
    assert count == [{"n": len(hostile)}]


async def test_tenants_with_the_same_devices_stay_apart(bolt: Graph, rows: Rows, projector: Projector) -> None:
    other = Rows(rows.pool, uuid4())
    for shop in (rows, other):
        await shop.repair(client_id=await shop.client())
        await projector.rebuild(shop.tenant_id)
    crossing = await bolt.read(
        "MATCH (a {tenant_id: $tenant_id})-[r]-(b) WHERE b.tenant_id <> $tenant_id RETURN count(r) AS n",
        {"tenant_id": str(rows.tenant_id)},
    )
    assert crossing == [{"n": 0}]


async def test_rebuild_all_pages_and_reports(rows: Rows, projector: Projector, checker: Checker) -> None:
    await rows.insert("tenant", tenant_id=rows.tenant_id, **await _tenant_columns(rows))
    for days in range(7):
        await rows.repair(days_ago=days + 1)
    seen: list[tuple[str, int]] = []
    small = Projector(projector._stored, projector._graph, batch=3)
    assert await small.rebuild_all(lambda _tenant, entity, done: seen.append((entity, done))) == 7
    assert seen == [("repair", 3), ("repair", 6), ("repair", 7)]
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))


async def _tenant_columns(rows: Rows) -> dict[str, object]:
    needed = await rows.pool.fetch(
        """SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'tenant'
        AND table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL AND column_name <> 'tenant_id'"""
    )
    samples: dict[str, object] = {
        "text": "shop",
        "timestamp with time zone": NOW,
        "smallint": 1,
        "integer": 1,
        "bigint": 1,
    }
    return {row["column_name"]: samples[row["data_type"]] for row in needed}

"""The graph follows events through the whole path: outbox, stream, consumer, projection."""

from __future__ import annotations

from battcrm.events.catalogue import ClientCreated, ClientUpdated, MessageDeleted, RepairRecorded
from battcrm.events.registry import HandlerRegistry, Kind
from battcrm.graph.follow import follow
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.infra.neo4j import Graph
from battcrm.kit.clock import SystemClock
from tests.integration.events.conftest import World, running, settled, until
from tests.support.graph import GraphServer
from tests.support.graph_rows import Rows
from tests.support.waiting import PATIENCE


async def test_rows_named_by_events_appear_in_the_graph(world: World, graph: GraphServer) -> None:
    bolt = Graph.open(graph.url, *graph.auth, database=graph.database, clock=SystemClock(), connect_timeout=PATIENCE)
    tenant = await world.tenant()
    rows = Rows(world.pool, tenant)
    registry = HandlerRegistry()
    follow(registry, Projector(Stored(world.pool), bolt), SystemClock())
    (consumer,) = registry
    assert (consumer.name, consumer.kind) == ("graph", Kind.EXTERNAL)
    assert RepairRecorded.TYPE in consumer.types
    assert MessageDeleted.TYPE not in consumer.types
    try:
        async with running(world.relay(), world.processor(registry)):
            await until(lambda: world.ready("graph"), what="registered")
            client = await rows.client()
            repair = await rows.repair(client_id=client)
            await world.happen(
                ClientCreated(tenant, client, 1),
                RepairRecorded(tenant, client, repair, 1),
                ClientUpdated(tenant, client, 1),
            )
            await until(lambda: settled(world, "graph"), what="handled")

            async def ids() -> set[str]:
                found = await bolt.read(
                    "MATCH (n {tenant_id: $tenant_id}) WHERE n.id IN $ids RETURN n.id AS id",
                    {"tenant_id": str(tenant), "ids": [str(client), str(repair)]},
                )
                return {row["id"] for row in found}

            async def there() -> bool:
                return await ids() == {str(client), str(repair)}

            await until(there, what="both nodes")
    finally:
        await bolt.close()
    assert await world.dead() == 0

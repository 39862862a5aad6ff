"""The graph server is killed: in the middle of a transaction, and while events go on. Nothing stays wrong in the graph."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from battcrm.devkit.bench.world import listening_on
from battcrm.events.catalogue import AppealCreated, ClientCreated, RepairRecorded
from battcrm.events.registry import HandlerRegistry
from battcrm.graph.check import Checker
from battcrm.graph.context import GraphContextReader
from battcrm.graph.follow import follow
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.graph.schema import migrate
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.graph.sync_statements import UPSERT
from battcrm.infra import embedded
from battcrm.infra.embedded import process
from battcrm.infra.neo4j import Graph, Runner
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError, Transient
from battcrm.models.situation import ContextQuery
from tests.integration.events.conftest import World, running, until, world  # noqa: F401 - a fixture
from tests.support.graph_rows import NOW, Rows
from tests.support.waiting import PATIENCE

GRAPH = frozenset({"graph"})


@dataclass
class Server:
    """A graph server of this test's own, which may be killed."""

    home: Path
    addresses: embedded.Running

    def open(self) -> Graph:
        a = self.addresses
        return Graph.open(
            a.neo4j_url,
            a.neo4j_user,
            a.neo4j_password,
            database=a.neo4j_database,
            clock=SystemClock(),
            connect_timeout=PATIENCE,
        )

    def kill(self) -> None:
        """As the kernel would: no goodbye, nothing flushed."""
        for one in listening_on(urlsplit(self.addresses.neo4j_url).port):
            one.kill()
            one.wait(10)
            process.reap(one.pid)

    async def back(self) -> None:
        again = await embedded.start(self.home, which=GRAPH)
        assert again.neo4j_url == self.addresses.neo4j_url


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    home = Path(tempfile.mkdtemp(prefix="battcrm-killed-"))
    yield Server(home, await embedded.start(home, which=GRAPH))
    await embedded.stop(home)
    shutil.rmtree(home, ignore_errors=True)


async def drift(checker: Checker, tenant: UUID) -> int | None:
    """Nodes that differ; None while the server does not answer."""
    try:
        found = await checker.check(tenant)
    except BattError:
        return None
    return sum(len(d.missing) + len(d.different) + len(d.extra) for d in found)


async def killed_half_way(server: Server, bolt: Graph, rows: Rows) -> None:
    """Half of what belongs together is written when the server dies: after its return none of it is there."""

    async def work(run: Runner) -> None:
        tenant = str(rows.tenant_id)
        half = {"tenant_id": tenant, "id": "half", "version": 1, "properties": {"tenant_id": tenant, "id": "half"}}
        await run(UPSERT["appeal"], {"rows": [half], "force": False})
        server.kill()
        await run(UPSERT["repair"], {"rows": [half], "force": False})

    with pytest.raises(Transient):
        await bolt.transact(work, deadline=PATIENCE)


@dataclass
class Shop:
    """Visits of new clients, as rows with their events."""

    world: World
    rows: Rows

    async def visit(self, number: int) -> UUID:
        tenant, client = self.rows.tenant_id, await self.rows.client()
        appeal, repair = await self.rows.appeal(client, number), await self.rows.repair(client_id=client)
        await self.world.happen(
            ClientCreated(tenant, client, 1),
            AppealCreated(tenant, client, appeal, 1),
            RepairRecorded(tenant, client, repair, 1),
        )
        return client


async def turns_go_on(shop: Shop, reader: GraphContextReader, client: UUID) -> None:
    """Eight visits while the graph is away, each with a price and without history."""
    asked = ContextQuery(shop.rows.tenant_id, client, "Apple", "iPhone 13", ("screen",), None, NOW)
    for number in range(6, 14):
        await shop.visit(number)
        facts = await reader.fetch(asked)
        assert facts.unavailable is not None
        assert facts.unavailable.startswith("graph: ")
        assert facts.quotes[0].refusal is None


async def test_the_graph_is_right_again_after_a_kill(
    world: World,  # noqa: F811 - the fixture
    server: Server,
) -> None:
    shop, bolt = Shop(world, Rows(world.pool, await world.tenant())), server.open()
    tenant = shop.rows.tenant_id
    await migrate(bolt)
    projector = Projector(Stored(world.pool), bolt)
    checker = Checker(Stored(world.pool), bolt, projector)
    registry = HandlerRegistry()
    follow(registry, projector, SystemClock())
    prices = PostgresPricing(world.pool, deadline=PATIENCE)

    async def right() -> bool:
        return await drift(checker, tenant) == 0

    try:
        async with running(world.relay(), world.processor(registry)):
            await until(lambda: world.ready("graph"), what="registered")
            clients = [await shop.visit(number) for number in range(1, 6)]
            await until(right, what="all five visits projected")
            await killed_half_way(server, bolt, shop.rows)
            await turns_go_on(shop, GraphContextReader(bolt, prices, SystemClock(), deadline=0.15), clients[0])
            assert await drift(checker, tenant) is None
            await server.back()
            await until(right, what="zero drift after the return")
        found = await bolt.read(
            "MATCH (n:Appeal {tenant_id: $tenant_id}) RETURN n.id AS id", {"tenant_id": str(tenant)}
        )
        assert len(found) == 13
    finally:
        await bolt.close()
    assert await world.dead() == 0

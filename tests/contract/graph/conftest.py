"""One suite over any Bolt server: the embedded one, or the Neo4j that BATTCRM_TEST_NEO4J_URL names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from battcrm.graph.check import Checker
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.graph.schema import migrate
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.infra.neo4j import Graph
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from tests.support.graph import GraphServer
from tests.support.graph_rows import Rows
from tests.support.waiting import PATIENCE


@pytest.fixture
async def bolt(graph: GraphServer) -> AsyncIterator[Graph]:
    opened = Graph.open(graph.url, *graph.auth, database=graph.database, clock=SystemClock(), connect_timeout=PATIENCE)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


@pytest.fixture
def tenant_id() -> UUID:
    return uuid4()


@pytest.fixture
def rows(pool: Pool, tenant_id: UUID) -> Rows:
    return Rows(pool, tenant_id)


@pytest.fixture
def projector(pool: Pool, bolt: Graph) -> Projector:
    return Projector(Stored(pool), bolt)


@pytest.fixture
def checker(pool: Pool, bolt: Graph, projector: Projector) -> Checker:
    return Checker(Stored(pool), bolt, projector)


@pytest.fixture
def reader(pool: Pool, bolt: Graph) -> GraphContextReader:
    # A slow machine must not turn a contract into a race: the deadline has its own test.
    return GraphContextReader(bolt, PostgresPricing(pool, deadline=PATIENCE), SystemClock(), deadline=PATIENCE)

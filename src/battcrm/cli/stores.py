"""Connections for commands: what the environment names, else the local servers, which are started when needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from battcrm.infra import embedded
from battcrm.infra.neo4j import Graph
from battcrm.infra.postgres import Pool, follow_database_clock
from battcrm.infra.reach import cannot_connect, reach
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Transient
from battcrm.settings import Settings


@asynccontextmanager
async def database(settings: Settings, clock: SystemClock) -> AsyncIterator[Pool]:
    """A pool; `clock` follows the database afterwards. Invalid when it cannot be reached."""
    url = settings.database_url
    if url is None:
        running = await embedded.start(settings.home, which=frozenset({"postgres"}), detached=True)
        url = running.worker_url
    pool = await reach(url, maximum=4)
    try:
        await follow_database_clock(clock, pool)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def graph(settings: Settings, clock: SystemClock) -> AsyncIterator[Graph]:
    """The graph; nothing is sent before the first call. Invalid from the first that reaches nobody."""
    if settings.neo4j_url is not None:
        password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else ""
        opened = Graph.open(
            settings.neo4j_url, settings.neo4j_user, password, database=settings.neo4j_database, clock=clock
        )
    else:
        up = await embedded.start(settings.home, which=frozenset({"graph"}), detached=True)
        opened = Graph.open(up.neo4j_url, up.neo4j_user, up.neo4j_password, database=up.neo4j_database, clock=clock)
    try:
        yield opened
    except Transient as error:
        if error.code != "graph_unavailable":
            raise
        raise cannot_connect(error, "the graph", "NEO4J_URL") from error
    finally:
        await opened.close()

"""The event processor role: which consumers run, and on what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from battcrm.events.consumer import EventProcessor
from battcrm.events.registry import HandlerRegistry
from battcrm.graph.follow import follow
from battcrm.graph.schema import migrate
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.infra.neo4j import Graph
from battcrm.kit.errors import BattError
from battcrm.workers.layers import open_graph
from battcrm.workers.relay import bus_of
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)


def register_handlers(registry: HandlerRegistry, runtime: Runtime, graph: Graph | None) -> None:
    """Every consumer of the core. Independent layers add theirs here."""
    if graph is not None:
        follow(registry, Projector(Stored(runtime.pool), graph), runtime.clock)


@asynccontextmanager
async def opened(runtime: Runtime) -> AsyncIterator[EventProcessor]:
    """An event processor on the runtime's servers; the graph connection is closed at the end."""
    graph = open_graph(runtime)
    try:
        if graph is not None:
            await _prepare(graph)
        registry = HandlerRegistry()
        register_handlers(registry, runtime, graph)
        yield EventProcessor(
            runtime.pool,
            bus_of(runtime),
            runtime.clock,
            runtime.ids,
            registry,
            runtime.settings.event_shards,
            worker=str(runtime.ids.new()),
        )
    finally:
        if graph is not None:
            await graph.close()


async def _prepare(graph: Graph) -> None:
    """The graph's schema. A graph that is away does not stop the role: projecting waits, nothing is lost."""
    try:
        await migrate(graph)
    except BattError as error:
        log.warning("graph.not_migrated", code=error.code, error=error.text)


async def run(runtime: Runtime) -> None:
    """Follow until cancelled. Without Redis, or with nobody who follows, there is nothing to do."""
    if runtime.redis is None:
        log.warning("event_processor.no_redis", remedy="set REDIS_URL")
    else:
        async with opened(runtime) as processor:
            await processor.run()
    await asyncio.Event().wait()

"""The event processor role: which consumers run, and on what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from battcrm.events.catalogue import EVENTS, Envelope
from battcrm.events.consumer import EventProcessor
from battcrm.events.registry import HandlerRegistry
from battcrm.graph.stored import Stored
from battcrm.graph.sync import EventRef, Projector
from battcrm.infra.neo4j import Graph
from battcrm.workers.layers import open_graph
from battcrm.workers.relay import bus_of
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)
_PROJECTED: Final = tuple(e.TYPE for e in EVENTS if e.TYPE.startswith(("client.", "appeal.", "repair.", "price.")))


def register_handlers(registry: HandlerRegistry, runtime: Runtime, graph: Graph | None) -> None:
    """Every consumer of the core. Independent layers add theirs here."""
    if graph is not None:
        register_graph(registry, Projector(Stored(runtime.pool), graph))


def register_graph(registry: HandlerRegistry, projector: Projector) -> None:
    """The projection into the graph: idempotent by the rows' versions."""

    async def apply(events: Sequence[Envelope]) -> None:
        await projector.apply([EventRef.of(event) for event in events])

    registry.external("graph", _PROJECTED, apply)


@asynccontextmanager
async def opened(runtime: Runtime) -> AsyncIterator[EventProcessor]:
    """An event processor on the runtime's servers; the graph connection is closed at the end."""
    graph = open_graph(runtime)
    try:
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


async def run(runtime: Runtime) -> None:
    """Follow until cancelled. Without Redis, or with nobody who follows, there is nothing to do."""
    if runtime.redis is None:
        log.warning("event_processor.no_redis", remedy="set REDIS_URL")
    else:
        async with opened(runtime) as processor:
            await processor.run()
    await asyncio.Event().wait()

"""What the first turns would otherwise wait for, done before a role takes work; until then `/readyz` says no.

A graph server that has just started answers slower than a turn waits: the first turns would open its circuit and go
on without history. Dictionaries, templates and statements cost the first clients time in the same way.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from battcrm.graph.context import GraphContextReader
from battcrm.infra.due import NO_TENANT, Claim
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.pipeline.turn import Layers
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.response.engine import builtin, builtin_keys
from battcrm.response.text import LANGUAGES
from battcrm.workers.reading import warm_reading
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)
_CONNECTIONS: Final = 2
# A graph that stays slow for so long is no reason to keep clients waiting: turns go on without it.
_GRAPH_S: Final = 20.0


async def warm_up(runtime: Runtime, layers: Layers) -> None:
    """Everything a turn uses has been used once. What is away stays cold: turns go on without it."""
    await warm_reading(layers.extractor)
    for language in LANGUAGES:
        for key in sorted(builtin_keys(language)):
            builtin(language, key)
        await asyncio.sleep(0)
    await warm_statements(runtime)
    if isinstance(layers.graph, GraphContextReader) and runtime.endpoints.neo4j_url is not None:
        await _warm_graph(layers.graph)


async def warm_statements(runtime: Runtime) -> None:
    """The loader's statements are prepared on the connections that stand open."""
    loader = TurnLoader(runtime.pool, runtime.clock, runtime.configs)
    nobody = Claim(NO_TENANT, NO_TENANT, 0, 0, None)
    try:
        await asyncio.gather(*(loader.load([nobody]) for _ in range(_CONNECTIONS)))
    except UNAVAILABLE as error:
        log.warning("warm_up.database", error=type(error).__name__)


async def _warm_graph(reader: GraphContextReader) -> None:
    try:
        async with asyncio.timeout(_GRAPH_S):
            warm = await reader.warm()
    except TimeoutError:
        warm = False
    if not warm:
        log.warning("warm_up.graph", remedy="is the graph server up? turns go on without it")

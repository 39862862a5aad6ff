"""Questions of turns at a steady rate: nothing cached, then everything cached."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from battcrm.devkit.bench.accounting import percentiles
from battcrm.devkit.bench.graph_seed import Asking
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.infra.neo4j import Graph
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.models.situation import ContextQuery

_CACHED: Final = 200
_WARMUP: Final = 200


async def measure(
    graph: Graph, pool: Pool, clock: Clock, known: Sequence[Asking], *, rate: float, seconds: float, seed: int
) -> dict[str, Any]:
    """Milliseconds from the moment a question was due; `missed` counts answers that lacked the graph."""
    rng = random.Random(seed)
    patient = GraphContextReader(graph, PostgresPricing(pool), clock, deadline=5.0, entries=0)
    await patient.warm()
    for one in rng.choices(known, k=_WARMUP):
        await patient.fetch(_query(one, clock))
    bare = GraphContextReader(graph, PostgresPricing(pool), clock, entries=0)
    missed: Counter[str] = Counter()
    uncached = await _ask(bare, clock, rng, known, rate, seconds, missed)
    full = GraphContextReader(graph, PostgresPricing(pool), clock)
    few = rng.sample(list(known), min(_CACHED, len(known)))
    for one in few:
        await full.fetch(_query(one, clock))
    cached = await _ask(full, clock, rng, few, rate, min(seconds, 5.0), missed)
    return {
        "asked_per_s": rate,
        "context_ms": percentiles(uncached),
        "context_cached_ms": percentiles(cached),
        "missed": dict(missed),
    }


async def _ask(
    reader: GraphContextReader,
    clock: Clock,
    rng: random.Random,
    known: Sequence[Asking],
    rate: float,
    seconds: float,
    missed: Counter[str],
) -> list[float]:
    """Open loop: a slow answer delays nobody else's question."""
    taken: list[float] = []
    start = clock.monotonic()

    async def ask(one: Asking, due: float) -> None:
        facts = await reader.fetch(_query(one, clock))
        taken.append((clock.monotonic() - due) * 1000)
        if facts.unavailable:
            missed[facts.unavailable] += 1

    async with asyncio.TaskGroup() as group:
        due = start
        while (due := due + rng.expovariate(rate)) < start + seconds:
            await clock.sleep(max(0.0, due - clock.monotonic()))
            group.create_task(ask(rng.choice(known), due))
    return taken


def _query(one: Asking, clock: Clock) -> ContextQuery:
    return ContextQuery(one.tenant_id, one.client_id, one.brand, one.model, (one.repair_type,), None, clock.now())

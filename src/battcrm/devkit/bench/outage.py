"""The graph server dies under load and comes back: what turns did meanwhile, and how soon the graph was right again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from battcrm.devkit.bench.accounting import percentiles
from battcrm.devkit.bench.world import Bench, listening_on
from battcrm.graph.check import Checker
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.infra import embedded
from battcrm.infra.neo4j import Graph
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError

Progress = Callable[[str, float], None]
BEFORE: Final = 10.0
"""Seconds of load before the server dies; it is back five seconds before the load ends."""
AFTER: Final = 5.0
_LIMIT: Final = 120.0
_AGAIN: Final = 0.5
_PAGE: Final = 200

_DECIDED: Final = """
SELECT t.started_at, t.finished_at, t.timings, d.inputs #>> '{graph,unavailable}' AS lacked
FROM turn t JOIN decision d ON d.tenant_id = t.tenant_id AND d.turn_id = t.turn_id
WHERE t.tenant_id IS NOT NULL AND t.state IN ('posted', 'silent') AND t.timings ? 'graph_ms'
"""


@dataclass(slots=True)
class Outage:
    """What happened when; `right_after_s` is None when the graph still differed after two minutes."""

    died: datetime
    back: datetime
    right_after_s: float | None = None
    drift: int = 0


async def interrupt(bench: Bench, pool: Pool, seconds: float, progress: Progress) -> Outage:
    """Kill the graph server, start it again on its data `seconds` later, and wait until `graph check` finds nothing.

    What a run is seeded with comes without events, so it is not in the graph before: that is no drift here.
    """
    clock = SystemClock()
    seeded = await _drift(bench, pool) or set()
    await asyncio.sleep(BEFORE)
    died = clock.now()
    for process in listening_on(urlsplit(bench.servers.neo4j_url).port):
        process.kill()
    progress(f"the graph server is away for {seconds:g} s", 0.0)
    await asyncio.sleep(seconds)
    await embedded.start(bench.servers.home, which=frozenset({"graph"}))
    outage = Outage(died, clock.now())
    began = time.monotonic()
    progress("the graph server is back", 0.0)
    while time.monotonic() - began < _LIMIT:
        found = await _drift(bench, pool)
        outage.drift = -1 if found is None else len(found - seeded)
        if not outage.drift:
            outage.right_after_s = round(time.monotonic() - began, 1)
            break
        await asyncio.sleep(_AGAIN)
    return outage


async def _drift(bench: Bench, pool: Pool) -> set[str] | None:
    """Nodes that are missing, different or too many, over all tenants; None when the graph did not answer."""
    clock, stored = SystemClock(), Stored(pool)
    servers = bench.servers
    graph = Graph.open(
        servers.neo4j_url, servers.neo4j_user, servers.neo4j_password, clock=clock, database=servers.neo4j_database
    )
    checker = Checker(stored, graph, Projector(stored, graph))
    found: set[str] = set()
    after = None
    try:
        while page := await stored.tenants(after, _PAGE):
            for tenant_id in page:
                drifts = await checker.check(tenant_id)
                found.update(*((*d.missing, *d.different, *d.extra) for d in drifts))
            after = page[-1]
    except BattError:
        return None
    finally:
        await graph.close()
    return found


async def report(pool: Pool, outage: Outage) -> dict[str, Any]:
    """Turns that asked the graph, while it was away and otherwise: how long they waited for it and took in all."""
    rows = await pool.fetch(_DECIDED)
    away = [row for row in rows if outage.died <= row["started_at"] <= outage.back]
    there = [row for row in rows if not outage.died <= row["started_at"] <= outage.back]
    return {
        "away_s": round((outage.back - outage.died).total_seconds(), 1),
        "right_after_s": outage.right_after_s,
        "drift": outage.drift,
        "turns_away": _turns(away),
        "turns_otherwise": _turns(there),
    }


def _turns(rows: list[Any]) -> dict[str, Any]:
    own = [_own_ms(row) for row in rows]
    lacked = Counter(row["lacked"] for row in rows if row["lacked"] and row["lacked"] != "not_asked")
    asked = [row["timings"]["graph_ms"] for row in rows if row["lacked"] != "not_asked"]
    return {"n": len(rows), "lacked": dict(lacked), "graph_ms": percentiles(asked), "turn_ms": percentiles(own)}


def _own_ms(row: Any) -> float:
    model = row["timings"].get("provider_ms") or row["timings"].get("model_ms", 0.0)
    taken = (row["finished_at"] - row["started_at"]).total_seconds() * 1000
    return float(max(0.0, taken - model))

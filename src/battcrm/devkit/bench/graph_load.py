"""How fast the graph is filled and asked: `python -m battcrm.devkit.bench.graph_load`.

A past of any size is written into a throw-away PostgreSQL, projected as `battcrm graph rebuild` does, and then asked as
turns ask, at a steady rate. The graph is the embedded one, or with --url a Neo4j that holds nothing yet.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import psutil
import typer

from battcrm.devkit.bench.graph_ask import measure
from battcrm.devkit.bench.graph_seed import Asking, Size, seed_past
from battcrm.devkit.bench.world import listening_on
from battcrm.graph.dialect import Dialect
from battcrm.graph.schema import migrate
from battcrm.graph.stored import ENTITIES, Stored
from battcrm.graph.sync import Projector
from battcrm.infra import embedded
from battcrm.infra.migrate import upgrade
from battcrm.infra.neo4j import Graph, Statement
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import BattError, Invalid

_SOMEBODY: Final = "MATCH (n:Client) WHERE n.tenant_id > '' RETURN n.id AS id LIMIT 1"
_REMOVE: Final = (
    "MATCH (n:Repair {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Appeal {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Device {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Client {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Part {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Model {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
    "MATCH (n:Brand {tenant_id: $tenant_id}) WHERE n.id > '' DETACH DELETE n",
)


@dataclass(frozen=True, slots=True)
class Options:
    """`limit` seconds of projecting at most; `writers` tenants at a time; then `seconds` of questions at `rate`."""

    size: Size
    rate: float
    seconds: float
    limit: float
    writers: int
    seed: int = 1
    url: str = ""
    remove: bool = False


@dataclass(slots=True)
class Filled:
    """What was projected, by entity, and how long the writers spent on each."""

    rows: Counter[str] = field(default_factory=Counter)
    busy: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    tenants: set[UUID] = field(default_factory=set)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


async def run(options: Options) -> dict[str, Any]:
    """Fill, ask, report. Raises Invalid when the given graph is not empty."""
    clock = SystemClock()
    async with _servers(options, clock) as (pool, graph, dialect, server, database_url):
        _say(f"writing the past of {options.size.tenants} shops")
        asking = await seed_past(database_url, options.size, clock, options.seed)
        _say(f"projecting into {dialect.name}")
        filled = await _fill(options, pool, graph, dialect, server)
        known = [one for one in asking if one.tenant_id in filled.tenants]
        _say(f"asking {options.rate:g} times a second")
        asked = await measure(graph, pool, clock, known, rate=options.rate, seconds=options.seconds, seed=options.seed)
        report = _report(options, dialect, filled, server) | asked
        if options.size.lone:
            report["lone_client"] = await _lone(graph, pool, clock, known, options)
        if options.remove:
            _say("removing what was written")
            await _remove(graph, filled.tenants)
        return report


async def _lone(graph: Graph, pool: Pool, clock: Clock, known: Sequence[Asking], options: Options) -> dict[str, Any]:
    """The same questions from the one client who has most of the appeals."""
    counted = Counter(one.client_id for one in known)
    ((client, _),) = counted.most_common(1)
    own = [one for one in known if one.client_id == client]
    return await measure(graph, pool, clock, own, rate=min(options.rate, 20.0), seconds=10.0, seed=options.seed)


@asynccontextmanager
async def _servers(
    options: Options, clock: Clock
) -> AsyncIterator[tuple[Pool, Graph, Dialect, list[psutil.Process], str]]:
    which = frozenset({"postgres"}) if options.url else frozenset({"postgres", "graph"})
    async with embedded.temporary(which) as servers:
        await upgrade(servers.postgres_url)
        url = options.url or servers.neo4j_url
        graph = Graph.open(
            url,
            servers.neo4j_user or "neo4j",
            servers.neo4j_password or "any",
            clock=clock,
            database=servers.neo4j_database or None,
        )
        pool = await open_pool(servers.postgres_url, maximum=max(4, options.writers + 1))
        try:
            dialect = await migrate(graph)
            if await graph.read(_SOMEBODY, {}):
                raise Invalid("the graph is not empty", field="--url", remedy="give an empty server")
            yield pool, graph, dialect, listening_on(urlsplit(url).port), servers.postgres_url
        finally:
            await pool.close()
            await graph.close()


async def _fill(
    options: Options, pool: Pool, graph: Graph, dialect: Dialect, server: Sequence[psutil.Process]
) -> Filled:
    filled = Filled()
    waiting = await Stored(pool).tenants(None, options.size.tenants)
    waiting.reverse()
    began, cpu = time.monotonic(), _cpu(server)

    async def writer() -> None:
        projector = Projector(Stored(pool), graph, batch=dialect.write_batch)
        while waiting and time.monotonic() - began < options.limit:
            tenant_id = waiting.pop()
            await _project(projector, tenant_id, filled)
            filled.tenants.add(tenant_id)
            if len(filled.tenants) % 50 == 0:
                _say(f"{len(filled.tenants)} shops, {filled.rows['appeal'] / (time.monotonic() - began):.0f} appeals/s")

    async with asyncio.TaskGroup() as group:
        for _ in range(options.writers):
            group.create_task(writer())
    filled.seconds = time.monotonic() - began
    filled.cpu_seconds = _cpu(server) - cpu
    return filled


async def _project(projector: Projector, tenant_id: UUID, filled: Filled) -> None:
    last: dict[str, float] = {"at": time.monotonic()}

    def progress(_tenant: UUID, entity: str, done: int) -> None:
        now = time.monotonic()
        filled.busy[entity] += now - last["at"]
        last["at"] = now
        last[entity] = done

    await projector.rebuild(tenant_id, progress)
    for entity in ENTITIES:
        filled.rows[entity] += int(last.get(entity, 0))


async def _remove(graph: Graph, tenants: set[UUID]) -> None:
    for tenant_id in tenants:
        parameters = {"tenant_id": str(tenant_id)}
        for text in _REMOVE:
            await graph.write([Statement(text, parameters)], deadline=120.0)


def _report(options: Options, dialect: Dialect, filled: Filled, server: Sequence[psutil.Process]) -> dict[str, Any]:
    rows = sum(filled.rows.values())
    return {
        "server": f"{dialect.name} {dialect.version}",
        "offered": {"tenants": options.size.tenants, "clients": options.size.clients, "appeals": options.size.appeals},
        "projected": {"tenants": len(filled.tenants), **filled.rows},
        "seconds": round(filled.seconds, 1),
        "appeals_per_s": round(filled.rows["appeal"] / filled.seconds, 1),
        "rows_per_s": round(rows / filled.seconds, 1),
        "rows_per_s_of_one_writer": {
            name: round(filled.rows[name] / busy, 1) for name, busy in filled.busy.items() if busy
        },
        "server_cpu_ms_per_row": round(filled.cpu_seconds * 1000 / max(1, rows), 3),
        "server_rss_mb": round(sum(p.memory_info().rss for p in server) / 1e6, 1),
        "writers": options.writers,
        "seed": options.seed,
    }


def _cpu(server: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in server]
    return sum(t.user + t.system for t in times)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def main(
    tenants: Annotated[int, typer.Option(help="Shops.")] = 100,
    clients: Annotated[int, typer.Option(help="Clients of all shops together.")] = 30_000,
    appeals: Annotated[int, typer.Option(help="Appeals of all shops together; every third has a repair.")] = 100_000,
    lone: Annotated[int, typer.Option(help="More appeals, all of one client.")] = 0,
    rate: Annotated[float, typer.Option(help="Questions a second after filling.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="Length of the questions.")] = 30.0,
    limit: Annotated[float, typer.Option(help="Stop filling after so many seconds.")] = 1200.0,
    writers: Annotated[int, typer.Option(help="Shops at the same time; more than one pays on Neo4j.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    url: Annotated[str, typer.Option(help="An empty Neo4j; without it, the embedded server.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Remove from the given server what was written.")] = False,
) -> None:
    """Fill a graph and ask it; prints one JSON document."""
    options = Options(Size(tenants, clients, appeals, lone), rate, seconds, limit, writers, seed, url, remove)
    try:
        report = asyncio.run(run(options))
    except BattError as error:
        typer.echo(f"error: {error.text}", err=True)
        raise typer.Exit(2) from None
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    typer.run(main)

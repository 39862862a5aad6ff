"""`battcrm graph rebuild|check`: the projection of the shop's past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from battcrm.cli import stores
from battcrm.graph.check import Checker, Drift
from battcrm.graph.schema import migrate
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import IdFactory
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings

app = typer.Typer(help="The graph: a projection of PostgreSQL that may be lost and rebuilt.", no_args_is_help=True)
_PAGE: Final = 200
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Slug or id; without it, all tenants.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def rebuild(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Project every client, appeal, repair and price again; safe while the system runs."""
    total = asyncio.run(_rebuild(tenant))
    typer.echo(json.dumps({"rows": total}) if as_json else f"{total} rows projected")


@app.command()
def check(
    tenant: TenantOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the graph with PostgreSQL, every property and edge. Exit 1 when they differ and --repair was not given."""
    found = asyncio.run(_check(tenant, repair=repair))
    drifted = any(not drift.ok for _, drifts in found for drift in drifts)
    if as_json:
        typer.echo(json.dumps(_document(found, drifted=drifted, repaired=repair)))
    else:
        _print(found)
    if drifted and not repair:
        raise typer.Exit(1)


async def _rebuild(tenant: str | None) -> int:
    async with AsyncExitStack() as stack:
        stored, projector, _, chosen = await _open(stack, tenant)
        del stored
        with Progress(console=Console(stderr=True), transient=True) as bar:
            tasks: dict[tuple[UUID, str], Any] = {}

            def show(tenant_id: UUID, entity: str, done: int) -> None:
                key = (tenant_id, entity)
                if key not in tasks:
                    tasks[key] = bar.add_task(f"{tenant_id} {entity}", total=None)
                bar.update(tasks[key], completed=done)

            if tenant is None:
                return await projector.rebuild_all(show)
            return await projector.rebuild(chosen[0], show)


async def _check(tenant: str | None, *, repair: bool) -> list[tuple[UUID, list[Drift]]]:
    async with AsyncExitStack() as stack:
        stored, _, checker, chosen = await _open(stack, tenant)
        if tenant is not None:
            return [(chosen[0], await checker.check(chosen[0], repair=repair))]
        found, after = [], None
        while page := await stored.tenants(after, _PAGE):
            found += [(tenant_id, await checker.check(tenant_id, repair=repair)) for tenant_id in page]
            after = page[-1]
        return found


async def _open(stack: AsyncExitStack, tenant: str | None) -> tuple[Stored, Projector, Checker, list[UUID]]:
    settings, clock = load_settings(), SystemClock()
    pool = await stack.enter_async_context(stores.database(settings, clock))
    graph = await stack.enter_async_context(stores.graph(settings, clock))
    dialect = await migrate(graph)
    stored = Stored(pool)
    projector = Projector(stored, graph, batch=dialect.write_batch)
    chosen = [] if tenant is None else [(await Tenants(pool, clock, IdFactory(clock)).find(tenant)).tenant_id]
    return stored, projector, Checker(stored, graph, projector), chosen


def _document(found: Sequence[tuple[UUID, list[Drift]]], *, drifted: bool, repaired: bool) -> dict[str, Any]:
    labels = [
        {
            "tenant": str(tenant_id),
            "label": d.label,
            "stored": d.stored,
            "in_graph": d.in_graph,
            "missing": len(d.missing),
            "different": len(d.different),
            "extra": len(d.extra),
            "checksum": f"{d.stored_checksum:016x}",
            "examples": [*d.missing, *d.different, *d.extra][:5],
        }
        for tenant_id, drifts in found
        for d in drifts
    ]
    return {"ok": not drifted, "repaired": repaired and drifted, "labels": labels}


def _print(found: Sequence[tuple[UUID, list[Drift]]]) -> None:
    table = Table("tenant", "label", "stored", "in graph", "missing", "different", "extra")
    for tenant_id, drifts in found:
        for d in drifts:
            counts = (d.stored, d.in_graph, len(d.missing), len(d.different), len(d.extra))
            table.add_row(str(tenant_id), d.label, *map(str, counts))
    Console().print(table)

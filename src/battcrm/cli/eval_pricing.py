"""`battcrm eval pricing`: how good quotes would have been."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from battcrm.graph.evaluation import Past, PricingReport, replay
from battcrm.graph.pricing import Sample
from battcrm.graph.settings import PricingSettings
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Invalid
from battcrm.settings import load_settings

_PAGE: Final = 5000
_READ: Final = """
SELECT repair_id, brand, model, labour_amount, part_amount, total_amount, part_owner, closed_at, repair_types[1] AS kind
FROM repair_record
WHERE tenant_id = $1 AND repair_id > $2 AND status = 'done' AND cardinality(repair_types) = 1 AND closed_at IS NOT NULL
ORDER BY tenant_id, repair_id LIMIT $3
"""


def register(app: typer.Typer) -> None:
    """Add the command to the `eval` group."""
    app.command("pricing")(pricing)


def pricing(
    file: Annotated[Path | None, typer.Argument(help="Journal of repairs (CSV or XLSX); needs no server.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Or: a tenant's own repairs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Quote every past repair from the earlier ones alone: coverage, width, refusals. Exit 1 when a target is missed."""
    if (file is None) == (tenant is None):
        raise Invalid("give a file or --tenant", field="FILE", remedy="battcrm eval pricing repairs.csv")
    past = _from_file(file) if file is not None else asyncio.run(_from_tenant(str(tenant)))
    report = replay(past, PricingSettings())
    if as_json:
        typer.echo(json.dumps(report.document()))
    else:
        _print(report)
    if not report.passed:
        raise typer.Exit(1)


def _from_file(file: Path) -> list[Past]:
    from battcrm.extraction.gazetteer.catalogue import Catalogue
    from battcrm.services.imports.parsing import Reading, read_repairs
    from battcrm.services.imports.records import RepairRecord

    now = SystemClock().now()
    past = []
    for item in read_repairs(file, {}, Reading(Catalogue.load().resolve, ZoneInfo("Europe/Moscow"), now, now)):
        r = item.record
        if isinstance(r, RepairRecord) and r.status == "done" and r.closed_at and len(r.repair_types) == 1:
            ref = UUID(int=item.row)
            sample = Sample(ref, r.brand, r.model, r.labour, r.part, r.total, r.part_owner, r.closed_at)
            past.append(Past(sample, r.repair_types[0]))
    return past


async def _from_tenant(tenant: str) -> list[Past]:
    from battcrm.cli import stores
    from battcrm.kit.ids import IdFactory
    from battcrm.services.tenants import Tenants

    clock = SystemClock()
    past: list[Past] = []
    async with stores.database(load_settings(), clock) as pool:
        found = await Tenants(pool, clock, IdFactory(clock)).find(tenant)
        after = UUID(int=0)
        while rows := await pool.fetch(_READ, found.tenant_id, after, _PAGE):
            past += [Past(Sample(*tuple(row)[:8]), row["kind"]) for row in rows]
            after = rows[-1]["repair_id"]
    return past


def _print(report: PricingReport) -> None:
    table = Table("measure", "value", "target")
    table.add_row("asked / with enough earlier repairs", f"{report.asked} / {report.enough}", "")
    table.add_row("quoted", str(report.quoted), "")
    table.add_row("real price inside the range", f"{report.covered:.1%}", "80-90 %")
    table.add_row("median width of the range", f"{report.median_width:.1%}", "<= 35 %")
    table.add_row("refused although enough repairs", f"{report.refused_enough:.1%}", "<= 25 %")
    plain = f"{report.baseline_width:.1%} at {report.baseline_covered:.1%}"
    table.add_row("same model, all time, plain quantiles", plain, "wider than ours")
    for reason, count in sorted(report.refusals.items()):
        table.add_row(f"refused: {reason}", str(count), "")
    Console().print(table)

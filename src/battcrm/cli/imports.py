"""`battcrm import prices|repairs`: a shop's own files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from battcrm.cli import stores
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Invalid
from battcrm.kit.ids import IdFactory
from battcrm.services.imports.parsing import Item, Reading, read_prices, read_repairs
from battcrm.services.imports.records import ImportReport
from battcrm.services.imports.service import Imports
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings

app = typer.Typer(help="Import price lists and past repairs (CSV or XLSX).", no_args_is_help=True)
Reader = Callable[[Path, Mapping[str, str], Reading], Iterator[Item]]

FileArgument = Annotated[Path, typer.Argument(help="CSV (any encoding) or XLSX; the first row names the columns.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Slug or id of the tenant.")]
MapOption = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN where the header is not understood.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")]
SourceOption = Annotated[str, typer.Option("--source", help="Name of the origin; ids are unique within it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def prices(
    file: FileArgument,
    tenant: TenantOption,
    columns: MapOption = None,
    dry_run: DryOption = False,
    source: SourceOption = "file",
    as_json: JsonOption = False,
) -> None:
    """Import a price list. Importing the same file again changes nothing. Exit 1 when rows were left out."""
    _finish(asyncio.run(_run(read_prices, file, tenant, _mapping(columns), source, dry_run=dry_run)), as_json)


@app.command()
def repairs(
    file: FileArgument,
    tenant: TenantOption,
    columns: MapOption = None,
    dry_run: DryOption = False,
    source: SourceOption = "file",
    as_json: JsonOption = False,
) -> None:
    """Import a journal of past repairs. Importing the same file again changes nothing. Exit 1 when rows were left out."""
    _finish(asyncio.run(_run(read_repairs, file, tenant, _mapping(columns), source, dry_run=dry_run)), as_json)


async def _run(
    reader: Reader, file: Path, tenant: str, given: Mapping[str, str], source: str, *, dry_run: bool
) -> ImportReport:
    settings, clock = load_settings(), SystemClock()
    async with stores.database(settings, clock) as pool:
        ids = IdFactory(clock)
        found = await Tenants(pool, clock, ids).find(tenant)
        now = clock.now()
        reading = Reading(Catalogue.load().resolve, ZoneInfo(found.timezone), now, _written(file, now))
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task("rows", total=None)
            return await Imports(pool, clock, ids).run(
                found.tenant_id,
                reader(file, given, reading),
                source=source,
                dry_run=dry_run,
                progress=lambda rows: bar.update(task, completed=rows),
            )


def _written(file: Path, now: datetime) -> datetime:
    try:
        return min(datetime.fromtimestamp(file.stat().st_mtime, UTC), now)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}", field="FILE", remedy="check the path") from None


def _mapping(columns: list[str] | None) -> dict[str, str]:
    mapping = {}
    for pair in columns or []:
        field, sign, title = pair.partition("=")
        if not sign or not field.strip() or not title.strip():
            raise Invalid(f"{pair!r} is no FIELD=COLUMN", field="--map", remedy="for example --map total=Сумма")
        mapping[field.strip()] = title.strip()
    return mapping


def _finish(report: ImportReport, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False))
    else:
        _print(report)
    if report.rejected:
        raise typer.Exit(1)


def _print(report: ImportReport) -> None:
    console = Console()
    verb = "would be " if report.dry_run else ""
    console.print(
        f"{report.rows} rows: {verb}created {report.created}, {verb}updated {report.updated}, "
        f"unchanged {report.unchanged}, repeated {report.duplicates}, left out {report.rejected}, "
        f"models not in the catalogue {report.unknown_models}",
        highlight=False,
    )
    if not report.errors:
        return
    table = Table("row", "field", "problem", "remedy")
    for error in report.errors:
        table.add_row(str(error.row), error.field, error.text, error.remedy)
    console.print(table)

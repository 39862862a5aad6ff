"""`battcrm bench --channels all`: run it and print what it found."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


def bench_all(
    *,
    rate: float,
    seconds: float,
    llm_share: float,
    tenants: int,
    seed: int,
    graph: bool,
    outage: float,
    errors: float,
    logs: str,
    as_json: bool,
) -> None:
    """Exit 1 if a message was lost or doubled, or a send's outcome is unknown without a cause."""
    from battcrm.devkit.bench.channels import Options, run
    from battcrm.devkit.bench.channels_report import failed

    options = Options(
        rate=rate,
        seconds=seconds,
        seed=seed,
        tenants=tenants,
        graph=graph,
        model_share=llm_share,
        outage=outage,
        errors=errors,
        logs=Path(logs) if logs else None,
    )
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("bench", total=1.0)
        report = asyncio.run(run(options, lambda text, share: bar.update(task, description=text, completed=share)))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        _print(report)
    if failed(report):
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    console = Console()
    names = ("sent", "covered", "silent", "replied", "lost", "duplicated", "unknown", "waiting")
    table = Table("channel", *names, "own p50", "p95", "p99", title="messages and own time, ms")
    for kind, channel in report["channels"].items():
        times = channel["own_ms"]
        cells = [str(channel[name]) for name in names]
        table.add_row(kind, *cells, *(str(times[p]) for p in ("p50", "p95", "p99")))
    times = report["own_ms"]
    total = [str(report[name]) for name in names]
    table.add_row("all", *total, *(str(times[p]) for p in ("p50", "p95", "p99")), style="bold")
    console.print(table)
    console.print(f"scripted errors: {report['faults']}; unknown because of: {report['unknown_causes']}")
    away = report["outage"]
    if away:
        console.print(
            f"own p95 of the others: {away['p95_one_away_ms']} ms with one platform away, "
            f"{away['p95_all_there_ms']} ms with all there ({away['slower']:+.0%}, spread {away['spread']:.0%})"
        )
    for line in report["examples"]:
        console.print(line)

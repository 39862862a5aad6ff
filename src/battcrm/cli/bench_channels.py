"""`battcrm bench --channels all`: run it and print what it found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from battcrm.cli.dev import with_bar


def bench_all(
    rate: float | None,
    seconds: float | None,
    llm_share: float,
    tenants: int | None,
    seed: int,
    trouble: tuple[float, float],
    *,
    graph: bool,
    logs: str,
    as_json: bool,
) -> None:
    """`trouble` = seconds of an outage, share of errors. Exit 1 if a message was lost or doubled, or a send's outcome is
    unknown without a cause."""
    from battcrm.devkit.bench.channels import Options, run
    from battcrm.devkit.bench.channels_report import failed

    options = Options(
        rate=rate or 24.0,
        seconds=seconds or 120.0,
        seed=seed,
        tenants=tenants or 4,
        graph=graph,
        model_share=llm_share,
        outage=trouble[0],
        errors=trouble[1],
        logs=Path(logs) if logs else None,
    )
    report = with_bar(lambda progress: run(options, progress))
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

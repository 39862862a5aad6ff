"""`battcrm bench --flood N`: does one tenant's flood move the others?"""

from __future__ import annotations

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from battcrm.devkit.bench.flood import Options, run
from battcrm.devkit.bench.world import Shape


def bench_flood(
    times: float, rate: float | None, seconds: float | None, tenants: int | None, share: float, *, as_json: bool
) -> None:
    """Play the three phases and print the report; exit 1 when the others' p95 moved too far, or something was lost."""
    from battcrm.cli.dev import with_bar

    shape = Shape(tenants=tenants or 100, model=share > 0)
    options = Options(rate or 100.0, times, seconds or 25.0, model_share=share, shape=shape)
    report = with_bar(lambda progress: run(options, progress))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        _print(report)
    if not report["ok"]:
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    columns = ("phase", "accepted", "lost", "doubled", "others p50", "others p95", "others p99", "flooder p95")
    table = Table(*columns, title=f"one tenant at {report['times']:g} times its share; own time in ms")
    for phase in report["phases"]:
        others, flooder = phase["others_own_ms"], phase["flooder_own_ms"]
        counts = (phase["accepted"], phase["lost"], phase["duplicated"])
        times = (others["p50"], others["p95"], others["p99"], flooder["p95"])
        table.add_row(phase["kind"], *(str(value) for value in (*counts, *times)))
    console = Console()
    console.print(table)
    moved, spread = report["moved_share"], report["spread_share"]
    console.print(
        f"others' p95 moved by {moved:+.1%}; spread of the quiet phases {spread:.1%}; allowed: 20 % or the spread"
    )

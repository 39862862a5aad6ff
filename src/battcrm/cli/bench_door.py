"""`battcrm bench --door`: run it and print what it found."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console

from battcrm.cli.dev import with_bar


def bench_door(seconds: float, tenants: int, *, as_json: bool) -> None:
    """Exit 1 if an acknowledged webhook is not stored, or one is stored twice."""
    from battcrm.devkit.bench.door import Load, run

    report = with_bar(lambda progress: run(Load(seconds, tenants=tenants), progress))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        console = Console()
        console.print(f"{report['accepted']} webhooks acknowledged, {report['accepted_per_s']} a second")
        console.print(f"ms until acknowledged: {report['ack_ms']}")
        console.print(f"CPU ms a webhook: {report['cpu_ms_per_message_by_process']}")
        console.print(f"refused {report['refused']}, lost {report['lost']}, duplicated {report['duplicated']}")
    if report["lost"] or report["duplicated"]:
        raise typer.Exit(1)

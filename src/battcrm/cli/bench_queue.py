"""`battcrm bench-queue`: the load test of the bridge to n8n."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from battcrm.devkit.bench.queue import QueueOptions


Name = Annotated[str, typer.Option(help="The Redis list.")]
Rate = Annotated[float, typer.Option(help="Tasks a second.")]
Seconds = Annotated[float, typer.Option(help="Length of the measured load.")]
Warmup = Annotated[float, typer.Option(help="Seconds of load before it.")]
Concurrency = Annotated[int, typer.Option(help="Tasks in flight in one worker.")]
Workers = Annotated[int, typer.Option(help="Worker processes.")]
Kills = Annotated[int, typer.Option(help="kill -9 a worker that often, at random moments.")]
Share = Annotated[float, typer.Option(min=0, max=1, help="Share of tasks that need the model.")]
Shops = Annotated[int, typer.Option(min=1, help="Tenants the tasks belong to.")]
Pushed = Annotated[str, typer.Option(help="The side tasks are pushed to.")]
Seed = Annotated[int, typer.Option(help="Seed of the schedule.")]
Logs = Annotated[Path | None, typer.Option(help="Keep the processes' logs in this folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def bench_queue(
    *,
    queue: Name = "ai_extraction_queue",
    rate: Rate = 300.0,
    seconds: Seconds = 30.0,
    warmup: Warmup = 5.0,
    concurrency: Concurrency = 400,
    workers: Workers = 1,
    kills: Kills = 0,
    llm_share: Share = 1.0,
    tenants: Shops = 20,
    pushed: Pushed = "left",
    seed: Seed = 1,
    logs: Logs = None,
    as_json: AsJson = False,
) -> None:
    """Push tasks as n8n does and measure the AI worker that takes them; exit 1 if one was lost."""
    from battcrm.devkit.bench.queue import QueueOptions

    load = {"queue": queue, "rate": rate, "seconds": seconds, "warmup": warmup, "tenants": tenants, "seed": seed}
    shape = {"concurrency": concurrency, "workers": workers, "kills": kills, "model_share": llm_share, "pushed": pushed}
    report = _measured(QueueOptions(**load, **shape, logs=logs))  # type: ignore[arg-type]  # names are the fields'
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        _print(report)
    if report["lost"] or report["waiting"] or report["dead"]:
        raise typer.Exit(1)


def _measured(options: QueueOptions) -> dict[str, Any]:
    from battcrm.devkit.bench.queue import run_queue

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("bench", total=1.0)
        return asyncio.run(run_queue(options, lambda text, share: bar.update(task, description=text, completed=share)))


def _print(report: dict[str, Any]) -> None:
    table = Table("what", "value", title="tasks")
    for name in (
        "offered_per_s",
        "done_per_s",
        "pushed",
        "done",
        "lost",
        "dead",
        "waiting",
        "degraded",
        "llm_calls",
        "kills",
    ):
        table.add_row(name, str(report[name]))
    for name, value in report["latency_ms"].items():
        table.add_row(f"latency {name}, ms", str(value))
    for name in ("worker_rss_mb", "worker_cpu_ms_per_task", "drain_seconds"):
        table.add_row(name, str(report[name]))
    Console().print(table)

"""Commands that bring emulators along: the demo, the bench, the faults."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from battcrm.devkit.bench.runner import Options


def bench(
    *,
    rate: Annotated[float | None, typer.Option(help="Messages a second: 170, or 24 over all channels.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the load: 60, or 120 over all channels.")] = None,
    llm_share: Annotated[float, typer.Option(help="Share of dialogues that need a model.")] = 0.3,
    tenants: Annotated[int | None, typer.Option(help="Tenants: 200 with a bot each, or 4 with all channels.")] = None,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 1,
    split: Annotated[bool, typer.Option("--split", help="A process for each role, as in containers.")] = False,
    debounce: Annotated[float, typer.Option(help="Quiet window in seconds.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the schedule.")] = 1,
    warmup: Annotated[float, typer.Option(help="Seconds of load before measuring CPU.")] = 5.0,
    graph: Annotated[bool, typer.Option(help="Run the graph server.")] = True,
    profile: Annotated[str, typer.Option(help="Write a py-spy flame graph of the worker to this file.")] = "",
    logs: Annotated[str, typer.Option(help="Keep the processes' logs in this folder.")] = "",
    channels: Annotated[str, typer.Option(help="all = every messenger, with errors and outages.")] = "telegram",
    outage: Annotated[float, typer.Option(help="Over all channels: seconds that one platform is away.")] = 60.0,
    errors: Annotated[float, typer.Option(help="Over all channels: share of sends that go wrong.")] = 0.02,
    flood: Annotated[float, typer.Option(help="Times its share that one tenant sends: do the others feel it?")] = 0.0,
    graph_outage: Annotated[float, typer.Option(help="Kill the graph server for so many seconds.")] = 0.0,
    preload: Annotated[str, typer.Option(help="full or TENANTS:CLIENTS:MESSAGES, +snapshot: compare with empty.")] = "",
    door: Annotated[bool, typer.Option("--door", help="Only the gateway: webhooks as fast as it takes them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure throughput and latency end to end on throw-away servers; exit 1 if anything was lost or doubled."""
    if door:
        from battcrm.cli.bench_door import bench_door

        bench_door(seconds or 20.0, tenants or 200, as_json=as_json)
    elif channels == "all":
        from battcrm.cli.bench_channels import bench_all

        bench_all(rate, seconds, llm_share, tenants, seed, (outage, errors), graph=graph, logs=logs, as_json=as_json)
    elif preload or flood:
        _compare(preload, flood, rate, seconds, tenants, llm_share, as_json=as_json)
    elif channels == "telegram":
        shape = {"tenants": tenants or 200, "graph": graph, "workers": workers, "split": split, "debounce": debounce}
        pace = {"rate": rate or 170.0, "seconds": seconds or 60.0, "warmup": warmup, "graph_outage": graph_outage}
        _telegram(shape, {**pace, "seed": seed}, llm_share, _path(profile), _path(logs), as_json=as_json)
    else:
        raise typer.BadParameter("must be all or telegram", param_hint="--channels")


def _compare(
    preload: str,
    flood: float,
    rate: float | None,
    seconds: float | None,
    tenants: int | None,
    share: float,
    *,
    as_json: bool,
) -> None:
    if preload:
        from battcrm.cli.bench_grown import bench_grown

        bench_grown(preload, rate, seconds, share, as_json=as_json)
    else:
        from battcrm.cli.bench_flood import bench_flood

        bench_flood(flood, rate, seconds, tenants, share, as_json=as_json)


def _telegram(
    shape: dict[str, Any], pace: dict[str, Any], share: float, profile: Path | None, logs: Path | None, *, as_json: bool
) -> None:
    from battcrm.devkit.bench.runner import Options
    from battcrm.devkit.bench.world import Shape

    if shape["split"] and shape["workers"] > 1:
        raise typer.BadParameter("give one of --workers and --split", param_hint="--workers")
    made = Shape(**shape, model=share > 0)
    options = Options(**pace, shape=made, model_share=share, profile=profile, logs=logs)
    _bench(options.stretched(), as_json=as_json)


def _bench(options: Options, *, as_json: bool) -> None:
    from battcrm.devkit.bench.runner import run

    report = with_bar(lambda progress: run(options, progress))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        _print(report)
    if report["lost"] or report["duplicated"]:
        raise typer.Exit(1)


def with_bar(work: Callable[[Callable[[str, float], None]], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """Run a bench under a bar on standard error; its report."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("bench", total=1.0)
        return asyncio.run(work(lambda text, share: bar.update(task, description=text, completed=share)))


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _print(report: dict[str, Any]) -> None:
    console = Console()
    counts = Table("what", "count", title="messages")
    for name in ("sent", "accepted", "covered", "silent", "replied", "lost", "duplicated", "unknown", "waiting"):
        counts.add_row(name, str(report[name]))
    console.print(counts)
    times = Table("ms", "p50", "p95", "p99", "max", title="latency")
    rows = {name: report[f"{name}_ms"] for name in ("ack", "own", "end_to_end")} | report["stages_ms"]
    for name, row in rows.items():
        times.add_row(name, *(str(row[p]) for p in ("p50", "p95", "p99", "max")))
    console.print(times)
    use = Table("process", "CPU ms/message", "MB", title="cost")
    for name, cpu in report["cpu_ms_per_message_by_process"].items():
        use.add_row(name, str(cpu), str(report["rss_mb_by_process"].get(name, "")))
    use.add_row("ours", str(report["cpu_ms_per_message"]), "")
    console.print(use)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Check every outcome and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run the whole system with emulated messengers, play sample dialogues, then stay open for yours."""
    from battcrm.devkit.demo.run import run

    raise typer.Exit(run(once=once, as_json=as_json))


script = typer.Typer(no_args_is_help=True, add_completion=False)


@script.callback()
def _script() -> None:
    """Play dialogue scripts against the real pipeline."""


@script.command("run")
def script_run(
    path: Annotated[Path, typer.Argument(help="A .yaml file of scripts, or a folder with some.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play the scripts on a throw-away database with their own clock; exit 1 if one does not go as expected."""
    from battcrm.devkit.scripts.format import load_scripts
    from battcrm.devkit.scripts.run import run

    report = asyncio.run(run(load_scripts(path)))
    rows = [{"file": r.file, "title": r.script.title, "wrong": r.wrong, "replies": r.replies} for r in report.results]
    if as_json:
        document = {"right": len(rows) - len(report.wrong), "seconds": round(report.seconds, 3), "scripts": rows}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        for result in report.wrong:
            typer.echo("\n  ".join((f"{result.file}: {result.script.title}", *result.wrong)))
        typer.echo(f"{len(rows) - len(report.wrong)} of {len(rows)} scripts right in {report.seconds:.1f} s")
    if report.wrong:
        raise typer.Exit(1)

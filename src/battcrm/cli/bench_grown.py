"""`battcrm bench --preload`: what does a full database cost?"""

from __future__ import annotations

import json
import sys

import typer

from battcrm.devkit.bench.grown import Options, run
from battcrm.devkit.bench.preload import Size


def bench_grown(size: str, rate: float | None, seconds: float | None, share: float, *, as_json: bool) -> None:
    """Compare an empty database with a full one by turns; exit 1 if anything was lost or doubled."""
    from battcrm.cli.dev import with_bar

    text, _, extra = size.partition("+")
    if extra not in ("", "snapshot"):
        raise typer.BadParameter("only +snapshot can be added", param_hint="--preload")
    options = Options(parse_size(text), rate or 100.0, seconds or 20.0, model_share=share, snapshot=bool(extra))
    report = with_bar(lambda progress: run(options, progress))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        for phase in report["phases"]:
            typer.echo(
                f"{'empty' if phase['kind'] == 'A' else 'full '} own p50/p95/p99 "
                f"{phase['own_ms']['p50']}/{phase['own_ms']['p95']}/{phase['own_ms']['p99']} ms, lost {phase['lost']}"
            )
        typer.echo(f"{report['messages']} messages, {report['database_gb']} GB, filled in {report['fill_seconds']} s")
        typer.echo(f"p95 full to empty: {report['ratio']}, spread of the empty phases {report['spread_share']:.1%}")
    if report["lost"] or report["duplicated"]:
        raise typer.Exit(1)


def parse_size(text: str) -> Size:
    """`full` = 1,000 tenants, a million clients, ten million messages; else TENANTS:CLIENTS:MESSAGES."""
    if text == "full":
        return Size()
    try:
        tenants, clients, messages = (int(part) for part in text.split(":"))
    except ValueError:
        raise typer.BadParameter("must be full, or such as 100:50000:500000", param_hint="--preload") from None
    return Size(tenants, clients, messages)

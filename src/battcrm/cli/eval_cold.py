"""`battcrm eval cold`: what a fresh process pays before it reads its first text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

_STATUS = Path("/proc/self/status")


def register(app: typer.Typer) -> None:
    """Add the command to the `eval` group."""
    app.command("cold")(cold)


def cold(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Time (processor milliseconds) and memory (megabytes) of loading the catalogue, the rules and the dictionary."""
    report = {name: cost for name, cost in _steps()}
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    for name, cost in report.items():
        typer.echo(f"{name:<12}{cost['ms']:>8.0f} ms{cost['mb']:>8.1f} MB")


def _steps() -> list[tuple[str, dict[str, float]]]:
    from battcrm.extraction.dispatcher import RuleReader
    from battcrm.extraction.gazetteer.catalogue import Catalogue
    from battcrm.extraction.normalise_morph import warm_up
    from battcrm.extraction.opinion.weights import load_weights
    from battcrm.extraction.rules.table import load_rules

    found = []
    for name, step in (
        ("catalogue", Catalogue.load),
        ("rules", load_rules),
        ("weights", load_weights),
        ("dictionary", warm_up),
        ("first text", lambda: RuleReader(Catalogue.load()).read(["экран на айфон 13 сколько"])),
    ):
        memory, began = _resident(), time.process_time()
        step()
        spent = (time.process_time() - began) * 1000
        found.append((name, {"ms": round(spent, 1), "mb": round(_resident() - memory, 1)}))
    return found


def _resident() -> float:
    """Resident megabytes of this process; 0 where the system does not tell."""
    try:
        line = next(row for row in _STATUS.read_text().splitlines() if row.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return 0.0
    return int(line.split()[1]) / 1024

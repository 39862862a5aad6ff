"""`battcrm eval …`: measures against labelled data. Needs no server."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from battcrm.kit.errors import BattError, Invalid

if TYPE_CHECKING:
    from battcrm.extraction.dispatcher import RuleReader
    from battcrm.extraction.evaluation.dataset import Example
    from battcrm.extraction.gazetteer.catalogue import Catalogue

app = typer.Typer(help="Measure against labelled data.", no_args_is_help=True)

_GROUPS: Final = (
    "battcrm.cli.eval_pricing",
    "battcrm.cli.eval_harvest",
    "battcrm.cli.eval_routing",
    "battcrm.cli.eval_fit",
    "battcrm.cli.eval_cold",
)
"""Modules that add commands of their own: each has `register(app)`."""


class Mode(StrEnum):
    """Who fills the fields: rules alone, or rules and one model call for what they leave open."""

    RULES = "rules"
    MODEL = "model"


@app.callback()
def _group() -> None:
    """Measure against labelled data."""


@app.command("extraction")
def extraction(
    file: Annotated[Path, typer.Argument(help="JSON lines: id, messages, expect.")],
    mode: Annotated[
        Mode, typer.Option(help="rules: no model; model: one call for fields the rules left open.")
    ] = Mode.RULES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a self-contained HTML report here.")] = None,
) -> None:
    """Score extraction on labelled dialogues: precision and recall by field, LLM-free share, calibration, every error."""
    try:
        report = _measure(file, mode, html)
    except Invalid as error:
        _fail(error)
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(report)


def _measure(file: Path, mode: Mode, html: Path | None) -> dict[str, Any]:
    from battcrm.extraction.dispatcher import RuleReader
    from battcrm.extraction.evaluation.dataset import load
    from battcrm.extraction.evaluation.html import page
    from battcrm.extraction.evaluation.run import evaluate
    from battcrm.extraction.gazetteer.catalogue import Catalogue

    try:
        examples = load(file)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}", field="FILE", remedy="give a readable file") from None
    catalogue = Catalogue.load()
    reader = RuleReader(catalogue)
    report = evaluate(reader, examples) if mode is Mode.RULES else asyncio.run(_with_model(reader, catalogue, examples))
    if html is not None:
        try:
            html.write_text(page(report, examples, f"Extraction: {file.name}, {mode}"), "utf-8")
        except OSError as error:
            raise Invalid(f"cannot write {html}: {error.strerror}", field="--html") from None
    return report


async def _with_model(reader: RuleReader, catalogue: Catalogue, examples: list[Example]) -> dict[str, Any]:
    from battcrm.cli.eval_model import measure

    try:
        return await measure(reader, catalogue, examples)
    except Invalid:
        raise
    except BattError as error:
        raise Invalid(error.text, field="--mode model", remedy="check OPENAI_BASE_URL and OPENAI_API_KEY") from error


def _fail(error: Invalid) -> NoReturn:
    where = f"{error.field}: " if error.field and error.field not in error.text else ""
    typer.echo(f"battcrm eval: {where}{error.text}" + (f" ({error.remedy})" if error.remedy else ""), err=True)
    raise typer.Exit(2)


def _print(report: dict[str, Any]) -> None:
    typer.echo(
        f"{report['n']} dialogues  exact {report['exact_match']:.1%}  LLM-free {report['llm_free_share']:.1%}  "
        f"{report['us_per_message']:.0f} µs/message  calibration error {report['ece']:.3f}"
    )
    if "model" in report:
        model = report["model"]
        typer.echo(
            f"model at {model['gateway']}: {model['turns_asked']} turns asked, {model['calls']} calls, "
            f"{model['right']} of {model['claimed']} of its facts right, failed {model['failed'] or 'none'}, "
            f"{model['seconds']:.1f} s"
        )
    typer.echo(f"{'field':<14}{'precision':>10}{'recall':>10}{'F1':>10}{'support':>10}")
    for name, value in report["fields"].items():
        numbers = "".join(f"{value[key]:>10.3f}" for key in ("precision", "recall", "f1"))
        typer.echo(f"{name:<14}{numbers}{value['support']:>10}")
    for error in report["errors"]:
        typer.echo(f"  {error['id']}  {error['field']}: expected {error['expected']}, got {error['got']}")


def _register_groups() -> None:
    for name in _GROUPS:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        module.register(app)


_register_groups()

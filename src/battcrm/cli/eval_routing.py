"""`battcrm eval routing`: how often messages reach the right appeal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from battcrm.kit.errors import Invalid
from battcrm.models.facts import Reading
from battcrm.models.situation import AppealView
from battcrm.resolution.evaluation import Reader, RoutingReport, Share, evaluate, load_dialogues

MAX_WRONG: Final = 0.02
MAX_ASKED: Final = 0.15
LABELS: Final = "labels"
RULES: Final = "rules"


def register(app: typer.Typer) -> None:
    """Add the command to the `eval` group."""
    app.command("routing")(routing)


def routing(
    file: Annotated[Path, typer.Argument(help="Labelled dialogues, one JSON object a line.")],
    reading: Annotated[
        str, typer.Option(help="Who reads the messages: `rules` (the real extraction) or `labels` (the router alone).")
    ] = RULES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Share of messages sent to a wrong appeal and of questions asked, with 95 % intervals. Needs no server.

    Exit 1 when more than 2 % are wrong or more than 15 % are asked.
    """
    if reading not in (RULES, LABELS):
        raise Invalid(f"nobody reads by {reading!r}", field="reading", remedy="rules or labels")
    if not file.is_file():
        raise Invalid(f"there is no file {file}", field="file", remedy="such as tests/data/routing/dialogues.jsonl")
    report = evaluate(load_dialogues(file), reader=extraction() if reading == RULES else None)
    if as_json:
        typer.echo(json.dumps(_document(report, reading), ensure_ascii=False))
    else:
        _print(report)
    if report.wrong.share > MAX_WRONG or report.asked.share > MAX_ASKED:
        raise typer.Exit(1)


def extraction() -> Reader:
    """The real extraction, by rules."""
    from battcrm.extraction.dispatcher import RuleExtractor
    from battcrm.extraction.gazetteer.catalogue import Catalogue
    from battcrm.pipeline.ports import ReadingContext

    extractor = RuleExtractor(Catalogue.load())

    def read(text: str, appeal: AppealView | None) -> Reading:
        if appeal is None:
            return extractor.read([text], ReadingContext(UUID(int=0)))
        asked = ReadingContext(UUID(int=0), appeal.known, appeal.expecting, appeal.options)
        return extractor.read([text], asked)

    return Reader(read, lambda known, fresh, correction: extractor.merge(known, fresh, correction=correction))


def _document(report: RoutingReport, reading: str) -> dict[str, object]:
    errors = [
        {
            "dialogue": r.dialogue, "text": r.text, "expected": r.expected, "got": r.got, "reason": r.routing.reason,
            "confidence": r.routing.confidence,
        }
        for r in report.routed
        if r.wrong
    ]  # fmt: skip
    return {
        "n": len(report.routed),
        "reading": reading,
        "wrong": asdict(report.wrong),
        "asked": asdict(report.asked),
        "errors": errors,
    }


def _print(report: RoutingReport) -> None:
    for routed in report.routed:
        if routed.wrong:
            said = f"{routed.dialogue}: {routed.text!r}: {routed.got} ({routed.routing.reason})"
            typer.echo(f"{said}, expected {routed.expected}")
    typer.echo(f"{len(report.routed)} messages")
    typer.echo(f"wrong appeal   {_share(report.wrong)}, at most {MAX_WRONG:.0%}")
    typer.echo(f"question asked {_share(report.asked)}, at most {MAX_ASKED:.0%}")


def _share(share: Share) -> str:
    return f"{share.share:6.2%} ({share.count}), 95 % between {share.low:.2%} and {share.high:.2%}"

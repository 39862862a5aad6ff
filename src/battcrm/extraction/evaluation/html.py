"""The report as one self-contained HTML file: no scripts, no links, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from battcrm.extraction.evaluation.dataset import Example

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.tiles{display:flex;flex-wrap:wrap;gap:1rem}.tile{border:1px solid #d8dee4;border-radius:.5rem;padding:.6rem 1rem;min-width:9rem}
.tile b{display:block;font-size:1.4rem}.bar{background:#dbeafe;height:.8rem}.bar i{display:block;height:100%;background:#2563eb}
.bad{color:#b42318}@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td,.tile{border-color:#30363d}.bar{background:#1e293b}}
"""


def page(report: Mapping[str, Any], examples: Sequence[Example], title: str) -> str:
    """The whole page. Texts of the dialogues are shown: the file is for the people who labelled them."""
    texts = {example.id: example for example in examples}
    parts = [
        f"<h1>{escape(title)}</h1>",
        _tiles(report),
        "<h2>Fields</h2>",
        _fields(report["fields"]),
        f"<h2>Calibration (expected error {report['ece']:.3f})</h2>",
        _calibration(report["reliability"]),
        "<h2>Confusions</h2>",
        _confusions(report["confusions"]),
        f"<h2>Errors ({len(report['errors'])})</h2>",
        _errors(report["errors"], texts),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _tiles(report: Mapping[str, Any]) -> str:
    values = (
        ("dialogues", str(report["n"])),
        ("exact match", f"{report['exact_match']:.1%}"),
        ("LLM-free share", f"{report['llm_free_share']:.1%}"),
        ("µs per message", f"{report['us_per_message']:.0f}"),
    )
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile">{name}<b>{value}</b></div>' for name, value in values)
        + "</div>"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _bar(share: float) -> str:
    return f'{share:.3f}<div class="bar"><i style="width:{share * 100:.1f}%"></i></div>'


def _fields(fields: Mapping[str, Mapping[str, float]]) -> str:
    rows = (
        (escape(name), _bar(v["precision"]), _bar(v["recall"]), _bar(v["f1"]), str(v["support"]))
        for name, v in fields.items()
    )
    return _table(("field", "precision", "recall", "F1", "support"), rows)


def _calibration(bins: Sequence[Mapping[str, float]]) -> str:
    rows = (
        (f"{b['low']:.2f}–{b['high']:.2f}", str(b["n"]), f"{b['confidence']:.3f}", _bar(b["accuracy"])) for b in bins
    )
    return _table(("confidence", "facts", "mean", "right"), rows)


def _confusions(confusions: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = (
        (escape(name), escape(str(item["expected"])), escape(str(item["got"])), str(item["n"]))
        for name, items in confusions.items()
        for item in items[:20]
    )
    return _table(("field", "expected", "got", "times"), rows)


def _errors(errors: Sequence[Mapping[str, Any]], texts: Mapping[str, Example]) -> str:
    rows = []
    for error in errors:
        example = texts[error["id"]]
        said = "<br>".join(escape(text) for turn in example.turns for text in turn.texts)
        sure = "" if error["confidence"] is None else f"{error['confidence']:.2f}"
        cells = (error["id"], error["field"], _shown(error["expected"]), _shown(error["got"]))
        rows.append((*(escape(cell) for cell in cells), sure, said))
    return _table(("id", "field", "expected", "got", "confidence", "messages"), rows)


def _shown(value: object) -> str:
    if value is None or value == []:
        return "—"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

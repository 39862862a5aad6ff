"""How often messages reach the right appeal, read by labels and by the real extraction; intervals; the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from battcrm.cli.eval_routing import extraction, register
from battcrm.kit.errors import Invalid
from battcrm.resolution.evaluation import evaluate, load_dialogues, wilson
from tests.unit.resolution.replay import DATA


def test_messages_as_people_write_them_reach_their_appeals() -> None:
    report = evaluate(load_dialogues(DATA), reader=extraction())
    wrong = [(r.dialogue, r.text, r.expected, r.got) for r in report.routed if r.wrong]
    assert len(report.routed) >= 300
    assert report.wrong.share <= 0.02, wrong
    assert report.asked.share <= 0.15


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (6, 349, 0.0079, 0.0370),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_intervals_are_wilsons(count: int, of: int, low: float, high: float) -> None:
    share = wilson(count, of)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command("other")(lambda: None)
    register(app)
    return app


def _dialogue(folder: Path, expect: str) -> Path:
    file = folder / "dialogues.jsonl"
    step = {"at": 0, "text": "айфон 13, экран", "say": {"brand": "Apple", "model": "iPhone 13"}, "expect": expect}
    file.write_text(json.dumps({"id": "one", "steps": [step]}) + "\n", "utf-8")
    return file


def test_the_command_prints_shares_with_intervals_and_fails_when_they_are_too_high(tmp_path: Path) -> None:
    good = CliRunner().invoke(_app(), ["routing", str(_dialogue(tmp_path, "new:A")), "--reading", "labels"])
    assert (good.exit_code, "wrong appeal" in good.stdout, "95 % between 0.00% and" in good.stdout) == (0, True, True)
    bad = CliRunner().invoke(_app(), ["routing", str(_dialogue(tmp_path, "none")), "--reading", "labels", "--json"])
    document = json.loads(bad.stdout)
    assert (bad.exit_code, document["n"], document["wrong"]["count"]) == (1, 1, 1)
    assert document["errors"][0]["expected"] == "none"
    for arguments in (["routing", str(tmp_path / "no.jsonl")], ["routing", str(DATA), "--reading", "guess"]):
        assert isinstance(CliRunner().invoke(_app(), arguments).exception, Invalid)
    (tmp_path / "no.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(Invalid, match=r"no\.jsonl:1"):
        load_dialogues(tmp_path / "no.jsonl")

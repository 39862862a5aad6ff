from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from battcrm.cli.eval import app
from battcrm.extraction.evaluation.calibration import calibration_error, reliability
from battcrm.extraction.evaluation.dataset import Example, Turn, load, question_of
from battcrm.extraction.evaluation.score import Outcome, Score, assign, canonical
from battcrm.kit.errors import Invalid
from battcrm.models.facts import Fact, Hypothesis, Method


def hypothesis(**fields: Any) -> Hypothesis:
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, list):
            made[name] = tuple(Fact(one, 0.95, Method.RULE) for one in value)
        else:
            made[name] = Fact(value, 0.95, Method.RULE)
    return Hypothesis(**made)


def outcome(expect: Any, *found: Hypothesis, needed: bool = False) -> Outcome:
    wanted = tuple(expect) if isinstance(expect, list) else (expect,)
    return Outcome(Example("x", (Turn(("t",)),), wanted), found, needed)


def scored(*outcomes: Outcome) -> Score:
    score = Score()
    for one in outcomes:
        score.add(one)
    return score


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Honor X8", "X8"),
        ("X8", "x 8"),
        ("iPhone SE (2020)", "iphone se 2020"),
        ("Apple iPhone 12", "iPhone 12"),
        ("Galaxy A52", "Samsung Galaxy A52"),
        ("WH-1000XM4", "wh1000 xm4"),
    ],
)
def test_same_name(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Redmi Note 10", "Redmi Note 10 Pro"), ("iPhone 12", "iPhone 12 mini"), ("Honor", "Huawei")]
)
def test_different_name(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_missing_key_is_not_scored_and_null_must_stay_empty() -> None:
    found = hypothesis(brand="Apple", model="iPhone 12")
    score = scored(outcome({"brand": "Apple"}, found), outcome({"model": None}, found))
    assert score.counts["model"].as_dict() == {"precision": 0.0, "recall": 1.0, "f1": 0.0, "support": 0}
    assert (score.exact, score.free) == (1, 1)


def test_repair_types_are_counted_over_labels() -> None:
    score = scored(
        outcome({"repair_types": ["screen", "battery"]}, hypothesis(repair_types=["screen", "camera", "button"]))
    )
    count = score.counts["repair_types"]
    assert (count.tp, count.fp, count.fn) == (1, 2, 1)
    assert score.misses[0].expected == ["battery", "screen"]


def test_weak_fact_does_not_count() -> None:
    weak = Hypothesis(brand=Fact("Apple", 0.7, Method.RULE))
    assert scored(outcome({"brand": "Apple"}, weak)).counts["brand"].fn == 1
    assert scored(outcome({"brand": None}, weak)).exact == 1


def test_list_is_matched_by_best_assignment() -> None:
    expect = [{"model": "iPhone 11", "repair_types": ["battery"]}, {"model": "Redmi 9", "repair_types": ["screen"]}]
    found = [
        hypothesis(model="Redmi 9", repair_types=["screen"]),
        hypothesis(model="iPhone 11", repair_types=["battery"]),
    ]
    assert scored(outcome(expect, *found)).exact == 1
    lost = scored(outcome(expect, found[0]))
    assert (lost.counts["model"].tp, lost.counts["model"].fn) == (1, 1)


def test_a_device_too_many_is_an_error() -> None:
    extra = scored(outcome({"model": "iPhone 11"}, hypothesis(model="iPhone 7"), hypothesis(model="iPhone 11")))
    assert (extra.counts["model"].tp, extra.counts["model"].fp, extra.exact) == (1, 1, 0)
    pairs = assign(({"model": "iPhone 11"},), [hypothesis(model="iPhone 7"), hypothesis(model="iPhone 11")])
    assert len(pairs) == 2


def test_free_share_forgives_silence_but_not_mistakes() -> None:
    silent = outcome({"brand": "Apple", "model": "iPhone 12"}, hypothesis(brand="Apple"))
    wrong = outcome({"brand": "Apple"}, hypothesis(brand="Samsung"))
    asked = outcome({"brand": "Apple"}, hypothesis(brand="Apple"), needed=True)
    assert [scored(one).free for one in (silent, wrong, asked)] == [1, 0, 0]


def test_calibration() -> None:
    good = [(0.95, True)] * 95 + [(0.95, False)] * 5
    assert calibration_error(good) == 0.0
    assert calibration_error([(0.95, False)] * 10) == 0.95
    assert [item.n for item in reliability([*good, (0.3, False)])] == [1, 100]
    assert calibration_error([]) == 0.0


@pytest.mark.parametrize(
    ("text", "field", "options"),
    [
        ("Какая у вас модель?", "model", ()),
        ("Запчасть ваша или наша?", "part_owner", ()),
        ("Что случилось с телефоном?", "repair_types", ()),
        ("Какая модель? 1) iPhone 12 2) iPhone 12 Pro", "model", ("iPhone 12", "iPhone 12 Pro")),
        ("Здравствуйте, слушаю вас.", None, ()),
    ],
)
def test_question_of_the_shop(text: str, field: str | None, options: tuple[str, ...]) -> None:
    assert question_of(text) == (field, options)


def write(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows), "utf-8"
    )
    return path


def test_shop_messages_split_turns(tmp_path: Path) -> None:
    messages = ["айфон", "экран", {"from": "shop", "text": "Какая модель?"}, {"role": "client", "text": "12 про"}]
    example = load(write(tmp_path, {"id": "a", "messages": messages, "expect": {}}))[0]
    assert [turn.texts for turn in example.turns] == [("айфон", "экран"), ("12 про",)]
    assert [turn.expecting for turn in example.turns] == [None, "model"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("{nope", "line"),
        ("[1]", "line"),
        ({"messages": ["x"], "expect": {}}, "id"),
        ({"id": "a", "messages": [], "expect": {}}, "messages"),
        ({"id": "a", "messages": [5], "expect": {}}, "messages"),
        ({"id": "a", "messages": [{"from": "shop", "text": "?"}], "expect": {}}, "messages"),
        ({"id": "a", "messages": ["x"]}, "expect"),
        ({"id": "a", "messages": ["x"], "expect": []}, "expect"),
        ({"id": "a", "messages": ["x"], "expect": {"appeal_type": "fix"}}, "appeal_type"),
        ({"id": "a", "messages": ["x"], "expect": {"repair_types": "screen"}}, "repair_types"),
        ({"id": "a", "messages": ["x"], "expect": {"repair_types": ["telly"]}}, "repair_types"),
        ({"id": "a", "messages": ["x"], "expect": {"brand": 5}}, "brand"),
    ],
)
def test_a_bad_line_names_itself_and_its_field(tmp_path: Path, row: Any, field: str) -> None:
    good = {"id": "g", "messages": ["x"], "expect": {}}
    path = write(tmp_path, good, row)
    with pytest.raises(Invalid, match="line 2") as caught:
        load(path)
    assert caught.value.field == field
    result = CliRunner().invoke(app, ["extraction", str(path), "--json"])
    assert result.exit_code == 2
    assert "line 2" in result.stderr
    assert field in result.stderr


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    row = {"id": "a", "messages": ["x"], "expect": {}}
    with pytest.raises(Invalid, match="twice"):
        load(write(tmp_path, row, row))


def test_command_prints_one_document_and_writes_a_report(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "id": "right",
            "messages": ["разбил экран на айфон 11, сколько?"],
            "expect": {
                "appeal_type": "repair",
                "brand": "Apple",
                "model": "iPhone 11",
                "repair_types": ["screen"],
                "part_owner": None,
            },
        },
        {"id": "wrong", "messages": ["айфон <b>11</b>"], "expect": {"brand": "Samsung"}},
    )
    page = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["extraction", str(path), "--mode", "rules", "--json", "--html", str(page)])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["n"], report["exact_match"], report["llm_free_share"]) == (2, 0.5, 0.5)
    assert set(report["fields"]) == {"appeal_type", "brand", "model", "repair_types", "part_owner"}
    assert set(report["fields"]["brand"]) == {"precision", "recall", "f1", "support"}
    assert report["errors"] == [
        {
            "id": "wrong",
            "field": "brand",
            "expected": "Samsung",
            "got": "Apple",
            "confidence": report["errors"][0]["confidence"],
        }
    ]
    html = page.read_text("utf-8")
    assert "&lt;b&gt;" in html
    assert "<b>11</b>" not in html
    assert "http" not in html.replace("https://www.w3.org", "")


def test_missing_file_is_bad_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["extraction", str(tmp_path / "none.jsonl")])
    assert result.exit_code == 2
    assert "none.jsonl" in result.stderr


def test_model_mode_without_a_model_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    path = write(tmp_path, {"id": "a", "messages": ["x"], "expect": {}})
    result = CliRunner().invoke(app, ["extraction", str(path), "--mode", "model"])
    assert result.exit_code == 2
    assert "OPENAI_API_KEY" in result.stderr

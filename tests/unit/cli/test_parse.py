"""`battcrm parse` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from battcrm.cli.parse import parse

SAMPLES = Path(__file__).parents[2] / "data" / "messengers"

app = typer.Typer()
app.command()(parse)
runner = CliRunner()


def test_prints_one_json_list() -> None:
    done = runner.invoke(app, ["telegram", str(SAMPLES / "telegram" / "text.json"), "--json"])
    assert done.exit_code == 0
    (document,) = json.loads(done.stdout)
    assert document["message"]["text"].startswith("Здравствуйте, разбил экран")
    assert (document["channel_id"], document["received_at"]) == (None, None)
    assert document["event_id"]


def test_reads_standard_input_and_nothing_for_us_is_an_empty_list() -> None:
    done = runner.invoke(app, ["telegram", "-", "--json"], input='{"update_id": 1, "poll": {}}')
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_plain_output_is_for_people() -> None:
    done = runner.invoke(app, ["telegram", str(SAMPLES / "telegram" / "photo_caption.json")])
    assert done.exit_code == 0
    assert "photo" in done.stdout
    assert "Марина Кузнецова" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "body", "said"),
    [
        (["icq", "-"], "{}", "unknown channel 'icq'"),
        (["telegram", "-"], "not json", "body"),
        (["telegram", "-"], '{"a": 1}', "update_id"),
        (["telegram", "/nowhere/at/all.json"], "", "cannot read"),
    ],
)
def test_bad_usage_exits_2_and_names_the_cause(arguments: list[str], body: str, said: str) -> None:
    done = runner.invoke(app, [*arguments, "--json"], input=body)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in done.stderr


def test_integers_beyond_64_bits_and_lone_surrogates_can_be_printed() -> None:
    body = '{"update_id":1,"message":{"message_id":1,"chat":{"id":1},"text":"\\ud800","x":' + "9" * 40 + "}}"
    done = runner.invoke(app, ["telegram", "-", "--json"], input=body)
    assert done.exit_code == 0
    assert json.loads(done.stdout)[0]["message"]["text"] == "\ufffd"

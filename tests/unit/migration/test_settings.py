"""The bridge's settings: defaults that work, and errors that name the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.kit.errors import Invalid
from battcrm.migration.queue.settings import FIELDS, QueueSettings, Side, load_settings


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "queue.yaml"
    path.write_text(text, "utf-8")
    return path


def test_defaults() -> None:
    settings = load_settings(None)
    assert settings == QueueSettings()
    assert settings.pushed.other is Side.RIGHT, "n8n pushes to the left, so the oldest is on the right"
    assert settings.result.columns == {name: name for name in FIELDS}


def test_file_and_options(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "queue: mine\npushed: right\nresult: {table: msgs, key: [id], columns: {id: task_id, st: '=done', c: task.chat}}",
    )
    settings = load_settings(path, queue=None, pushed="left")
    assert (settings.queue, settings.pushed, settings.result.table) == ("mine", Side.LEFT, "msgs")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("pushed: top", "pushed"),
        ("colour: red", "colour"),
        ("- 1", "queue.yaml"),
        ("a: [", "queue.yaml"),
        ("result: {columns: {x: nonsense}}", "result"),
        ("result: {key: [id]}", "result"),
        ("result: {columns: {}}", "result.columns"),
        ("result: {write: update, key: [id], columns: {id: task_id}}", "result"),
        ("result: {table: '" + "x" * 64 + "'}", "result.table"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_settings(written(tmp_path, text))
    assert field in caught.value.field


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        load_settings(tmp_path / "none.yaml")

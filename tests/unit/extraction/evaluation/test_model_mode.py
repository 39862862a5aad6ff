"""`--mode model` against the emulated API: the whole way from a text to a checked fact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from battcrm.cli.eval_model import measure
from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.extraction.evaluation.dataset import load
from battcrm.kit.errors import Permanent
from tests.unit.extraction.reader import catalogue, read, reader

_TEXT = "чудит телефон, то густо то пусто, не пойму"


def example(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    row = {"id": "a", "messages": [_TEXT], "expect": {"appeal_type": "repair"}}
    path.write_text(json.dumps(row, ensure_ascii=False), "utf-8")
    return path


async def test_open_fields_are_filled_by_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(_TEXT).open_fields
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        report = await measure(reader(), catalogue(), load(example(tmp_path)))
    assert report["needed_model"] == 1.0
    assert report["fields"]["appeal_type"]["f1"] == 1.0


async def test_a_refused_key_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        provider.faults.add(Fault("revoked"), times=20)
        with pytest.raises(Permanent):
            await measure(reader(), catalogue(), load(example(tmp_path)))

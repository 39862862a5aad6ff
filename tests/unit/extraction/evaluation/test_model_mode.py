"""`--mode model` against the emulated API: the whole way from a text to a checked fact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from battcrm.cli.eval_model import measure
from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.extraction.evaluation.dataset import load
from battcrm.infra.llm.build import JsonChat
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
    assert report["llm_free_share"] == 0.0, "a call was made, however right its answer"
    assert report["fields"]["appeal_type"]["f1"] == 1.0
    model = report["model"]
    assert (model["turns_asked"], model["calls"], model["failed"]) == (1, 1, {})
    assert model["gateway"] == provider.url.removeprefix("http://")
    assert model["claimed"] == model["right"] == report["methods"].get("model", {"claimed": 0})["claimed"]


async def test_share_without_a_call_is_of_dialogues_that_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.jsonl"
    rows = [
        {"id": "asked", "messages": [_TEXT], "expect": {"appeal_type": "repair"}},
        {"id": "right", "messages": ["замена экрана айфон 13 про"], "expect": {"model": "iPhone 13 Pro"}},
        {"id": "wrong", "messages": ["замена экрана айфон 13 про"], "expect": {"model": "iPhone 12"}},
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        report = await measure(reader(), catalogue(), load(path))
        assert len(provider.log.all) == 1
    assert report["llm_free_share"] == round(1 / 3, 4)


async def test_a_model_that_fails_leaves_the_rules_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        provider.faults.add(Fault("not_json"), times=20)
        report = await measure(reader(), catalogue(), load(example(tmp_path)))
    assert (report["model"]["calls"], report["model"]["failed"]) == (2, {"invalid_answer": 1})
    assert report["llm_free_share"] == 0.0


async def test_connections_are_closed_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open one would be a ResourceWarning, and warnings are errors here."""
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        closed: list[bool] = []
        whole = JsonChat.aclose

        async def watched(chat: JsonChat) -> None:
            await whole(chat)
            closed.append(True)

        monkeypatch.setattr(JsonChat, "aclose", watched)
        await measure(reader(), catalogue(), load(example(tmp_path)))
        provider.faults.add(Fault("revoked"), times=20)
        with pytest.raises(Permanent):
            await measure(reader(), catalogue(), load(example(tmp_path)))
    assert closed == [True, True]


async def test_a_refused_key_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpenAiEmulator() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        provider.faults.add(Fault("revoked"), times=20)
        with pytest.raises(Permanent):
            await measure(reader(), catalogue(), load(example(tmp_path)))

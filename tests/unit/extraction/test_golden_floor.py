"""Extraction must not fall below what it has reached on the golden dialogues. Raise a floor when the scores rise."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from battcrm.extraction.evaluation.dataset import load
from battcrm.extraction.evaluation.run import evaluate
from tests.unit.extraction.reader import reader

_GOLDEN = Path(__file__).parents[2] / "data" / "golden"
_PRECISION = {"appeal_type": 0.91, "brand": 0.98, "model": 0.93, "repair_types": 0.88, "part_owner": 0.9}
_RECALL = {"appeal_type": 0.86, "brand": 0.96, "model": 0.85, "repair_types": 0.92, "part_owner": 0.7}


@cache
def report(split: str) -> dict[str, Any]:
    return evaluate(reader(), load(_GOLDEN / f"{split}.jsonl"))


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("field", list(_PRECISION))
def test_fields(split: str, field: str) -> None:
    scores = report(split)["fields"][field]
    assert scores["precision"] >= _PRECISION[field]
    assert scores["recall"] >= _RECALL[field]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_shares(split: str) -> None:
    scores = report(split)
    assert scores["llm_free_share"] >= 0.75
    assert scores["ece"] <= 0.07

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
_EXTRA = (*(f"extra{n}" for n in range(1, 7)), *(f"fresh{n}" for n in range(1, 23)))
_FIELDS = ("appeal_type", "brand", "model", "repair_types", "part_owner")
_PRECISION = {
    "dev": (0.975, 0.99, 0.985, 0.975, 0.98),
    "test": (0.95, 0.99, 0.965, 0.945, 0.96),
    "held": (0.97, 0.98, 0.97, 0.97, 0.85),
    "extra": (0.975, 0.95, 0.945, 0.955, 0.99),
    "fresh": (0.985, 0.985, 0.96, 0.96, 0.94),
}
_RECALL = {
    "dev": (0.96, 0.98, 0.965, 0.97, 0.92),
    "test": (0.91, 0.97, 0.9, 0.87, 0.91),
    "held": (0.95, 0.98, 0.95, 0.88, 0.85),
    "extra": (0.95, 0.98, 0.94, 0.965, 0.87),
    "fresh": (0.89, 0.95, 0.925, 0.935, 0.94),
}


@cache
def report(split: str) -> dict[str, Any]:
    return evaluate(reader(), load(_GOLDEN / f"{split}.jsonl"))


@pytest.mark.parametrize("split", ["dev", "test", "held1", "held2", *_EXTRA])
@pytest.mark.parametrize("field", _FIELDS)
def test_fields(split: str, field: str) -> None:
    scores = report(split)["fields"][field]
    floors, column = split.rstrip("0123456789"), _FIELDS.index(field)
    assert scores["precision"] >= _PRECISION[floors][column]
    assert scores["recall"] >= _RECALL[floors][column]


@pytest.mark.parametrize("split", ["dev", "test", "held1", "held2", *_EXTRA])
def test_shares(split: str) -> None:
    scores = report(split)
    assert scores["llm_free_share"] >= 0.8
    assert scores["ece"] <= 0.09

"""Brand and model on labelled device phrases of every device class; raise the floors when the scores rise."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.extraction.evaluation.dataset import load
from battcrm.extraction.evaluation.run import evaluate
from tests.unit.extraction.reader import reader

_GOLDEN = Path(__file__).parents[3] / "data" / "golden"
_PRECISION = 0.98
_RECALL = 0.96


@pytest.mark.parametrize("file", sorted(path.name for path in _GOLDEN.glob("devices*.jsonl")))
def test_devices_are_named(file: str) -> None:
    fields = evaluate(reader(), load(_GOLDEN / file))["fields"]
    for field in ("brand", "model"):
        assert fields[field]["precision"] >= _PRECISION, field
        assert fields[field]["recall"] >= _RECALL, field

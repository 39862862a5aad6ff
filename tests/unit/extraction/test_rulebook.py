"""Every sentence of the labelling rule book, as a client would say it. None of them may be missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.extraction.evaluation.dataset import Example, load
from battcrm.extraction.evaluation.run import evaluate
from battcrm.models.facts import REPAIR_TYPES, AppealType, PartOwner
from tests.unit.extraction.reader import reader

_BOOK = load(Path(__file__).parents[2] / "data" / "extraction" / "rulebook.jsonl")


@pytest.mark.parametrize("example", _BOOK, ids=lambda example: example.id)
def test_sentence(example: Example) -> None:
    assert evaluate(reader(), [example])["errors"] == []


def test_the_book_has_every_label() -> None:
    labels = [labels for example in _BOOK for labels in example.expect]
    said = {value for item in labels for value in item.get("repair_types") or ()}
    assert said == set(REPAIR_TYPES)
    assert {item.get("appeal_type") for item in labels} >= set(AppealType)
    assert {item.get("part_owner") for item in labels} >= {*PartOwner, None}

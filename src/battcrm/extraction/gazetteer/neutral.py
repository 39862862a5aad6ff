"""Latin words that follow a model name without being a part of it: colours, parts, common English."""

from __future__ import annotations

from functools import lru_cache

from battcrm.extraction.gazetteer.aliases import data_lines
from battcrm.extraction.normalise_words import in_english


@lru_cache(maxsize=1)
def _neutral() -> frozenset[str]:
    return frozenset(word for row in data_lines("neutral.tsv") for word in row[0].split())


def is_neutral(word: str) -> bool:
    """Whether a lower-case Latin word after a model says nothing about the model."""
    return word in _neutral() or in_english(word)

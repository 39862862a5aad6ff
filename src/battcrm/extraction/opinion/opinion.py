"""Reads a text's likeness to each label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from battcrm.extraction.opinion.features import extras, known_words, pairs, word_features
from battcrm.extraction.opinion.weights import COLUMNS, OWNERS, REPAIRS, TYPES, load_weights
from battcrm.extraction.rules.line import Line

_NOTHING: Final = (0.0,) * (len(COLUMNS) + 1)


@dataclass(frozen=True, slots=True)
class Opinion:
    """Probabilities by label. `types` add up to one; the others stand alone. `words` is how much text there was."""

    types: Mapping[str, float]
    repairs: Mapping[str, float]
    owners: Mapping[str, float]
    words: int

    @property
    def best_type(self) -> str:
        """The likeliest wish."""
        return max(self.types, key=self.types.__getitem__)


def read_opinion(line: Line) -> Opinion:
    """The opinion on a text. Pure; costs one addition of rows for each word and pair of words."""
    weights = load_weights()
    found = [_word_row(word.norm, word.classes) for word in line.words]
    rows = weights.rows
    found += [row for name in pairs(line) if (row := rows.get(name)) is not None]
    found += [row for name in extras(line) if (row := rows.get(name)) is not None]
    sums = [math.fsum(column) for column in zip(*found, strict=True)] if found else _NOTHING
    length = math.sqrt(sums[-1]) or 1.0
    logits = [bias + total / length for bias, total in zip(weights.bias, sums, strict=False)]
    first, last = len(TYPES), len(TYPES) + len(REPAIRS)
    return Opinion(
        types=dict(zip(TYPES, softmax(logits[:first]), strict=True)),
        repairs=dict(zip(REPAIRS, map(sigmoid, logits[first:last]), strict=True)),
        owners=dict(zip(OWNERS, map(sigmoid, logits[last:]), strict=True)),
        words=known_words(line.words),
    )


@lru_cache(maxsize=1 << 14)
def _word_row(norm: str, classes: frozenset[int]) -> tuple[float, ...]:
    rows = load_weights().rows
    found = [row for name in word_features(norm, classes) if (row := rows.get(name)) is not None]
    return tuple(map(sum, zip(*found, strict=True))) if found else _NOTHING


def softmax(logits: Sequence[float]) -> list[float]:
    """Shares of one that grow with the logits."""
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    whole = sum(powers)
    return [power / whole for power in powers]


def sigmoid(logit: float) -> float:
    """A logit as a probability."""
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, logit))))

"""Reads a text's likeness to each label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from battcrm.extraction.opinion.features import NOT, loose_features, word_features
from battcrm.extraction.opinion.roles import play_of, role_features
from battcrm.extraction.opinion.weights import COLUMNS, TYPES, load_weights, unpack
from battcrm.extraction.rules.line import Line

_COLUMN: Final = {value: at for at, value in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True)
class Opinion:
    """How alike the text is to each label: `logits` by column, `types` as shares of one."""

    logits: tuple[float, ...]
    types: Mapping[str, float]

    @property
    def best_type(self) -> str:
        """The likeliest wish."""
        return max(self.types, key=self.types.__getitem__)

    def share(self, value: str) -> float:
        """The probability of a repair type or an owner, by itself."""
        return sigmoid(self.logits[_COLUMN[value]])

    def likely(self, values: Sequence[str], share: float) -> list[str]:
        """Those of the values at least that probable, the likeliest first."""
        found = [(self.share(value), value) for value in values]
        return [value for sure, value in sorted(found, key=lambda pair: -pair[0]) if sure >= share]


def read_opinion(line: Line) -> Opinion:
    """The opinion on a text. Pure; costs one addition for each word and each pair of words."""
    weights = load_weights()
    total, rows = _play_row(play_of(line.words))
    before = ""
    for word in line.words:
        row, times = _word_row(word.norm, word.classes, before in NOT and not word.before)
        total += row
        rows += times
        before = word.norm
    for name in loose_features(line):
        row = weights.packed(name)
        if row:
            total += row
            rows += 1
    *sums, squares = unpack(total, rows)
    length = math.sqrt(squares) or 1.0
    logits = tuple(bias + value / length for bias, value in zip(weights.bias, sums, strict=True))
    types = dict(zip(TYPES, softmax(logits[: len(TYPES)]), strict=True))
    return Opinion(logits, types)


@lru_cache(maxsize=1 << 14)
def _word_row(norm: str, classes: frozenset[int], denied: bool) -> tuple[int, int]:
    """The sum of a word's packed rows, and how many there were."""
    return _sum_of(word_features(norm, classes, denied=denied))


@lru_cache(maxsize=1 << 13)
def _play_row(play: tuple[str, ...]) -> tuple[int, int]:
    """The same of the roles of a text: most texts play one of a few."""
    return _sum_of(role_features(play))


def _sum_of(names: Iterable[str]) -> tuple[int, int]:
    weights = load_weights()
    found = [row for name in names if (row := weights.packed(name))]
    return sum(found), len(found)


def softmax(logits: Sequence[float]) -> list[float]:
    """Shares of one that grow with the logits."""
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    whole = sum(powers)
    return [power / whole for power in powers]


def sigmoid(logit: float) -> float:
    """A logit as a probability."""
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, logit))))

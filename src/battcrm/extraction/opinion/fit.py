"""Fits the weights on labelled dialogues: logistic regression by gradient descent, plain Python, the same result every time."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from battcrm.extraction.dispatcher import RuleReader
from battcrm.extraction.evaluation.dataset import Example, load
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.opinion.features import VERSION, features_of
from battcrm.extraction.opinion.opinion import sigmoid, softmax
from battcrm.extraction.opinion.roles import ROLE
from battcrm.extraction.opinion.weights import COLUMNS, OWNERS, REPAIRS, TYPES
from battcrm.extraction.rules.line import Line

_EPOCHS: Final = 15
_RATE: Final = 4.0
_SLOWING: Final = 0.1
_SHRINK: Final = 2e-5
_SEEN: Final = 2
"""A feature of a single dialogue says more about its author than about a label."""
_SEED: Final = 7

_TOLD_BY_ROLES: Final = (True,) * len(TYPES) + (False,) * len(REPAIRS) + (True,) * len(OWNERS)
"""Roles tell what is wished and whose part goes in, but nothing of what is broken."""

Row = list[float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One dialogue: its features with their weights in a text of length one, and the wanted columns (None: unscored)."""

    shares: tuple[tuple[str, float], ...]
    wanted: tuple[float | None, ...]


def weights_from(paths: Sequence[Path]) -> tuple[dict[str, Row], str]:
    """Rows and fingerprint of the weights these files give. Raises OSError or Invalid for a file that cannot be read."""
    reader = RuleReader(Catalogue.load())
    dialogues = []
    for path in sorted(paths, key=lambda path: path.name):
        for example in load(path):
            line, _ = reader.line_of([text for turn in example.turns for text in turn.texts])
            dialogues.append((line, example))
    return fit(dialogues), fingerprint(paths)


def fit(dialogues: Sequence[tuple[Line, Example]]) -> dict[str, Row]:
    """Rows of weights as `weights.write` takes them. Dialogues about several devices are left out."""
    counted = [(Counter(features_of(line)), example) for line, example in dialogues if len(example.expect) == 1]
    seen = Counter(name for counts, _ in counted for name in counts)
    lengths = {
        name: math.log(len(counted) / times) + 1.0
        for name, times in seen.items()
        if times >= _SEEN and "\t" not in name
    }
    samples = [_sample(counts, lengths, example) for counts, example in counted]
    rows, bias = _descend(samples, sorted(lengths))
    packed = {name: [*(weight * lengths[name] for weight in row), _share(name, lengths)] for name, row in rows.items()}
    return {**packed, "": [*bias, 0.0]}


def fingerprint(paths: Iterable[Path]) -> str:
    """What weights were made of: files' contents and the version of the features."""
    digest = hashlib.blake2b(VERSION.encode(), digest_size=8)
    for path in sorted(paths, key=lambda path: path.name):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _share(name: str, lengths: dict[str, float]) -> float:
    """What a feature adds to the square of a text's length."""
    return 0.0 if name.startswith(ROLE) else lengths[name] ** 2


def _sample(counts: Counter[str], lengths: dict[str, float], example: Example) -> Sample:
    known = [(name, times * lengths[name]) for name, times in sorted(counts.items()) if name in lengths]
    whole = math.sqrt(sum(times * _share(name, lengths) for name, times in counts.items() if name in lengths)) or 1.0
    return Sample(tuple((name, value / whole) for name, value in known), _wanted(example))


def _wanted(example: Example) -> tuple[float | None, ...]:
    expect = example.expect[0]
    kinds = (("appeal_type", TYPES), ("repair_types", REPAIRS), ("part_owner", OWNERS))
    found: list[float | None] = []
    for name, values in kinds:
        said = expect.get(name) or ()
        said = {said} if isinstance(said, str) else set(said)
        found += [float(value in said) if name in expect else None for value in values]
    return tuple(found)


def _descend(samples: Sequence[Sample], names: Sequence[str]) -> tuple[dict[str, Row], Row]:
    weights: dict[str, Row] = {name: [0.0] * len(COLUMNS) for name in names}
    bias = [0.0] * len(COLUMNS)
    order = list(samples)
    shuffle = random.Random(_SEED)  # noqa: S311 - an order of samples, not a secret
    for epoch in range(_EPOCHS):
        rate = _RATE / (1.0 + epoch * _SLOWING)
        shuffle.shuffle(order)
        for sample in order:
            errors = _errors(sample, weights, bias)
            unbroken = [error if told else 0.0 for error, told in zip(errors, _TOLD_BY_ROLES, strict=True)]
            for name, share in sample.shares:
                heard = unbroken if name.startswith(ROLE) else errors
                _step(weights[name], heard, rate * share, 1.0 - rate * _SHRINK)
            bias = [value - 0.1 * rate * error for value, error in zip(bias, errors, strict=True)]
    return weights, bias


def _errors(sample: Sample, weights: dict[str, Row], bias: Row) -> Row:
    logits = list(bias)
    for name, share in sample.shares:
        logits = [logit + share * weight for logit, weight in zip(logits, weights[name], strict=True)]
    first = len(TYPES)
    said = [*softmax(logits[:first]), *map(sigmoid, logits[first:])]
    return [0.0 if want is None else got - want for got, want in zip(said, sample.wanted, strict=True)]


def _step(row: Row, errors: Row, rate: float, keep: float) -> None:
    row[:] = [weight * keep - rate * error for weight, error in zip(row, errors, strict=True)]

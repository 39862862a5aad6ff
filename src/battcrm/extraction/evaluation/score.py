"""Scores readings against labels: per field precision, recall and F1, calibration, confusions, and every error."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.extraction.evaluation.dataset import Example
from battcrm.extraction.thresholds import ACT
from battcrm.models.facts import FIELDS, Fact, Hypothesis

_LEADING_BRANDS: Final = (
    "apple", "samsung", "galaxy", "xiaomi", "honor", "huawei", "realme", "tecno", "infinix", "oppo", "vivo", "oneplus", "google", "nokia", "sony", "asus",
    "lenovo", "hp", "acer", "dell", "msi", "ninebot", "kugoo", "makita", "dyson", "microsoft", "nintendo", "lg", "motorola", "bosch", "dreame", "roborock",
    "jbl", "marshall", "meizu", "zte", "philips", "tcl", "haier", "hisense", "dewalt", "dexp", "segway",
)  # fmt: skip
_MAX_ASSIGNED: Final = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one dialogue gave: the final hypotheses and whether a model call was needed."""

    example: Example
    hypotheses: tuple[Hypothesis, ...]
    needed_model: bool


@dataclass(frozen=True, slots=True)
class Miss:
    """One wrong field."""

    id: str
    field: str
    expected: Any
    got: Any
    confidence: float | None


@dataclass(slots=True)
class Count:
    """True positives, false positives, false negatives of a field."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def as_dict(self) -> dict[str, float]:
        """Precision, recall, F1 (1.0 where there was nothing to find and nothing was claimed) and support."""
        precision = self.tp / (self.tp + self.fp) if self.tp + self.fp else 1.0
        recall = self.tp / (self.tp + self.fn) if self.tp + self.fn else 1.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        values = {"precision": precision, "recall": recall, "f1": f1}
        return {**{name: round(value, 4) for name, value in values.items()}, "support": self.tp + self.fn}


@dataclass(slots=True)
class Score:
    """Sums over dialogues. `points` are (confidence, right) of every fact that was claimed and could be judged.

    `methods` counts the acted facts by how they were found: right ones as `tp`, wrong ones as `fp`.
    """

    n: int = 0
    exact: int = 0
    free: int = 0
    counts: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in FIELDS})
    misses: list[Miss] = field(default_factory=list)
    points: list[tuple[float, bool]] = field(default_factory=list)
    confusions: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    methods: dict[str, Count] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one dialogue."""
        before, acted_wrong = len(self.misses), 0
        for expected, got in assign(outcome.example.expect, outcome.hypotheses):
            acted_wrong += self._pair(outcome.example.id, expected, got)
        self.n += 1
        self.exact += len(self.misses) == before
        self.free += not outcome.needed_model and acted_wrong == 0

    def _pair(self, name: str, expected: Mapping[str, Any], got: Hypothesis) -> int:
        wrong = 0
        for what in FIELDS:
            if what not in expected:
                continue
            wanted = {value: canonical(value, what) for value in _listed(expected[what])}
            facts = [fact for fact in facts_of(got, what) if fact.confidence >= ACT]
            wrong += self._field(name, what, wanted, facts)
            self._calibrate(what, wanted, facts_of(got, what))
        return wrong

    def _field(self, name: str, what: str, wanted: dict[str, str], facts: Sequence[Fact]) -> int:
        count = self.counts[what]
        shapes = set(wanted.values())
        extra = [fact for fact in facts if canonical(fact.value, what) not in shapes]
        for fact in facts:
            by_method = self.methods.setdefault(fact.method.value, Count())
            right = canonical(fact.value, what) in shapes
            by_method.tp, by_method.fp = by_method.tp + right, by_method.fp + (not right)
        claimed = {canonical(fact.value, what) for fact in facts}
        missing = [value for value, shape in wanted.items() if shape not in claimed]
        count.tp += len(wanted) - len(missing)
        count.fp += len(extra)
        count.fn += len(missing)
        if extra or missing:
            got = [fact.value for fact in facts]
            sure = max((fact.confidence for fact in facts), default=None)
            single = what != "repair_types"
            self.misses.append(
                Miss(
                    name,
                    what,
                    _single(list(wanted)) if single else sorted(wanted),
                    _single(got) if single else got,
                    sure,
                )
            )
            self._confuse(what, missing, extra)
        return len(extra)

    def _confuse(self, what: str, missing: Sequence[str], extra: Sequence[Fact]) -> None:
        table = self.confusions.setdefault(what, Counter())
        for one, other in itertools.zip_longest(sorted(missing), sorted(fact.value for fact in extra), fillvalue="-"):
            table[(one, other)] += 1

    def _calibrate(self, what: str, wanted: dict[str, str], facts: Sequence[Fact]) -> None:
        shapes = set(wanted.values())
        self.points.extend((fact.confidence, canonical(fact.value, what) in shapes) for fact in facts)


def _single(values: list[str]) -> str | None:
    return values[0] if values else None


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def facts_of(hypothesis: Hypothesis, what: str) -> tuple[Fact, ...]:
    """The facts of a field, as a tuple for every field."""
    value = getattr(hypothesis, what)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def canonical(value: str, what: str = "model") -> str:
    """The shape in which values are compared: no case, blanks, hyphens, brackets; models also without a leading brand word."""
    plain = "".join(c for c in value.casefold().replace("ё", "е") if c not in " \t\u00a0-–—()[]")
    if what != "model":
        return plain
    changed = True
    while changed:
        changed = False
        for brand in _LEADING_BRANDS:
            if plain.startswith(brand) and len(plain) > len(brand):
                plain, changed = plain[len(brand) :], True
    return plain


def assign(
    expected: Sequence[Mapping[str, Any]], found: Sequence[Hypothesis]
) -> list[tuple[Mapping[str, Any], Hypothesis]]:
    """Pairs by best total agreement. A single label is compared with the main hypothesis.

    Hypotheses left over are compared with "must stay empty" for every field that was labelled; labels left over
    with an empty hypothesis.
    """
    empty = Hypothesis()
    keys = {key for labels in expected for key in labels if key in FIELDS and key != "appeal_type"}
    if len(expected) == 1:
        spare = [({key: None for key in keys}, item) for item in found[:-1]]
        return [(expected[0], found[-1] if found else empty), *spare]
    items = list(found)[-_MAX_ASSIGNED:]
    size = max(len(expected), len(items))
    padded = items + [empty] * (size - len(items))
    best = max(
        itertools.permutations(padded, len(expected)) if size <= _MAX_ASSIGNED else [tuple(padded[: len(expected)])],
        key=lambda order: sum(_agreement(labels, item) for labels, item in zip(expected, order, strict=True)),
    )
    used = {id(item) for item in best}
    left = [({key: None for key in keys}, item) for item in items if id(item) not in used]
    return [*zip(expected, best, strict=True), *left]


def _agreement(labels: Mapping[str, Any], item: Hypothesis) -> int:
    total = 0
    for what in FIELDS:
        wanted = {canonical(value, what) for value in _listed(labels.get(what))}
        got = {canonical(fact.value, what) for fact in facts_of(item, what) if fact.confidence >= ACT}
        total += (4 if what == "model" else 2) * len(wanted & got) - len(got - wanted)
    return total

"""A price range from past amounts: robust to wrong entries, aware of recency and of a trend. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Final

_MAD_TO_SIGMA: Final = 1.4826
_TRIM_SIGMAS: Final = 3.5
_MIN_SIGMA: Final = 0.02  # prices move in steps; identical amounts must not make a 2 % change look like an error
_USUAL_SIGMA: Final = 0.08
_USUAL_POINTS: Final = 3.0
_QUANTILES_NEED: Final = 20.0
_TREND_MIN: Final = 12
_TREND_SAMPLES: Final = 60
_TREND_MIN_SPAN_DAYS: Final = 30.0
_TREND_SHRINK: Final = 10.0
_TREND_LIMIT_PER_DAY: Final = math.log(1.10) / 30  # more than 10 % a month is an artefact, not a trend


@dataclass(frozen=True, slots=True)
class Point:
    """One past amount in kopecks and how many days ago it was."""

    amount: int
    age_days: float


@dataclass(frozen=True, slots=True)
class Range:
    """Low, median and high in kopecks; `n` amounts were used, `kept` are their positions, `trend` is per 30 days."""

    low: float
    median: float
    high: float
    n: int
    kept: tuple[int, ...]
    trend: float


def estimate(points: Sequence[Point], *, coverage: float, half_life_days: float) -> Range | None:
    """The range in which the next amount falls with probability `coverage`; None if no amount is positive.

    Amounts further than 3.5 robust deviations (of logarithms, after the trend) from the median are left out as
    wrong entries. Recent amounts weigh more. The range goes from a normal prediction interval of the logarithms, with
    few points, to quantiles, with many.
    """
    usable = [(i, math.log(p.amount), max(0.0, p.age_days)) for i, p in enumerate(points) if p.amount > 0]
    if not usable:
        return None
    first = _inliers(usable)
    slope = _trend(first)
    moved = [(i, value + slope * age, age) for i, value, age in usable]
    kept = _inliers(moved)
    weights = [0.5 ** (age / half_life_days) for _, _, age in kept]
    values = [value for _, value, _ in kept]
    tail = _tail(coverage, len(kept))
    low, middle, high = _quantiles(values, weights, (tail, 0.5, 1 - tail))
    reach = _reach(values, weights, middle, coverage)
    # Quantiles know skew but need many points; Student's interval is right with few.
    share = len(kept) / (len(kept) + _QUANTILES_NEED)
    low = share * low + (1 - share) * (middle - reach)
    high = share * high + (1 - share) * (middle + reach)
    return Range(
        math.exp(low),
        math.exp(middle),
        math.exp(high),
        len(kept),
        tuple(i for i, _, _ in kept),
        math.expm1(slope * 30),
    )


def _inliers(items: Sequence[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    centre = median([value for _, value, _ in items])
    sigma = max(_MAD_TO_SIGMA * median([abs(value - centre) for _, value, _ in items]), _MIN_SIGMA)
    return [item for item in items if abs(item[1] - centre) <= _TRIM_SIGMAS * sigma]


def _trend(items: Sequence[tuple[int, float, float]]) -> float:
    """Theil-Sen slope of the logarithm per day towards now, shrunk to zero for few points."""
    recent = sorted(items, key=lambda item: item[2])[:_TREND_SAMPLES]
    if len(recent) < _TREND_MIN or recent[-1][2] - recent[0][2] < _TREND_MIN_SPAN_DAYS:
        return 0.0
    gap = (recent[-1][2] - recent[0][2]) / 10
    slopes = [
        (newer[1] - older[1]) / (older[2] - newer[2])
        for k, newer in enumerate(recent)
        for older in recent[k + 1 :]
        if older[2] - newer[2] >= gap
    ]
    if not slopes:
        return 0.0
    slope = median(slopes) * len(recent) / (len(recent) + _TREND_SHRINK)
    return max(-_TREND_LIMIT_PER_DAY, min(_TREND_LIMIT_PER_DAY, slope))


def _tail(coverage: float, n: int) -> float:
    """Share left out on each side; the (n + 1) / n correction keeps the promise for few points."""
    return max(0.0, (1 - min(1.0, coverage * (n + 1) / n)) / 2)


def _reach(values: Sequence[float], weights: Sequence[float], middle: float, coverage: float) -> float:
    """Half the width of a prediction interval: Student's factor for the effective number of points."""
    total = sum(weights)
    n = total * total / sum(w * w for w in weights)
    freedom = max(n - 1, 1.0)
    squares = sum(w * (v - middle) ** 2 for v, w in zip(values, weights, strict=True)) / total
    variance = squares * n / freedom
    # Few equal prices do not prove that the next one is equal too: the usual spread of a shop weighs as a few points.
    variance = (variance * freedom + _USUAL_SIGMA**2 * _USUAL_POINTS) / (freedom + _USUAL_POINTS)
    freedom += _USUAL_POINTS
    z = _normal(coverage)
    student = z * (1 + (z * z + 1) / (4 * freedom))
    return student * math.sqrt(variance * (1 + 1 / n))


@lru_cache(maxsize=64)
def _normal(coverage: float) -> float:
    return NormalDist().inv_cdf((1 + coverage) / 2)


def _quantiles(values: Sequence[float], weights: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Weighted quantiles, linear between the middles of the weights, the extremes outside them."""
    order = sorted(range(len(values)), key=values.__getitem__)
    total = sum(weights)
    marks: list[tuple[float, float]] = []
    passed = 0.0
    for index in order:
        marks.append(((passed + weights[index] / 2) / total, values[index]))
        passed += weights[index]
    return [_between(marks, share) for share in shares]


def _between(marks: Sequence[tuple[float, float]], share: float) -> float:
    if share <= marks[0][0]:
        return marks[0][1]
    for (left, low), (right, high) in pairwise(marks):
        if share <= right:
            return low + (high - low) * (share - left) / (right - left)
    return marks[-1][1]


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones for an even count."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

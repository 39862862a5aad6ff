"""Whether confidence means what it says: reliability table and expected calibration error."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_EDGES: Final = (0.0, 0.5, 0.75, 0.85, 0.9, 0.94, 0.96, 0.98, 1.01)


@dataclass(frozen=True, slots=True)
class Bin:
    """Facts whose confidence lies in [low, high): how many, their mean confidence, the share that was right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def reliability(points: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    """The reliability table over fixed bins; empty bins are left out."""
    bins = []
    for low, high in itertools.pairwise(_EDGES):
        inside = [(confidence, right) for confidence, right in points if low <= confidence < high]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            accuracy = sum(right for _, right in inside) / len(inside)
            bins.append(Bin(low, min(high, 1.0), len(inside), round(mean, 4), round(accuracy, 4)))
    return tuple(bins)


def calibration_error(points: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by the bins' sizes."""
    if not points:
        return 0.0
    gaps = sum(item.n * abs(item.confidence - item.accuracy) for item in reliability(points))
    return round(gaps / len(points), 4)

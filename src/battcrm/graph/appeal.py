"""Appeals of other people that resemble this one, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from battcrm.graph.client import moment
from battcrm.models.situation import PastAppeal

SIMILAR_LIMIT: Final = 5
CANDIDATES: Final = 80
_HALF_LIFE_DAYS: Final = 90.0
_FAMILY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Ranked:
    """A similar repair, and whose it was (to leave out the asking client's own)."""

    client_id: str | None
    past: PastAppeal


def rank(
    rows: Sequence[Mapping[str, Any]], *, brand: str, model: str, repair_types: Sequence[str], now: datetime
) -> tuple[Ranked, ...]:
    """Finished repairs of a brand, best first and at most `CANDIDATES`: same model before family, same set of repairs
    before an overlap, recent before old."""
    wanted = frozenset(repair_types)
    scored: list[tuple[float, str, Mapping[str, Any]]] = []
    for row in rows:
        found = frozenset(row["repair_types"] or ())
        if not found & wanted:
            continue
        overlap = len(found & wanted) / len(found | wanted)
        share = 1.0 if row["model"] == model else _FAMILY
        scored.append((-overlap * share * 0.5 ** (_age_days(row, now) / _HALF_LIFE_DAYS), row["id"], row))
    scored.sort(key=lambda item: item[:2])
    return tuple(Ranked(row["client_id"], _told(row, brand, model, wanted, now)) for _, _, row in scored[:CANDIDATES])


def _told(row: Mapping[str, Any], brand: str, model: str, wanted: frozenset[str], now: datetime) -> PastAppeal:
    kinds = tuple(row["repair_types"])
    why = _why(row["model"] == model, frozenset(kinds), wanted, round(_age_days(row, now)))
    return PastAppeal(row["id"], brand, row["model"], kinds, "done", moment(row["at"]), row["amount"], why)


def _age_days(row: Mapping[str, Any], now: datetime) -> float:
    return max(0.0, (now - moment(row["at"])).total_seconds() / 86_400)


def of_others(ranked: Sequence[Ranked], client_id: str, limit: int = SIMILAR_LIMIT) -> tuple[PastAppeal, ...]:
    """The best of other people."""
    found: list[PastAppeal] = []
    for item in ranked:
        if item.client_id != client_id:
            found.append(item.past)
            if len(found) == limit:
                break
    return tuple(found)


def _why(same: bool, found: frozenset[str], wanted: frozenset[str], days: int) -> str:
    device = "same model" if same else "same family"
    work = "same repair" if found == wanted else "shared: " + ", ".join(sorted(found & wanted))
    return f"{device}; {work}; {days} days ago"

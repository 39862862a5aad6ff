"""Appeals of other people that resemble this one, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from battcrm.graph.client import moment, past_appeal
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
    rows: Sequence[Mapping[str, Any]], *, model: str, repair_types: Sequence[str], now: datetime
) -> tuple[Ranked, ...]:
    """Best first: same model before family, same set of repairs before an overlap, recent before old."""
    wanted = frozenset(repair_types)
    scored = []
    for row in rows:
        found = frozenset(row["repair_types"] or ())
        if not found & wanted:
            continue
        overlap = len(found & wanted) / len(found | wanted)
        age_days = max(0.0, (now - moment(row["at"])).total_seconds() / 86_400)
        same = row["model"] == model
        score = overlap * (1.0 if same else _FAMILY) * 0.5 ** (age_days / _HALF_LIFE_DAYS)
        why = _why(same, found, wanted, round(age_days))
        scored.append((score, Ranked(row["client_id"], past_appeal(row, why))))
    scored.sort(key=lambda pair: (-pair[0], pair[1].past.ref))
    return tuple(item for _, item in scored)


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

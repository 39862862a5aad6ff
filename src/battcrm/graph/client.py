"""The client's own history, over all identities that were merged into one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from battcrm.models.situation import PastAppeal

HISTORY_LIMIT: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def millis(moment: datetime) -> int:
    """How the graph stores time: milliseconds since 1970, the same in every dialect."""
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


def moment(value: int) -> datetime:
    """The aware UTC time of stored milliseconds."""
    return _EPOCH + timedelta(milliseconds=value)


def past_appeal(row: Mapping[str, Any], why: str = "") -> PastAppeal:
    """One node of the graph as a line of history."""
    return PastAppeal(
        ref=str(row["id"]),
        brand=row["brand"],
        model=row["model"],
        repair_types=tuple(row["repair_types"] or ()),
        status=str(row["status"]),
        at=moment(row["at"]),
        amount=row["amount"],
        why=why,
    )


def history(rows: Sequence[Mapping[str, Any]], limit: int = HISTORY_LIMIT) -> tuple[PastAppeal, ...]:
    """Newest first. A repair that belongs to an appeal is not told twice: it lends the appeal its amount."""
    paid = _paid(row for row in rows if row["kind"] == "repair")
    told: list[PastAppeal] = []
    seen = {row["id"] for row in rows if row["kind"] == "appeal"}
    for row in rows:
        if row["kind"] == "repair" and row["appeal_id"] in seen:
            continue
        known = {**row, "amount": paid.get(row["id"])} if row["kind"] == "appeal" else row
        told.append(past_appeal(known, "own history"))
    return tuple(sorted(told, key=lambda p: p.at, reverse=True)[:limit])


def _paid(repairs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    paid: dict[str, int] = {}
    for row in repairs:
        if row["appeal_id"] and row["amount"] and row["status"] == "done":
            paid[row["appeal_id"]] = paid.get(row["appeal_id"], 0) + row["amount"]
    return paid

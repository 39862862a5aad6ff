"""What else is usually repaired on such a device: support and lift over past devices, never what was just done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from battcrm.models.situation import Offer, PastAppeal

BASKETS: Final = 400
OFFER_LIMIT: Final = 3
MIN_SUPPORT: Final = 5
MIN_LIFT: Final = 1.2
RECENT_DAYS: Final = 180
_NOT_FOR_SALE: Final = frozenset({"other", "diagnostics", "no_power", "water_damage", "board"})


def baskets_of(repairs: Sequence[Mapping[str, Any]], *, since: int) -> list[list[str]]:
    """What was done to each device since (milliseconds), from its newest repairs; one without an owner is a device."""
    recent = sorted((r for r in repairs if r["at"] >= since), key=lambda r: (-r["at"], r["id"]))[:BASKETS]
    baskets: dict[str, dict[str, None]] = {}
    for repair in recent:
        baskets.setdefault(repair["device_id"] or repair["id"], {}).update(dict.fromkeys(repair["repair_types"]))
    return [list(kinds) for kinds in baskets.values()]


def offers(baskets: Sequence[Sequence[str]], wanted: Iterable[str]) -> tuple[Offer, ...]:
    """Repairs that come with `wanted` on one device more often than by chance, best lift first.

    support = devices that had both; lift = P(both) / (P(wanted) * P(other)).
    """
    asked = frozenset(wanted)
    having = [basket for basket in baskets if asked.intersection(basket)]
    if not having:
        return ()
    everywhere = Counter(kind for basket in baskets for kind in set(basket))
    together = Counter(kind for basket in having for kind in set(basket))
    found = [
        Offer(kind, support, round(support * len(baskets) / (len(having) * everywhere[kind]), 2))
        for kind, support in together.items()
        if support >= MIN_SUPPORT and kind not in asked and kind not in _NOT_FOR_SALE
    ]
    ranked = sorted(found, key=lambda offer: (-offer.lift, -offer.support, offer.repair_type))
    return tuple(offer for offer in ranked if offer.lift >= MIN_LIFT)


def not_just_done(
    ranked: Sequence[Offer], history: Sequence[PastAppeal], *, model: str | None, now: datetime
) -> tuple[Offer, ...]:
    """Without what this client had done on this model lately or has open now; at most three."""
    since = now - timedelta(days=RECENT_DAYS)
    done = {
        kind
        for past in history
        if past.model == model and past.status not in ("lost", "spam") and past.at >= since
        for kind in past.repair_types
    }
    return tuple(offer for offer in ranked if offer.repair_type not in done)[:OFFER_LIMIT]

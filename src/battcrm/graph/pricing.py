"""A quote with its evidence: labour from past repairs, the part from the price list, or the reason for refusing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from battcrm.graph.estimate import Point, Range, estimate
from battcrm.graph.family import are_siblings
from battcrm.graph.settings import PricingSettings
from battcrm.models.situation import Evidence, Quote

NO_PART: Final = frozenset({"software", "unlock", "data_recovery", "cleaning", "diagnostics"})
EVIDENCE_LIMIT: Final = 20
_SECONDS_A_DAY: Final = 86_400.0


class Refusal(StrEnum):
    """Why there is no quote."""

    NO_DATA = "no_data"
    TOO_FEW = "too_few_repairs"
    STALE = "stale_price"
    WIDE = "wide_spread"
    BLOCKED = "blocked_by_shop"


@dataclass(frozen=True, slots=True)
class Sample:
    """A past repair of exactly one type. Kopecks."""

    ref: UUID
    brand: str
    model: str
    labour: int
    part: int
    total: int
    owner: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PriceLine:
    """An active line of the tenant's price list. Kopecks."""

    ref: UUID
    part_price: int | None
    labour_price: int | None
    stock: int | None
    quality: str | None
    priced_at: datetime
    currency: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be priced, and by which rules of thumb."""

    tenant_id: UUID
    brand: str
    model: str
    repair_type: str
    owner: str
    now: datetime
    min_repairs: int
    window_days: int
    price_max_age_days: int


def owner_of(sample: Sample, repair_type: str) -> str | None:
    """Whose part went in: as recorded; where a shop's part was charged it was the shop's; else unknown (None)."""
    if repair_type in NO_PART:
        return "any"
    if sample.owner in ("client", "shop"):
        return sample.owner
    return "shop" if sample.part > 0 else None


def quote(ask: Ask, samples: Sequence[Sample], prices: Sequence[PriceLine], settings: PricingSettings) -> Quote:
    """The quote, or a Quote whose `refusal` says why not. Pure; every number has its rows in `evidence`."""
    base = Quote(ask.repair_type, ask.brand, ask.model, days=ask.window_days, labour_only=_labour_only(ask))
    if ask.model in settings.never_quote:
        return replace(base, refusal=Refusal.BLOCKED)
    currency = prices[0].currency if prices else base.currency
    lines = [line for line in prices if line.currency == currency and _usable(line)]
    fresh = [line for line in lines if ask.now - line.priced_at <= timedelta(days=ask.price_max_age_days)]
    base = replace(base, currency=currency)
    pool = _pool(ask, samples)
    work = _choose(ask, pool, settings)
    if _labour_only(ask):
        return _labour_quote(ask, base, work, pool, lines, fresh, settings)
    return _full_quote(ask, base, work, pool, lines, fresh, settings)


def _labour_only(ask: Ask) -> bool:
    return ask.owner == "client" and ask.repair_type not in NO_PART


def _usable(line: PriceLine) -> bool:
    return (line.part_price or 0) > 0 or (line.labour_price or 0) > 0


@dataclass(frozen=True, slots=True)
class _Work:
    """Samples chosen for the estimate, and whose they are when not this model's."""

    samples: tuple[Sample, ...]
    sibling: str | None


def _pool(ask: Ask, samples: Iterable[Sample]) -> list[Sample]:
    """Repairs inside the window that are comparable: same brand, same answer to "whose part"."""
    since = ask.now - timedelta(days=ask.window_days)
    wanted = "any" if ask.repair_type in NO_PART else ask.owner
    return [
        s
        for s in samples
        if s.brand == ask.brand and since <= s.at <= ask.now and owner_of(s, ask.repair_type) == wanted and s.labour > 0
    ]


def _choose(ask: Ask, pool: Sequence[Sample], settings: PricingSettings) -> _Work:
    own = tuple(s for s in pool if s.model == ask.model)
    if len(own) >= ask.min_repairs or not settings.use_siblings:
        return _Work(own, None)
    by_model: dict[str, list[Sample]] = {}
    for sample in pool:
        if are_siblings(sample.model, ask.model):
            by_model.setdefault(sample.model, []).append(sample)
    # The sibling nearest in name length is nearest in price ("13 Pro" stands for "13" rather than "13 Pro Max").
    ranked = sorted(by_model.items(), key=lambda kv: (abs(len(kv[0]) - len(ask.model)), -len(kv[1]), kv[0]))
    for model, found in ranked:
        if len(found) >= ask.min_repairs:
            return _Work(tuple(found), model)
    return _Work(own, None)


def _points(ask: Ask, work: _Work, amounts: Sequence[int]) -> list[Point]:
    ages = [(ask.now - s.at).total_seconds() / _SECONDS_A_DAY for s in work.samples]
    return [Point(amount, age) for amount, age in zip(amounts, ages, strict=True)]


def _spread(ask: Ask, work: _Work, amounts: Sequence[int], settings: PricingSettings) -> Range | None:
    """The range, if enough samples remain after trimming."""
    found = estimate(_points(ask, work, amounts), coverage=settings.coverage, half_life_days=ask.window_days / 2)
    if found is None or found.n < ask.min_repairs:
        return None
    if work.sibling is None:
        return found
    margin = settings.sibling_margin
    return replace(found, low=found.low * (1 - margin), high=found.high * (1 + margin))


def _labour_quote(
    ask: Ask,
    base: Quote,
    work: _Work,
    pool: Sequence[Sample],
    lines: Sequence[PriceLine],
    fresh: Sequence[PriceLine],
    settings: PricingSettings,
) -> Quote:
    found = _spread(ask, work, [s.labour for s in work.samples], settings)
    if found is not None:
        evidence = _repairs(work, found, [s.labour for s in work.samples], "labour")
        return _ranged(base, settings, work, found, 0, 0, evidence)
    return _from_list(ask, base, pool, lines, fresh, settings)


def _full_quote(
    ask: Ask,
    base: Quote,
    work: _Work,
    pool: Sequence[Sample],
    lines: Sequence[PriceLine],
    fresh: Sequence[PriceLine],
    settings: PricingSettings,
) -> Quote:
    needs_part = ask.repair_type not in NO_PART
    listed = [line for line in lines if (line.part_price or 0) > 0] if needs_part else []
    parts = _on_offer([line for line in fresh if (line.part_price or 0) > 0]) if needs_part else []
    base = _with_part(base, parts or listed)
    if listed and not parts:
        return replace(base, n=len(work.samples), refusal=Refusal.STALE, evidence=_price_rows(listed, "part"))
    whole = needs_part and not parts
    if whole:  # the list has no such part: what clients paid in all is the only honest measure, and of this model only
        work = _Work(tuple(s for s in pool if s.model == ask.model and s.part > 0), None)
    amounts = [s.total if whole else s.labour for s in work.samples]
    found = _spread(ask, work, amounts, settings)
    if found is None:
        return _from_list(ask, base, pool, lines, fresh, settings)
    evidence = _repairs(work, found, amounts, "total" if whole else "labour") + _price_rows(parts, "part")
    prices = sorted(line.part_price or 0 for line in parts) or [0]
    return _ranged(base, settings, work, found, prices[0], prices[-1], evidence)


def _from_list(
    ask: Ask,
    base: Quote,
    pool: Sequence[Sample],
    lines: Sequence[PriceLine],
    fresh: Sequence[PriceLine],
    settings: PricingSettings,
) -> Quote:
    """Without enough repairs the shop's own fixed prices stand, if they are fresh and complete."""
    own = sum(s.model == ask.model for s in pool)
    needs_part = not base.labour_only and ask.repair_type not in NO_PART

    def complete(line: PriceLine) -> bool:
        return (line.labour_price or 0) > 0 and (not needs_part or (line.part_price or 0) > 0)

    fixed = _on_offer([line for line in fresh if complete(line)])
    if not fixed:
        stale = bool(lines) and any(complete(line) for line in lines)
        missing = Refusal.TOO_FEW if own or lines else Refusal.NO_DATA
        return replace(base, n=own, refusal=Refusal.STALE if stale else missing, evidence=_price_rows(lines, "list"))
    sums = sorted((line.labour_price or 0) + ((line.part_price or 0) if needs_part else 0) for line in fixed)
    middle = sums[len(sums) // 2]
    found = Range(sums[0], middle, sums[-1], own, (), 0.0)
    what = "labour and part" if needs_part else "labour"
    return _ranged(base, settings, _Work((), None), found, 0, 0, _price_rows(fixed, what, whole=needs_part))


def _on_offer(lines: Sequence[PriceLine]) -> list[PriceLine]:
    """What can be fitted: what is in stock, or everything when nothing is (it would be ordered)."""
    return [line for line in lines if line.stock is None or line.stock > 0] or list(lines)


def _with_part(base: Quote, lines: Sequence[PriceLine]) -> Quote:
    if not lines:
        return base
    cheapest = min(lines, key=lambda line: line.part_price or 0)
    stock = [line.stock for line in lines if line.stock is not None]
    return replace(
        base,
        part_price=cheapest.part_price,
        part_stock=sum(stock) if stock else None,
        part_priced_at=cheapest.priced_at,
    )


def _ranged(
    base: Quote,
    settings: PricingSettings,
    work: _Work,
    found: Range,
    part_low: int,
    part_high: int,
    evidence: tuple[Evidence, ...],
) -> Quote:
    """Assemble; refuse when what repairs cost differs more than the shop allows. Parts of two qualities may differ."""
    middle = round(found.median) + (part_low + part_high) // 2
    base = replace(base, n=found.n, sibling_model=work.sibling, evidence=evidence)
    if found.high - found.low > settings.max_spread * (found.median + part_low):
        return replace(base, refusal=Refusal.WIDE)
    step = settings.round_to
    low = int(found.low + part_low) // step * step
    high = -(-int(found.high + part_high) // step) * step
    return replace(base, low=max(low, min(step, middle)), high=max(high, middle), median=middle)


def _repairs(work: _Work, found: Range, amounts: Sequence[int], what: str) -> tuple[Evidence, ...]:
    newest = sorted(found.kept, key=lambda i: work.samples[i].at, reverse=True)[:EVIDENCE_LIMIT]
    note = f"{what}; {work.sibling}" if work.sibling else what
    return tuple(Evidence("repair", str(work.samples[i].ref), amounts[i], work.samples[i].at, note) for i in newest)


def _price_rows(lines: Sequence[PriceLine], what: str, *, whole: bool = False) -> tuple[Evidence, ...]:
    def amount(line: PriceLine) -> int:
        if whole:
            return (line.part_price or 0) + (line.labour_price or 0)
        return line.part_price or line.labour_price or 0 if what != "labour" else line.labour_price or 0

    return tuple(Evidence("price", str(line.ref), amount(line), line.priced_at, what) for line in lines)

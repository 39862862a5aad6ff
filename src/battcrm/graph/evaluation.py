"""How good quotes are: past repairs replayed in the order of time, each quoted from earlier ones alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.graph.estimate import median
from battcrm.graph.pricing import NO_PART, Ask, Sample, owner_of, quote
from battcrm.graph.settings import PricingSettings
from battcrm.models.situation import Quote

TARGET_COVERAGE: Final = (0.80, 0.90)
MAX_WIDTH: Final = 0.35
MAX_REFUSALS: Final = 0.25
_NOBODY: Final = UUID(int=0)
_LEVELS: Final = tuple(level / 100 for level in range(40, 101))


@dataclass(frozen=True, slots=True)
class Past:
    """A finished repair of one type, as it is replayed."""

    sample: Sample
    repair_type: str


@dataclass(frozen=True, slots=True)
class PricingReport:
    """Shares are 0..1; widths are the median of (high - low) / median.

    `asked` = replayed repairs, `enough` = those with at least the minimum of comparable earlier repairs in the window,
    `refused_enough` = share of these that was refused. `baseline_*`: quantiles of the same model over all time, at the
    narrowest level that covers no less.
    """

    asked: int
    enough: int
    quoted: int
    covered: float
    median_width: float
    refused_enough: float
    sibling_quotes: int
    refusals: dict[str, int]
    baseline_quoted: int
    baseline_covered: float
    baseline_width: float

    @property
    def passed(self) -> bool:
        """The targets of the design: coverage 80-90 %, width <= 35 %, refusals <= 25 %, narrower than the baseline."""
        low, high = TARGET_COVERAGE
        return (
            low <= self.covered <= high
            and self.median_width <= MAX_WIDTH
            and self.refused_enough <= MAX_REFUSALS
            and self.median_width < self.baseline_width
        )

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "passed": self.passed}


def amount_of(past: Past) -> int:
    """What is predicted: everything the client paid, or labour alone where the part was the client's or none."""
    labour_only = past.repair_type in NO_PART or owner_of(past.sample, past.repair_type) == "client"
    return past.sample.labour if labour_only else past.sample.total


def replay(
    history: Sequence[Past],
    settings: PricingSettings,
    *,
    warm_up: float = 0.3,
    progress: Callable[[int], None] | None = None,
) -> PricingReport:
    """Quote each repair after the first `warm_up` share from what had been closed when it was closed; no price list.

    Repairs whose part's owner is unknown, or with nothing paid, are evidence for nobody and are not asked.
    """
    ordered = sorted(history, key=lambda p: p.sample.at)
    groups: dict[tuple[str, str], list[Sample]] = {}
    outcomes: list[_Outcome] = []
    for number, past in enumerate(ordered):
        known = groups.setdefault((past.sample.brand, past.repair_type), [])
        if number >= warm_up * len(ordered) and _askable(past):
            outcomes.append(_ask(past, known, settings))
        known.append(past.sample)
        if progress is not None:
            progress(number + 1)
    return _report(outcomes)


@dataclass(frozen=True, slots=True)
class _Outcome:
    actual: int
    quote: Quote
    enough: bool
    earlier: tuple[int, ...]


def _askable(past: Past) -> bool:
    return owner_of(past.sample, past.repair_type) is not None and past.sample.labour > 0


def _ask(past: Past, known: Sequence[Sample], settings: PricingSettings) -> _Outcome:
    sample, kind = past.sample, past.repair_type
    owner = owner_of(sample, kind) or "shop"
    now = sample.at - timedelta(microseconds=1)
    ask = Ask(
        _NOBODY,
        sample.brand,
        sample.model,
        kind,
        owner,
        now,
        settings.min_repairs,
        settings.window_days,
        settings.price_max_age_days,
    )
    made = quote(ask, known, (), settings)
    same = [s for s in known if s.model == sample.model and owner_of(s, kind) == owner and s.labour > 0]
    since = now - timedelta(days=settings.window_days)
    earlier = tuple(sorted(amount_of(Past(s, kind)) for s in same))
    enough = sum(s.at >= since for s in same) >= settings.min_repairs
    return _Outcome(amount_of(past), made, enough, earlier)


def _report(outcomes: Sequence[_Outcome]) -> PricingReport:
    quoted = [o for o in outcomes if o.quote.refusal is None]
    enough = [o for o in outcomes if o.enough]
    covered = _share([o.quote.low <= o.actual <= o.quote.high for o in quoted])
    refusals: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.quote.refusal is not None:
            name = str(outcome.quote.refusal)
            refusals[name] = refusals.get(name, 0) + 1
    own = [o for o in quoted if o.quote.sibling_model is None and o.enough]
    base_covered, base_width = _baseline(own, _share([o.quote.low <= o.actual <= o.quote.high for o in own]))
    return PricingReport(
        asked=len(outcomes),
        enough=len(enough),
        quoted=len(quoted),
        covered=covered,
        median_width=_middle([(o.quote.high - o.quote.low) / o.quote.median for o in quoted]),
        refused_enough=_share([o.quote.refusal is not None for o in enough]),
        sibling_quotes=sum(o.quote.sibling_model is not None for o in quoted),
        refusals=refusals,
        baseline_quoted=len(own),
        baseline_covered=base_covered,
        baseline_width=base_width,
    )


def _baseline(outcomes: Sequence[_Outcome], target: float) -> tuple[float, float]:
    """Coverage and width of plain quantiles over all time at the narrowest level that covers `target`."""
    covered, width = 0.0, 0.0
    for level in _LEVELS:
        ranges = [(_at(o.earlier, (1 - level) / 2), _at(o.earlier, (1 + level) / 2)) for o in outcomes]
        hits = [low <= o.actual <= high for o, (low, high) in zip(outcomes, ranges, strict=True)]
        middles = [_at(o.earlier, 0.5) for o in outcomes]
        covered = _share(hits)
        width = _middle([(high - low) / m for (low, high), m in zip(ranges, middles, strict=True)])
        if covered >= target:
            break
    return covered, width


def _at(ordered: Sequence[int], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0


def _middle(values: Sequence[float]) -> float:
    return round(median(values), 4) if values else 0.0

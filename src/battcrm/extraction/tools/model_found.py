"""What the scan found at one place, and how several possible models become a fact or candidates."""

from __future__ import annotations

from typing import Final, NamedTuple

from battcrm.extraction.gazetteer.catalogue import Model, Named, best
from battcrm.extraction.gazetteer.compile import RANK_BOUND
from battcrm.models.facts import Candidate

SURE: Final = 0.96
AS_SAID: Final = 0.88
FUZZY: Final = 0.85
CONTEXT: Final = 0.9
BARE: Final = 0.85
DOMINANT: Final = 0.8
# A bare name is taken for one maker's only when the next likely maker is this many times rarer.
_DOMINANCE: Final = 4.0
_MAX_CANDIDATES: Final = 6
_COMPUTERS: Final = frozenset(("laptop", "pc"))


class Found(NamedTuple):
    """A device at cells [start, end). `model` is the settled name; else `candidates` are what it may be."""

    start: int
    end: int
    brand: str = ""
    model: str = ""
    device_class: str | None = None
    confidence: float = 0.0
    brand_confidence: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    open: bool = False
    source: str = ""
    head: bool = False
    scope: str = ""
    line: tuple[str, ...] = ()
    corrected: bool = False
    negated: bool = False


def settle(named: tuple[Named, ...], device_class: str | None) -> tuple[Model | None, tuple[Model, ...]]:
    """The one model meant, or all it may be (likeliest first). `device_class` is what the client called the thing."""
    fitting = tuple(item for item in named if _fits(item, device_class))
    models = sorted(_unique(best(fitting)), key=lambda model: -model.weight)
    if not models:
        return None, ()
    if len(models) == 1 or models[0].weight >= _DOMINANCE * models[1].weight:
        return models[0], ()
    return None, tuple(models)


def _unique(models: tuple[Model, ...]) -> list[Model]:
    return list({(model.brand, model.name): model for model in models}.values())


def _fits(item: Named, device_class: str | None) -> bool:
    if device_class is None:
        return item.rank != RANK_BOUND
    if {device_class, item.model.device_class} <= _COMPUTERS:
        return True
    return item.model.device_class == device_class


def candidates(models: tuple[Model, ...] | list[Model]) -> tuple[Candidate, ...]:
    """Candidates with shares of the total weight as scores."""
    kept = list(models)[:_MAX_CANDIDATES]
    total = sum(max(model.weight, 0.1) for model in kept) or 1.0
    return tuple(Candidate(model.brand, model.name, round(max(model.weight, 0.1) / total, 3)) for model in kept)


def with_five_g(name: str, device_class: str, five_g: bool) -> str:
    """5G is said, so it belongs to a phone's or tablet's name."""
    if five_g and device_class in ("phone", "tablet") and not name.endswith("5G") and " 5G " not in name:
        return f"{name} 5G"
    return name

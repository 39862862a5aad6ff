"""The tenant's `pricing` section."""

from __future__ import annotations

from pydantic import Field

from battcrm.models.config import SECTIONS, Section


class PricingSettings(Section):
    """How quotes are made. Money in kopecks, shares as 0..1."""

    min_repairs: int = Field(5, ge=3, le=100, description="Fewer comparable repairs than this: no quote.")
    window_days: int = Field(180, ge=14, le=1095, description="How far back repairs count.")
    price_max_age_days: int = Field(60, ge=1, le=730, description="An older list price is stale.")
    coverage: float = Field(0.82, ge=0.5, le=0.98, description="Share of repairs the range should hold.")
    max_spread: float = Field(1.0, gt=0.05, le=10.0, description="Widest range, as a share of its median.")
    sibling_margin: float = Field(0.08, ge=0.0, le=1.0, description="Widening when a sibling model's repairs are used.")
    round_to: int = Field(5_000, ge=100, le=1_000_000, description="Ranges are rounded outwards to this.")
    use_siblings: bool = Field(True, description="May a model of the same family stand in, saying so?")
    never_quote: tuple[str, ...] = Field((), description="Models whose price only an operator may name.")


SECTIONS.register("pricing", PricingSettings)

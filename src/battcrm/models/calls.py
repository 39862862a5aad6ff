"""On whose behalf a model is called, and what the call tells about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pydantic import Field

from battcrm.models.config import SECTIONS, Section

EXTRACTION: Final = "extraction"
WORDING: Final = "wording"


@dataclass(slots=True)
class CallReport:
    """Filled while a call runs, so that a failed or cancelled one tells it too.

    `steps` are the ladder's (`big: timeout`, `small: ok`); `calls` counts what reached a provider; `provider_ms` is the
    time the providers themselves took, as far as they say.
    """

    steps: list[str] = field(default_factory=list)
    calls: int = 0
    cost_microrub: int = 0
    provider_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CallScope:
    """Tenant, client, turn and appeal of one call, and its report. One scope is one call: never shared."""

    tenant_id: UUID
    turn_id: UUID | None = None
    appeal_id: UUID | None = None
    purpose: str = EXTRACTION
    report: CallReport = field(default_factory=CallReport, compare=False)
    client_id: UUID | None = None


class ModelSettings(Section):
    """The tenant's settings of model calls (section `models`)."""

    day_budget_rub: int | None = Field(
        None, ge=0, description="most to spend on models in a day; empty = what the installation sets, 0 = rules only"
    )
    client_day_calls: int = Field(
        40, ge=0, le=10_000, description="most questions to a model in a day for one client; beyond, rules answer alone"
    )


SECTIONS.register("models", ModelSettings)

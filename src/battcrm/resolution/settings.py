"""The tenant's constants for telling appeals and clients apart."""

from __future__ import annotations

from pydantic import Field

from battcrm.models.config import SECTIONS, Section


class ResolutionSettings(Section):
    """Section `resolution`. Days and minutes; confidences 0..1."""

    same_repair_days: int = Field(default=14, ge=1, le=365)
    post_service_days: int = Field(default=3, ge=0, le=60)
    lost_reply_hours: int = Field(default=24, ge=0, le=720)
    warranty_days: int = Field(default=365, ge=1, le=3650)
    recent_gap_minutes: int = Field(default=3, ge=0, le=1440)
    min_fact_confidence: float = Field(default=0.35, ge=0, le=1)
    merge_on_verified_phone: bool = True
    twin_days: int = Field(default=14, ge=1, le=365)


SECTIONS.register("resolution", ResolutionSettings)

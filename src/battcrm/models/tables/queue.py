"""Tasks taken from a list that another system fills, and what was read out of them (battcrm.migration.queue)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, BigZero, Due, JsonList, JsonObject, Key, TextList, churn, due_indexes


class QueueTask(Due, Base):
    """One task between the list and its result; gone when it is done. `raw` is what the list held, byte for byte."""

    __tablename__ = "queue_task"
    __table_args__ = (*due_indexes("queue_task"), churn())
    tenant_id: Mapped[Key]
    task_key: Mapped[Key]
    lane: Mapped[str]
    raw: Mapped[bytes]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    received_at: Mapped[datetime]


class Extracted:
    """What was read out of one task. Fields below the acting threshold are empty; `hypotheses` has everything."""

    tenant_id: Mapped[Key]
    task_id: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str]
    appeal_type: Mapped[str | None]
    brand: Mapped[str | None]
    model: Mapped[str | None]
    device_class: Mapped[str | None]
    repair_types: Mapped[TextList]
    part_owner: Mapped[str | None]
    confidence: Mapped[JsonObject]
    methods: Mapped[JsonObject]
    hypotheses: Mapped[JsonList]
    open_fields: Mapped[TextList]
    language: Mapped[str] = mapped_column(server_default=text("'ru'"))
    wants_operator: Mapped[bool] = mapped_column(server_default=text("false"))
    model_calls: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[str | None]
    steps: Mapped[TextList]
    cost_microrub: Mapped[BigZero]
    version: Mapped[str]
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime]


class AiExtractionResult(Extracted, Base):
    """The table that the old installation reads, unless the settings name one of its own."""

    __tablename__ = "ai_extraction_result"


class AiExtractionShadow(Extracted, Base):
    """The same in shadow mode: beside the old installation's own results, for comparison."""

    __tablename__ = "ai_extraction_shadow"

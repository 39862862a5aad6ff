"""The unit of business: appeals, their episodes, turns, facts and decisions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, BigZero, JsonList, JsonObject, Key, TextList, Zero


class Appeal(Base):
    """One client's one problem with one device. `known` holds the current facts with confidence and method."""

    __tablename__ = "appeal"
    __table_args__ = (
        Index("ix_appeal_client", "tenant_id", "client_id", "touched_at"),
        Index("uq_appeal_number", "tenant_id", "number", unique=True),
        Index("ix_appeal_control", "tenant_id", "control", postgresql_where=text("control <> 'bot'")),
    )
    tenant_id: Mapped[Key]
    appeal_id: Mapped[Key]
    client_id: Mapped[UUID]
    dialog_id: Mapped[UUID]
    episode_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    control: Mapped[str] = mapped_column(server_default="bot")
    control_until: Mapped[datetime | None]
    assignee: Mapped[UUID | None]
    appeal_type: Mapped[str | None]
    brand: Mapped[str | None]
    model: Mapped[str | None]
    device_class: Mapped[str | None]
    repair_types: Mapped[TextList]
    part_owner: Mapped[str | None]
    known: Mapped[JsonObject]
    asked: Mapped[TextList]
    expecting: Mapped[str | None]
    options: Mapped[TextList]
    misunderstood: Mapped[Zero]
    quoted_low: Mapped[int | None] = mapped_column(BigInteger)
    quoted_high: Mapped[int | None] = mapped_column(BigInteger)
    parent_id: Mapped[UUID | None]
    handover: Mapped[JsonObject]
    opened_at: Mapped[datetime]
    touched_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))


class Episode(Base):
    """From first message (or reopening) to resolution of an appeal: owns context, cost and outcome.

    `outcome` (auto, assisted, handed_over, abandoned) is provisional from `ended_at` until `durable_at`; a reopening
    in between takes it back (`taken_back_at`). `reasons` are those of its handovers, in order.
    """

    __tablename__ = "episode"
    __table_args__ = (
        Index("ix_episode_appeal", "tenant_id", "appeal_id", "started_at"),
        Index("ix_episode_open", "tenant_id", "started_at", postgresql_where=text("ended_at IS NULL")),
        Index(
            "ix_episode_provisional",
            "tenant_id",
            "ended_at",
            postgresql_where=text("outcome IS NOT NULL AND durable_at IS NULL"),
        ),
    )
    tenant_id: Mapped[Key]
    episode_id: Mapped[Key]
    appeal_id: Mapped[UUID]
    started_as: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    first_answer_at: Mapped[datetime | None]
    first_answer_by: Mapped[str | None]
    handed_at: Mapped[datetime | None]
    human_at: Mapped[datetime | None]
    reasons: Mapped[TextList]
    outcome: Mapped[str | None]
    durable_at: Mapped[datetime | None]
    taken_back_at: Mapped[datetime | None]
    turns: Mapped[Zero]
    cost_microrub: Mapped[BigZero]


class Turn(Base):
    """One pass of understanding and answering."""

    __tablename__ = "turn"
    __table_args__ = (Index("ix_turn_dialog", "tenant_id", "dialog_id", "to_seq"),)
    tenant_id: Mapped[Key]
    turn_id: Mapped[Key]
    client_id: Mapped[UUID]
    dialog_id: Mapped[UUID]
    appeal_id: Mapped[UUID | None]
    episode_id: Mapped[UUID | None]
    state: Mapped[str]
    from_seq: Mapped[BigZero]
    to_seq: Mapped[BigZero]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    timings: Mapped[JsonObject]


class FactRow(Base):
    """One extracted value with where it came from. A newer row of the same field supersedes it."""

    __tablename__ = "fact"
    __table_args__ = (Index("ix_fact_appeal", "tenant_id", "appeal_id", "field", "created_at"),)
    tenant_id: Mapped[Key]
    fact_id: Mapped[Key]
    appeal_id: Mapped[UUID]
    turn_id: Mapped[UUID | None]
    field: Mapped[str]
    value: Mapped[str]
    confidence: Mapped[float]
    method: Mapped[str]
    source: Mapped[str]
    message_id: Mapped[UUID | None]
    span_start: Mapped[int | None]
    span_end: Mapped[int | None]
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class DecisionRow(Base):
    """Why an action happened: inputs, versions, alternatives, cost."""

    __tablename__ = "decision"
    __table_args__ = (
        Index("ix_decision_turn", "tenant_id", "turn_id"),
        Index("ix_decision_dialog", "tenant_id", "dialog_id", "created_at"),
    )
    tenant_id: Mapped[Key]
    decision_id: Mapped[Key]
    turn_id: Mapped[UUID | None]
    client_id: Mapped[UUID]
    dialog_id: Mapped[UUID | None]
    appeal_id: Mapped[UUID | None]
    action: Mapped[str]
    reason: Mapped[str]
    inputs: Mapped[JsonObject]
    alternatives: Mapped[JsonList]
    versions: Mapped[JsonObject]
    cost_microrub: Mapped[BigZero]
    created_at: Mapped[datetime]


class Suggestion(Base):
    """A draft for the operator in suggest mode. `effect` is what saying it does to its appeal (a price named)."""

    __tablename__ = "suggestion"
    __table_args__ = (
        Index("ix_suggestion_open", "tenant_id", "appeal_id", postgresql_where=text("state = 'open'")),
        Index("ix_suggestion_dialog", "tenant_id", "dialog_id", postgresql_where=text("state = 'open'")),
    )
    tenant_id: Mapped[Key]
    suggestion_id: Mapped[Key]
    appeal_id: Mapped[UUID | None]
    dialog_id: Mapped[UUID]
    turn_id: Mapped[UUID]
    drafts: Mapped[JsonList]
    state: Mapped[str]
    edited_text: Mapped[str | None]
    effect: Mapped[JsonObject]
    note: Mapped[str | None]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]

"""What leaves, and what waits: outgoing messages, intents, generic due-work, dead letters, the model ledger."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, Big, BigZero, Due, JsonObject, Key, Small, churn, due_indexes


class Outgoing(Due, Base):
    """One message to send. `pending` and `sending` block the chat (PROTOCOL E2)."""

    __tablename__ = "outgoing"
    __table_args__ = (
        *due_indexes("outgoing"),
        Index(
            "uq_outgoing_answer",
            "tenant_id",
            "dialog_id",
            "covered_seq",
            "part",
            unique=True,
            postgresql_where=text("author = 'bot' AND covered_seq IS NOT NULL"),
        ),
        Index(
            "ix_outgoing_chat",
            "tenant_id",
            "dialog_id",
            "seq",
            postgresql_where=text("state IN ('pending', 'sending')"),
        ),
        Index("ix_outgoing_unknown", "tenant_id", "dialog_id", postgresql_where=text("state = 'unknown'")),
        churn(),
    )
    tenant_id: Mapped[Key]
    outgoing_id: Mapped[Key]
    dialog_id: Mapped[UUID]
    channel_id: Mapped[UUID]
    seq: Mapped[Big]
    turn_id: Mapped[UUID | None]
    covered_seq: Mapped[int | None]
    part: Mapped[Small]
    author: Mapped[str]
    state: Mapped[str]
    payload: Mapped[JsonObject]
    message_id: Mapped[UUID]
    expires_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    created_at: Mapped[datetime]
    sending_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class OutgoingIntent(Due, Base):
    """A layer's wish to speak to a client; only the pipeline turns it into a message (PROTOCOL D1)."""

    __tablename__ = "outgoing_intent"
    __table_args__ = (
        *due_indexes("outgoing_intent"),
        Index("uq_outgoing_intent_dedupe", "tenant_id", "dedupe_key", unique=True),
        churn(),
    )
    tenant_id: Mapped[Key]
    intent_id: Mapped[Key]
    client_id: Mapped[UUID]
    purpose: Mapped[str]
    content: Mapped[JsonObject]
    cause: Mapped[JsonObject]
    dedupe_key: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class DueWork(Due, Base):
    """Leased work of every other kind: media, hydration, return of control, channel health, sync jobs."""

    __tablename__ = "due_work"
    __table_args__ = (
        *due_indexes("due_work"),
        Index("uq_due_work_dedupe", "tenant_id", "kind", "dedupe_key", unique=True),
        churn(),
    )
    tenant_id: Mapped[Key]
    work_id: Mapped[Key]
    kind: Mapped[str]
    dedupe_key: Mapped[str]
    payload: Mapped[JsonObject]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class DeadLetter(Base):
    """What could not be done after bounded attempts: visible, replayable, never in anybody's way."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        Index("ix_dead_letter_open", "tenant_id", "created_at", postgresql_where=text("settled_at IS NULL")),
    )
    tenant_id: Mapped[Key]
    dead_id: Mapped[Key]
    source: Mapped[str]
    reason: Mapped[str]
    payload: Mapped[bytes]
    context: Mapped[JsonObject]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_as: Mapped[str | None]


class LlmCall(Base):
    """Ledger: one row for every model call, dropped turns included. Money in millionths of a rouble."""

    __tablename__ = "llm_call"
    __table_args__ = ({"postgresql_partition_by": "RANGE (call_id)"},)
    tenant_id: Mapped[Key]
    call_id: Mapped[Key]
    turn_id: Mapped[UUID | None]
    appeal_id: Mapped[UUID | None]
    purpose: Mapped[str]
    model: Mapped[str]
    prompt_hash: Mapped[str]
    outcome: Mapped[str]
    tokens_in: Mapped[int]
    tokens_out: Mapped[int]
    cost_microrub: Mapped[BigZero]
    latency_ms: Mapped[int]
    created_at: Mapped[datetime]


class LlmClient(Base):
    """Questions to a model on behalf of one client on the last day there were any."""

    __tablename__ = "llm_client"
    __table_args__ = (churn(),)
    tenant_id: Mapped[Key]
    client_id: Mapped[Key]
    day: Mapped[date]
    calls: Mapped[int]


class LlmBudget(Base):
    """Money a tenant reserved and spent on models in one day, in millionths of a rouble."""

    __tablename__ = "llm_budget"
    __table_args__ = (churn(),)
    tenant_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    reserved_microrub: Mapped[BigZero]
    spent_microrub: Mapped[BigZero]

"""People and what they write: clients, identities, dialogs, messages, and the door's tables."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, Big, BigZero, Due, JsonObject, Key, Small, Zero, churn, due_indexes


class Client(Base):
    """A person. `merged_into` points to the survivor of a merge, who is merged into nobody (a trigger sees to it)."""

    __tablename__ = "client"
    __table_args__ = (
        CheckConstraint("merged_into IS DISTINCT FROM client_id", name="no_self_merge"),
        Index("ix_client_merged", "tenant_id", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    )
    tenant_id: Mapped[Key]
    client_id: Mapped[Key]
    display_name: Mapped[str | None]
    locale: Mapped[str] = mapped_column(server_default="ru")
    do_not_contact: Mapped[bool] = mapped_column(server_default=text("false"))
    blocked: Mapped[bool] = mapped_column(server_default=text("false"))
    vip: Mapped[bool] = mapped_column(server_default=text("false"))
    merged_into: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]


class ClientMerge(Base):
    """A merge and what it moved, so that it can be taken back exactly. `moved` holds ids and former values."""

    __tablename__ = "client_merge"
    __table_args__ = (
        Index("ix_client_merge_survivor", "tenant_id", "survivor_id"),
        Index("ix_client_merge_duplicate", "tenant_id", "duplicate_id"),
    )
    tenant_id: Mapped[Key]
    merge_id: Mapped[Key]
    survivor_id: Mapped[UUID]
    duplicate_id: Mapped[UUID]
    reason: Mapped[str]
    moved: Mapped[JsonObject]
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class ClientPhone(Base):
    """A phone of a client, E.164. Never a key to a person by itself."""

    __tablename__ = "client_phone"
    __table_args__ = (Index("ix_client_phone_phone", "tenant_id", "phone"),)
    tenant_id: Mapped[Key]
    client_id: Mapped[Key]
    phone: Mapped[str] = mapped_column(primary_key=True)
    verified: Mapped[bool] = mapped_column(server_default=text("false"))
    source: Mapped[str]
    created_at: Mapped[datetime]


class IdentityRow(Base):
    """A person as one channel knows them."""

    __tablename__ = "identity"
    __table_args__ = (
        Index("uq_identity_external", "tenant_id", "channel_id", "external_user_id", unique=True),
        Index("ix_identity_client", "tenant_id", "client_id"),
    )
    tenant_id: Mapped[Key]
    identity_id: Mapped[Key]
    channel_id: Mapped[UUID]
    external_user_id: Mapped[str]
    client_id: Mapped[UUID]
    display_name: Mapped[str | None]
    username: Mapped[str | None]
    locale: Mapped[str | None]
    reachable: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]


class ClientWork(Due, Base):
    """The client's turn: the unit of lease (PROTOCOL C1). `due_at` is the least over the client's dialogs."""

    __tablename__ = "client_work"
    __table_args__ = (*due_indexes("client_work"), churn())
    tenant_id: Mapped[Key]
    client_id: Mapped[Key]
    superseded: Mapped[Zero]


class Dialog(Base):
    """One chat. `version` moves with everything a turn must notice; `answered_seq` is how far the shop has answered.

    `human_until`: a person of the shop talks here though no appeal is open, and the bot keeps silent until then.
    """

    __tablename__ = "dialog"
    __table_args__ = (
        Index("uq_dialog_external", "tenant_id", "channel_id", "external_chat_id", unique=True),
        Index("ix_dialog_identity", "tenant_id", "identity_id"),
        churn(),
    )
    tenant_id: Mapped[Key]
    dialog_id: Mapped[Key]
    channel_id: Mapped[UUID]
    external_chat_id: Mapped[str]
    type: Mapped[str]
    identity_id: Mapped[UUID]
    version: Mapped[BigZero]
    last_seq: Mapped[BigZero]
    answered_seq: Mapped[BigZero]
    last_out: Mapped[BigZero]
    due_at: Mapped[datetime | None]
    first_unanswered_at: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    window_expires_at: Mapped[datetime | None]
    context: Mapped[JsonObject]
    created_at: Mapped[datetime]
    human_until: Mapped[datetime | None]


class Message(Base):
    """One item of a dialog, inbound or outbound. `seq` is our order inside the dialog."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_dialog_seq", "tenant_id", "dialog_id", "seq"),
        Index("ix_message_external", "tenant_id", "dialog_id", "external_id"),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )
    tenant_id: Mapped[Key]
    message_id: Mapped[Key]
    dialog_id: Mapped[UUID]
    identity_id: Mapped[UUID]
    seq: Mapped[Big]
    direction: Mapped[str]
    author: Mapped[str]
    kind: Mapped[str]
    external_id: Mapped[str | None]
    platform_seq: Mapped[str | None]
    text: Mapped[str] = mapped_column(server_default="")
    content: Mapped[JsonObject]
    state: Mapped[str] = mapped_column(server_default="received")
    revision: Mapped[Zero]
    appeal_id: Mapped[UUID | None]
    outgoing_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class MessageRaw(Base):
    """The platform's own bytes, kept 14 days."""

    __tablename__ = "message_raw"
    __table_args__ = ({"postgresql_partition_by": "RANGE (raw_id)"},)
    tenant_id: Mapped[Key]
    raw_id: Mapped[Key]
    channel_id: Mapped[UUID]
    received_at: Mapped[datetime]
    body: Mapped[bytes]


class Seen(Base):
    """What the door has accepted (PROTOCOL A1): never partitioned, kept 30 days."""

    __tablename__ = "seen"
    __table_args__ = (Index("ix_seen_age", "seen_at", postgresql_using="brin"),)
    channel_id: Mapped[Key]
    dedup_key: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    seen_at: Mapped[datetime]


class Inbox(Base):
    """Accepted and not yet processed. Deleted by the transaction that processes it."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_ready", "ready_at"), churn())
    tenant_id: Mapped[Key]
    inbox_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True, cache=64), primary_key=True)
    bucket: Mapped[Small]
    channel_id: Mapped[UUID]
    event_id: Mapped[UUID]
    raw_id: Mapped[UUID]
    payload: Mapped[bytes]
    received_at: Mapped[datetime]
    ready_at: Mapped[datetime]
    attempts: Mapped[Zero]

"""Who owns everything: tenants, their configuration, users and channels."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, Big, JsonObject, Key, Small, Zero


class Tenant(Base):
    """One repair business."""

    __tablename__ = "tenant"
    tenant_id: Mapped[Key]
    bucket: Mapped[Small]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="Europe/Moscow")
    locale: Mapped[str] = mapped_column(server_default="ru")
    state: Mapped[str] = mapped_column(server_default="active")
    config_version: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]


class TenantConfigRow(Base):
    """One version of a tenant's document. Published versions never change."""

    __tablename__ = "tenant_config"
    tenant_id: Mapped[Key]
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    document: Mapped[JsonObject]
    author: Mapped[str | None]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class TenantCounter(Base):
    """Human numbers that grow per tenant (appeals)."""

    __tablename__ = "tenant_counter"
    tenant_id: Mapped[Key]
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Big]


class AppUser(Base):
    """A person of the shop."""

    __tablename__ = "app_user"
    __table_args__ = (Index("uq_app_user_email", "tenant_id", text("lower(email)"), unique=True),)
    tenant_id: Mapped[Key]
    user_id: Mapped[Key]
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[datetime]


class Channel(Base):
    """One connected account in a messenger. Secrets are sealed (kit/crypto.py)."""

    __tablename__ = "channel"
    __table_args__ = (
        Index("uq_channel_channel_id", "channel_id", unique=True),
        Index("ix_channel_account", "tenant_id", "kind", "account_ref"),
    )
    tenant_id: Mapped[Key]
    channel_id: Mapped[Key]
    kind: Mapped[str]
    account_ref: Mapped[str]
    title: Mapped[str]
    hook_key: Mapped[str]
    secrets: Mapped[bytes]
    tokens: Mapped[bytes | None]
    settings: Mapped[JsonObject]
    state: Mapped[str] = mapped_column(server_default="active")
    state_reason: Mapped[str | None]
    gate_until: Mapped[datetime | None]
    poll_offset: Mapped[str | None]
    health: Mapped[JsonObject]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]


class Lease(Base):
    """Exclusive roles that are not work of one tenant: relay shards, pollers. `name` carries what it is for."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[UUID | None]
    token: Mapped[Big]
    until: Mapped[datetime | None]
    attempts: Mapped[Zero]

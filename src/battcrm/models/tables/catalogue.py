"""The shop's own data: price list, past repairs, and where imported rows came from."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, BigZero, Key, TextList


class PriceItem(Base):
    """One line of the price list. Money in kopecks; NULL = the list does not say."""

    __tablename__ = "price_item"
    __table_args__ = (Index("ix_price_item_device", "tenant_id", "brand", "model", "repair_type"),)
    tenant_id: Mapped[Key]
    price_item_id: Mapped[Key]
    brand: Mapped[str]
    model: Mapped[str]
    repair_type: Mapped[str]
    part_name: Mapped[str | None]
    part_price: Mapped[int | None] = mapped_column(BigInteger)
    labour_price: Mapped[int | None] = mapped_column(BigInteger)
    stock: Mapped[int | None]
    quality: Mapped[str | None]
    priced_at: Mapped[datetime]
    currency: Mapped[str] = mapped_column(server_default="RUB")
    source: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))


class RepairRecord(Base):
    """A finished (or refused) past repair: the evidence behind a quote. Money in kopecks."""

    __tablename__ = "repair_record"
    __table_args__ = (
        Index("ix_repair_record_device", "tenant_id", "brand", "model", "closed_at"),
        Index("ix_repair_record_client", "tenant_id", "client_id"),
    )
    tenant_id: Mapped[Key]
    repair_id: Mapped[Key]
    client_id: Mapped[UUID | None]
    appeal_id: Mapped[UUID | None]
    brand: Mapped[str]
    model: Mapped[str]
    device_class: Mapped[str | None]
    repair_types: Mapped[TextList]
    part_owner: Mapped[str | None]
    labour_amount: Mapped[BigZero]
    part_amount: Mapped[BigZero]
    total_amount: Mapped[BigZero]
    status: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    source: Mapped[str]
    note: Mapped[str | None]
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))


class ExternalRef(Base):
    """Which of our rows a row of another system became, with a hash of what was read."""

    __tablename__ = "external_ref"
    tenant_id: Mapped[Key]
    system: Mapped[str] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    internal_id: Mapped[UUID]
    hash: Mapped[bytes]
    updated_at: Mapped[datetime]

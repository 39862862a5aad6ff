"""Events on their way out, and what consumers have done with them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from battcrm.models.tables.base import Base, JsonObject, Key, Small

OUTBOX_SEQ = Sequence("outbox_seq", metadata=Base.metadata, cache=1)


class Outbox(Base):
    """An event, written in the transaction of the fact it states. `seq` orders one client's events (PROTOCOL F1)."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_unpublished", "seq", postgresql_where=text("published_at IS NULL")),
        {"postgresql_partition_by": "RANGE (event_id)"},
    )
    tenant_id: Mapped[Key]
    event_id: Mapped[Key]
    seq: Mapped[int] = mapped_column(BigInteger, OUTBOX_SEQ, server_default=OUTBOX_SEQ.next_value())
    bucket: Mapped[Small]
    type: Mapped[str]
    version: Mapped[Small]
    key: Mapped[UUID]
    data: Mapped[JsonObject]
    occurred_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class Processed(Base):
    """An effect done: written in the effect's own transaction."""

    __tablename__ = "processed"
    __table_args__ = ({"postgresql_partition_by": "RANGE (event_id)"},)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[Key]
    tenant_id: Mapped[UUID]
    processed_at: Mapped[datetime]


class ConsumerGroup(Base):
    """Position of a consumer in each shard; the outbox is read from there when Redis was wiped (PROTOCOL F4)."""

    __tablename__ = "consumer_group"
    consumer: Mapped[str] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[str]
    position_seq: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    updated_at: Mapped[datetime]

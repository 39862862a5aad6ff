"""Column shorthands shared by the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, MetaData, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """Root of the typed tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: PG_UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        str: Text,
        bytes: BYTEA,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
    }


Key = Annotated[UUID, mapped_column(primary_key=True)]
Small = Annotated[int, mapped_column(SmallInteger)]
Big = Annotated[int, mapped_column(BigInteger)]
Zero = Annotated[int, mapped_column(SmallInteger, server_default=text("0"))]
BigZero = Annotated[int, mapped_column(BigInteger, server_default=text("0"))]
JsonObject = Annotated[dict[str, Any], mapped_column(JSONB, server_default=text("'{}'::jsonb"))]
JsonList = Annotated[list[Any], mapped_column(JSONB, server_default=text("'[]'::jsonb"))]
TextList = Annotated[list[str], mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))]


class Due:
    """Columns of leased due-work (infra/due.py). `due_at` is NULL when nothing is to be done."""

    bucket: Mapped[Small]
    due_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    token: Mapped[BigZero]
    attempts: Mapped[Zero]
    last_error: Mapped[str | None]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:  # noqa: N805 - SQLAlchemy calls it on the class
        return due_indexes(cls.__tablename__)  # type: ignore[attr-defined]


def due_indexes(table: str) -> tuple[Index, Index]:
    """The two partial indexes of a due table: fair claims by tenant, and the next moment to wake up."""
    pending = text("due_at IS NOT NULL")
    return (
        Index(f"ix_{table}_pending", "tenant_id", "due_at", postgresql_where=pending),
        Index(f"ix_{table}_next", "due_at", postgresql_where=pending),
    )


def churn(**extra: Any) -> dict[str, Any]:
    """Storage settings for tables that live on updates and deletes."""
    return {
        "postgresql_with": {
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_vacuum_threshold": 1000,
            "autovacuum_vacuum_cost_delay": 0,
        },
        **extra,
    }

"""Rows of PostgreSQL that the graph is a projection of, with sensible defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass
class Rows:
    """Inserts rows of one tenant and remembers nothing."""

    pool: Pool
    tenant_id: UUID
    ids: IdFactory = field(default_factory=lambda: IdFactory(ManualClock(NOW)))

    async def insert(self, table: str, **values: Any) -> None:
        names = ", ".join(values)
        places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
        await self.pool.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())

    async def client(self, **changes: Any) -> UUID:
        own = changes.pop("client_id", None) or self.ids.new()
        values = {"tenant_id": self.tenant_id, "client_id": own, "version": 1, "created_at": NOW} | changes
        await self.insert("client", **values)
        return own

    async def appeal(self, client_id: UUID, number: int, **changes: Any) -> UUID:
        own = self.ids.new()
        values = {
            "tenant_id": self.tenant_id,
            "appeal_id": own,
            "client_id": client_id,
            "dialog_id": self.ids.new(),
            "episode_id": self.ids.new(),
            "number": number,
            "status": "new",
            "brand": "Apple",
            "model": "iPhone 13",
            "repair_types": ["screen"],
            "opened_at": NOW - timedelta(days=1),
            "touched_at": NOW - timedelta(days=1),
            "version": 1,
        } | changes
        await self.insert("appeal", **values)
        return own

    async def repair(self, days_ago: float = 10, **changes: Any) -> UUID:
        own = self.ids.new()
        closed = NOW - timedelta(days=days_ago)
        values: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "repair_id": own,
            "brand": "Apple",
            "model": "iPhone 13",
            "device_class": "phone",
            "repair_types": ["screen"],
            "part_owner": "shop",
            "labour_amount": 200_000,
            "part_amount": 500_000,
            "status": "done",
            "opened_at": closed - timedelta(days=1),
            "closed_at": closed,
            "source": "test",
            "version": 1,
        } | changes
        values.setdefault("total_amount", values["labour_amount"] + values["part_amount"])
        await self.insert("repair_record", **values)
        return own

    async def price(self, days_ago: float = 1, **changes: Any) -> UUID:
        own = self.ids.new()
        values = {
            "tenant_id": self.tenant_id,
            "price_item_id": own,
            "brand": "Apple",
            "model": "iPhone 13",
            "repair_type": "screen",
            "part_name": "Дисплей iPhone 13",
            "part_price": 500_000,
            "stock": 2,
            "priced_at": NOW - timedelta(days=days_ago),
            "source": "test",
            "version": 1,
        } | changes
        await self.insert("price_item", **values)
        return own

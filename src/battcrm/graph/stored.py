"""The rows that are projected, read from PostgreSQL by id or in keyset pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from battcrm.infra.postgres import UNAVAILABLE, Pool, unavailable

ENTITIES: Final = ("client", "appeal", "repair", "price")
_START: Final = UUID(int=0)
Key = tuple[UUID, UUID]
"""Tenant and id of a row."""

_BY_ID: Final[dict[str, LiteralString]] = {
    "client": """
SELECT tenant_id, client_id, merged_into, version::bigint AS version
FROM client JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, client_id) USING (tenant_id, client_id)
""",
    "appeal": """
SELECT tenant_id, appeal_id, client_id, number, status, brand, model, device_class, repair_types, part_owner,
  opened_at, touched_at, closed_at, version::bigint AS version
FROM appeal JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, appeal_id) USING (tenant_id, appeal_id)
""",
    "repair": """
SELECT tenant_id, repair_id, client_id, appeal_id, brand, model, device_class, repair_types, part_owner,
  labour_amount, part_amount, total_amount, status, opened_at, closed_at, version
FROM repair_record JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, repair_id) USING (tenant_id, repair_id)
""",
    "price": """
SELECT tenant_id, price_item_id, brand, model, repair_type, part_name, part_price, labour_price, stock, quality,
  priced_at, currency, active, version
FROM price_item JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, price_item_id) USING (tenant_id, price_item_id)
""",
}
_PAGE: Final[dict[str, LiteralString]] = {
    "client": """
SELECT tenant_id, client_id, merged_into, version::bigint AS version
FROM client WHERE tenant_id = $1 AND client_id > $2 ORDER BY tenant_id, client_id LIMIT $3
""",
    "appeal": """
SELECT tenant_id, appeal_id, client_id, number, status, brand, model, device_class, repair_types, part_owner,
  opened_at, touched_at, closed_at, version::bigint AS version
FROM appeal WHERE tenant_id = $1 AND appeal_id > $2 ORDER BY tenant_id, appeal_id LIMIT $3
""",
    "repair": """
SELECT tenant_id, repair_id, client_id, appeal_id, brand, model, device_class, repair_types, part_owner,
  labour_amount, part_amount, total_amount, status, opened_at, closed_at, version
FROM repair_record WHERE tenant_id = $1 AND repair_id > $2 ORDER BY tenant_id, repair_id LIMIT $3
""",
    "price": """
SELECT tenant_id, price_item_id, brand, model, repair_type, part_name, part_price, labour_price, stock, quality,
  priced_at, currency, active, version
FROM price_item WHERE tenant_id = $1 AND price_item_id > $2 ORDER BY tenant_id, price_item_id LIMIT $3
""",
}
_TENANTS: Final = "SELECT tenant_id FROM tenant WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2"


class Stored:
    """Reads committed state; each call is a transaction of its own (PROTOCOL I)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def by_id(self, entity: str, keys: Sequence[Key]) -> list[Any]:
        """Rows that exist, of any tenants; the rest was erased. Raises Transient."""
        return await self._fetch(_BY_ID[entity], [key[0] for key in keys], [key[1] for key in keys])

    async def page(self, entity: str, tenant_id: UUID, after: str | None, limit: int) -> list[Any]:
        """The next rows in the order of their id, whose text form sorts alike."""
        return await self._fetch(_PAGE[entity], tenant_id, UUID(after) if after else _START, limit)

    async def tenants(self, after: UUID | None, limit: int) -> list[UUID]:
        """Tenants in the order of their id."""
        return [row["tenant_id"] for row in await self._fetch(_TENANTS, after or _START, limit)]

    async def _fetch(self, text: LiteralString, *arguments: Any) -> list[Any]:
        try:
            return list(await self._pool.fetch(text, *arguments))
        except UNAVAILABLE as error:
            raise unavailable(error) from error

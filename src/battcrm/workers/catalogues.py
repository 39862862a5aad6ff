"""Device names of each tenant's own price list, on top of the shared catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.infra.postgres import Connection, Pool

_VERSIONS: Final = """
SELECT tenant_id, count(*) AS lines, coalesce(sum(version), 0)::bigint AS versions
FROM price_item WHERE tenant_id = ANY($1::uuid[]) AND active GROUP BY tenant_id
"""
_NAMES: Final = """
SELECT DISTINCT brand, model FROM price_item WHERE tenant_id = $1 AND active AND model <> '' ORDER BY brand, model LIMIT $2
"""
_MOST: Final = 20_000
"""Names of one tenant beyond this are left out: a list that long is not a list of devices."""


@dataclass(frozen=True, slots=True)
class _Own:
    version: tuple[int, int]
    catalogue: Catalogue


class TenantCatalogues:
    """Catalogues by tenant, rebuilt only when the tenant's price list has changed.

    A tenant whose list names nothing new shares the base catalogue itself. Texts never wait for a rebuild: until
    `refresh` has seen a tenant, and while it works, the catalogue known before answers.
    """

    def __init__(self, pool: Pool, base: Catalogue) -> None:
        self._pool = pool
        self._base = base
        self._own: dict[UUID, _Own] = {}

    def of(self, tenant_id: UUID) -> Catalogue:
        """The tenant's catalogue as last refreshed. Answers at once."""
        own = self._own.get(tenant_id)
        return own.catalogue if own is not None else self._base

    async def refresh(self, tenants: Iterable[UUID], connection: Connection | None = None) -> None:
        """Rebuild the catalogues of those tenants whose price lists have changed. One query when none has."""
        wanted = list(tenants)
        source = connection or self._pool
        rows = await source.fetch(_VERSIONS, wanted)
        versions = {row["tenant_id"]: (row["lines"], row["versions"]) for row in rows}
        for tenant_id in wanted:
            version = versions.get(tenant_id, (0, 0))
            known = self._own.get(tenant_id)
            if known is not None and known.version == version:
                continue
            names = (
                [(row["brand"], row["model"]) for row in await source.fetch(_NAMES, tenant_id, _MOST)]
                if version[0]
                else []
            )
            self._own[tenant_id] = _Own(version, await asyncio.to_thread(self._with, names))

    def _with(self, names: list[tuple[str, str]]) -> Catalogue:
        fresh = [(brand, model) for brand, model in names if self._base.resolve(brand, model) is None]
        return self._base.overlay(fresh) if fresh else self._base

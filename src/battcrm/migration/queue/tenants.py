"""Whose task it is: the other side's name of a tenant, or none, as one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid

_ALL: Final = "SELECT tenant_id, slug FROM tenant WHERE state = 'active'"
_FRESH_S: Final = 30.0
_MISSED_S: Final = 2.0


class TenantNames:
    """Slugs, ids and the configured other names; read anew every half a minute, and sooner for an unknown one."""

    def __init__(self, pool: Pool, clock: Clock, others: Mapping[str, str], owner: UUID) -> None:
        self._pool, self._clock = pool, clock
        self._others, self.owner = others, owner
        self._known: dict[str, UUID] = {}
        self._read_at = float("-inf")

    async def resolve(self, name: str | None) -> UUID:
        """The tenant; the owner of the list for a task that names none. Invalid for a name nobody has."""
        if name is None:
            return self.owner
        wanted = self._others.get(name, name)
        now = self._clock.monotonic()
        found = self._known.get(wanted)
        if now - self._read_at > (_FRESH_S if found is not None else _MISSED_S):
            rows = await self._pool.fetch(_ALL)
            self._known = {row["slug"]: row["tenant_id"] for row in rows}
            self._known |= {str(row["tenant_id"]): row["tenant_id"] for row in rows}
            self._read_at = now
            found = self._known.get(wanted)
        if found is None:
            remedy = "name it under `tenants` in the bridge's settings"
            raise Invalid(f"no active tenant is called {name[:80]!r}", field="tenant", remedy=remedy, code="bad_task")
        return found

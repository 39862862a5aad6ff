"""Exclusive roles of processes: relay shards, pollers. A lease is a row; whoever is late loses it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock

_ACQUIRE: Final = """
INSERT INTO lease AS l (name, holder, token, until)
SELECT name, $2, 1, $4 FROM unnest($1::text[]) AS n(name) ORDER BY name
ON CONFLICT (name) DO UPDATE SET
  holder = excluded.holder,
  until = excluded.until,
  token = CASE WHEN l.holder = excluded.holder AND l.until > $3 THEN l.token ELSE l.token + 1 END
WHERE l.holder IS NULL OR l.holder = excluded.holder OR l.until IS NULL OR l.until <= $3
RETURNING l.name, l.token /* all tenants: roles of processes */
"""
_RELEASE: Final = """
UPDATE lease SET until = $3 WHERE name = ANY($1) AND holder = $2 /* all tenants: roles of processes */
"""
_VALID: Final = """
SELECT 1 FROM lease WHERE name = $1 AND holder = $2 AND token = $3 AND until > $4 /* all tenants: roles of processes */
"""


class Leases:
    """Leases held by one process, known as `holder`."""

    def __init__(self, pool: Pool, clock: Clock, holder: UUID) -> None:
        self._pool = pool
        self._clock = clock
        self.holder = holder

    async def acquire(self, names: Sequence[str], seconds: float) -> dict[str, int]:
        """Take what is free and renew what is held, for `seconds`: the names now held with their fencing tokens.

        A token grows whenever a lease changes hands or had run out, never while it is renewed in time.
        """
        if not names:
            return {}
        now = self._clock.now()
        rows = await self._pool.fetch(_ACQUIRE, list(names), self.holder, now, now + timedelta(seconds=seconds))
        return {row["name"]: row["token"] for row in rows}

    async def release(self, names: Sequence[str]) -> None:
        """Let others have them at once. What is not held is left alone."""
        await self._pool.execute(_RELEASE, list(names), self.holder, self._clock.now())

    async def valid(self, name: str, token: int) -> bool:
        """Is this very lease still held? To be asked in the transaction of an effect that must be exclusive."""
        return bool(await self._pool.fetchval(_VALID, name, self.holder, token, self._clock.now()))

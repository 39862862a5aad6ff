"""Leased due-work: one mechanism for turns, outgoing messages, intents and every other kind (PROTOCOL C2, H).

A row is pending while `due_at` is set. A claim sets `lease_until` and a new `token`, never `due_at`; whoever finishes
must present the token. A worker that died simply lets its lease expire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Connection, Pool
from battcrm.kit.clock import Clock

ALL_BUCKETS: Final = tuple(range(64))
NO_TENANT: Final = UUID(int=0)

_CLAIM: Final = """
WITH RECURSIVE tenants AS (
  (SELECT w.tenant_id FROM {table} w
   WHERE w.due_at IS NOT NULL AND w.tenant_id > $1 AND w.bucket = ANY($2) ORDER BY w.tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT w.tenant_id FROM {table} w
          WHERE w.due_at IS NOT NULL AND w.tenant_id > t.tenant_id AND w.bucket = ANY($2)
          ORDER BY w.tenant_id LIMIT 1)
  FROM tenants t WHERE t.tenant_id IS NOT NULL
), picked AS MATERIALIZED (
  SELECT p.tenant_id, p.{key}
  FROM (SELECT tenant_id FROM tenants WHERE tenant_id IS NOT NULL AND tenant_id <> ALL($7) LIMIT 512) t
  CROSS JOIN LATERAL (
    SELECT w.tenant_id, w.{key} FROM {table} w
    WHERE w.tenant_id = t.tenant_id AND w.due_at <= $3 AND (w.lease_until IS NULL OR w.lease_until <= $3) {extra}
    ORDER BY w.due_at LIMIT $4 FOR UPDATE SKIP LOCKED
  ) p
  LIMIT $5
), claimed AS (
  UPDATE {table} w SET lease_until = $6, token = w.token + 1, attempts = w.attempts + 1
  FROM picked WHERE w.tenant_id = picked.tenant_id AND w.{key} = picked.{key}
  RETURNING w.*
)
SELECT upcoming.at AS upcoming, claimed.* FROM (
  SELECT (SELECT w.due_at FROM {table} w WHERE w.due_at > $3 AND w.bucket = ANY($2) ORDER BY w.due_at LIMIT 1) AS at
) upcoming LEFT JOIN claimed ON true
"""

# Several rows are always locked in key order: whoever else locks several does the same, and nobody deadlocks.
_HELD: Final = """
WITH held AS MATERIALIZED (
  SELECT w.tenant_id, w.{key} FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS h(tenant_id, key, token)
  JOIN {table} w ON w.tenant_id = h.tenant_id AND w.{key} = h.key AND w.token = h.token
  ORDER BY w.tenant_id, w.{key} FOR UPDATE OF w
)
"""
_EXTEND: Final = (
    _HELD
    + """
UPDATE {table} w SET lease_until = $4 FROM held h
WHERE w.tenant_id = h.tenant_id AND w.{key} = h.{key} AND w.lease_until IS NOT NULL
"""
)
_DONE: Final = (
    _HELD
    + """
UPDATE {table} w SET due_at = NULL, lease_until = NULL, attempts = 0, last_error = NULL FROM held h
WHERE w.tenant_id = h.tenant_id AND w.{key} = h.{key} RETURNING w.{key}
"""
)

_RETRY: Final = """
UPDATE {table} w SET due_at = $4, lease_until = NULL, last_error = $5
WHERE w.tenant_id = $1 AND w.{key} = $2 AND w.token = $3
"""


@dataclass(frozen=True, slots=True)
class DueTable:
    """A table with the columns of models.tables.base.Due. `extra` narrows what is claimable (alias `w`)."""

    name: str
    key: str
    extra: str = ""

    def sql(self, template: str) -> str:
        """A statement of this table. Names come from code, never from input."""
        return template.format(table=self.name, key=self.key, extra=self.extra)


CLIENT_WORK: Final = DueTable("client_work", "client_id")
DUE_WORK: Final = DueTable("due_work", "work_id")
INTENTS: Final = DueTable("outgoing_intent", "intent_id")
# A chat is blocked by its oldest unfinished message; a channel with a closed gate is left alone (PROTOCOL E2, E3).
OUTGOING: Final = DueTable(
    "outgoing",
    "outgoing_id",
    extra="""AND w.channel_id <> ALL($8) AND NOT EXISTS (
      SELECT 1 FROM outgoing b WHERE b.tenant_id = w.tenant_id AND b.dialog_id = w.dialog_id
      AND b.seq < w.seq AND b.state IN ('pending', 'sending'))""",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased row. `row` has all its columns as they are after the claim."""

    tenant_id: UUID
    key: UUID
    token: int
    attempts: int
    row: Any


class DueQueue:
    """Claims and settles the work of one due table. Keeps a cursor over tenants so that all get their turn."""

    def __init__(self, pool: Pool, table: DueTable, clock: Clock, buckets: Sequence[int] = ALL_BUCKETS) -> None:
        self._pool = pool
        self._clock = clock
        self._table = table
        self._buckets = list(buckets)
        self._cursor = NO_TENANT
        self._claim_sql = table.sql(_CLAIM)
        self.upcoming: datetime | None = None
        """When the next row becomes due that the last claim found too early; None if there was none."""

    async def claim(
        self,
        limit: int,
        *,
        lease: float,
        per_tenant: int = 32,
        skip_tenants: Sequence[UUID] = (),
        extra: Sequence[Any] = (),
    ) -> list[Claim]:
        """Up to `limit` due rows, at most `per_tenant` of one tenant, leased for `lease` seconds."""
        started_at = self._cursor
        claims = await self._claim_from(started_at, limit, lease, per_tenant, skip_tenants, extra)
        if len(claims) < limit and started_at != NO_TENANT:
            rest = limit - len(claims)
            claims += await self._claim_from(NO_TENANT, rest, lease, per_tenant, skip_tenants, extra)
        full = len(claims) >= limit
        self._cursor = max(claim.tenant_id for claim in claims) if full else NO_TENANT
        return claims

    async def _claim_from(
        self, cursor: UUID, limit: int, lease: float, per_tenant: int, skip: Sequence[UUID], extra: Sequence[Any]
    ) -> list[Claim]:
        now = self._clock.now()
        until = now + timedelta(seconds=lease)
        rows = await self._pool.fetch(
            self._claim_sql, cursor, self._buckets, now, per_tenant, limit, until, list(skip), *extra
        )
        self.upcoming = rows[0]["upcoming"]
        key = self._table.key
        return [Claim(r["tenant_id"], r[key], r["token"], r["attempts"], r) for r in rows if r[key] is not None]

    def pause(self, longest: float = 1.0) -> float:
        """Seconds to sleep unless woken: until the next row becomes due, at most `longest`."""
        if self.upcoming is None:
            return longest
        return min(longest, max(0.005, (self.upcoming - self._clock.now()).total_seconds()))

    async def extend(self, claims: Sequence[Claim], lease: float) -> None:
        """Heartbeat: move the lease of rows still held. One given back meanwhile keeps its token, and must stay free."""
        until = self._clock.now() + timedelta(seconds=lease)
        await self._pool.execute(self._table.sql(_EXTEND), *_holders(claims), until)

    async def done(self, claims: Sequence[Claim], connection: Connection | None = None) -> set[UUID]:
        """Clear finished rows; the keys whose token was still valid. The others' work must not take effect."""
        executor = connection or self._pool
        rows = await executor.fetch(self._table.sql(_DONE), *_holders(claims))
        return {row[0] for row in rows}

    async def retry(self, claim: Claim, at: datetime, error: str, connection: Connection | None = None) -> None:
        """Give a row back, due again at `at`."""
        executor = connection or self._pool
        await executor.execute(self._table.sql(_RETRY), claim.tenant_id, claim.key, claim.token, at, error[:500])


def _holders(claims: Sequence[Claim]) -> tuple[list[UUID], list[UUID], list[int]]:
    return [c.tenant_id for c in claims], [c.key for c in claims], [c.token for c in claims]

"""What the system is doing right now: flows, queues, tenants and processes, measured between two looks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.infra import backlog
from battcrm.infra.backlog import Waiting
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.kit.ids import uuid7_floor
from battcrm.services.top_scrape import Process, Scrape, processes, read

WINDOW: Final = timedelta(seconds=60)
# Inserted rows by table, partitions summed: what the server counts anyway, so a look costs nothing on the tables.
_INSERTED: Final = """
SELECT regexp_replace(relname, '_(p[0-9]+|default)$', '') AS name, sum(n_tup_ins)::bigint AS rows
FROM pg_stat_user_tables GROUP BY 1 /* all tenants: the server's own counters */
"""
_TENANTS: Final = """
WITH waits AS (
  SELECT tenant_id, count(*) AS n FROM (
    (SELECT tenant_id FROM inbox LIMIT 10000)
    UNION ALL (SELECT tenant_id FROM client_work WHERE due_at <= $1 ORDER BY due_at LIMIT 10000)
    UNION ALL (SELECT tenant_id FROM outgoing WHERE due_at <= $1 ORDER BY due_at LIMIT 10000)
  ) w GROUP BY tenant_id
)
SELECT t.tenant_id, t.slug, m.received, m.sent, coalesce(waits.n, 0) AS waiting,
       coalesce(b.spent_microrub, 0) AS spent_microrub
FROM tenant t
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE direction = 'in') AS received, count(*) FILTER (WHERE direction = 'out') AS sent
  FROM message m WHERE m.tenant_id = t.tenant_id AND m.message_id >= $2
) m
LEFT JOIN waits ON waits.tenant_id = t.tenant_id
LEFT JOIN llm_budget b ON b.tenant_id = t.tenant_id AND b.day = $3
WHERE m.received + m.sent > 0 OR waits.n > 0
ORDER BY waiting DESC, m.received DESC, t.tenant_id LIMIT $4
"""
_DEAD: Final = """
SELECT source, count(*) AS n FROM (
  SELECT source FROM dead_letter WHERE settled_at IS NULL LIMIT 10000) d GROUP BY source ORDER BY source
/* all tenants: open ones are few */
"""
_UNKNOWN: Final = """
SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE state = 'unknown' LIMIT 10000) u
/* all tenants: unknown ones are few */
"""
_SPENT: Final = """
SELECT coalesce(sum(spent_microrub), 0)::bigint FROM llm_budget WHERE day = $1 /* all tenants: the day's total */
"""
# What a flow is called, and whose inserts it counts.
FLOWS: Final[Mapping[str, str]] = {
    "accepted": "seen",
    "stored": "message",
    "turns": "turn",
    "replies": "outgoing",
    "events": "outbox",
    "effects": "processed",
    "model_calls": "llm_call",
    "dead": "dead_letter",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant's last minute. Money in millionths of a rouble, since midnight UTC."""

    tenant_id: UUID
    slug: str
    received: int
    sent: int
    waiting: int
    spent_microrub: int


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything `battcrm top` shows. `flows` are rows a second; `silent` are addresses that did not answer."""

    at: datetime
    seconds: float
    flows: Mapping[str, float]
    queues: Sequence[Waiting]
    tenants: Sequence[Tenant]
    dead: Mapping[str, int]
    unknown: int
    spent_today_microrub: int
    processes: Sequence[Process] = ()
    silent: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Look:
    """Counters at one moment; two of them make a screen."""

    at: datetime
    inserted: Mapping[str, int]
    scrapes: Mapping[str, Scrape]


class Top:
    """Looks at the database and at the `/metrics` of the given addresses."""

    def __init__(self, pool: Pool, clock: Clock, http: AioHttp, addresses: Sequence[str], *, tenants: int = 10) -> None:
        self._pool = pool
        self._clock = clock
        self._http = http
        self._addresses = tuple(addresses)
        self._tenants = tenants

    async def look(self) -> Look:
        """Read the counters. Raises what the database raises; an address that does not answer is left out."""
        scrapes = await asyncio.gather(*(self._scrape(address) for address in self._addresses))
        rows = await self._pool.fetch(_INSERTED)
        found = {a: s for a, s in zip(self._addresses, scrapes, strict=True) if s is not None}
        return Look(self._clock.now(), {row["name"]: row["rows"] for row in rows}, found)

    async def screen(self, before: Look, after: Look) -> Screen:
        """What happened between two looks, and what waits now."""
        now = self._clock.now()
        seconds = max(0.001, (after.at - before.at).total_seconds())
        dead = {row["source"]: row["n"] for row in await self._pool.fetch(_DEAD)}
        return Screen(
            at=now,
            seconds=round(seconds, 3),
            flows={name: _rate(before, after, table, seconds) for name, table in FLOWS.items()},
            queues=await backlog.look(self._pool, self._clock, tuple(backlog.QUERIES)),
            tenants=await self._by_tenant(now),
            dead=dead,
            unknown=await self._pool.fetchval(_UNKNOWN),
            spent_today_microrub=await self._pool.fetchval(_SPENT, now.date()),
            processes=processes(before.scrapes, after.scrapes, seconds),
            silent=tuple(a for a in self._addresses if a not in after.scrapes),
        )

    async def _by_tenant(self, now: datetime) -> list[Tenant]:
        rows: list[Any] = await self._pool.fetch(_TENANTS, now, uuid7_floor(now - WINDOW), now.date(), self._tenants)
        return [Tenant(**dict(row)) for row in rows]

    async def _scrape(self, address: str) -> Scrape | None:
        try:
            answer = await self._http.request("GET", address, idempotent=True)
        except BattError:
            return None
        return read(answer.body) if answer.status == 200 else None


def _rate(before: Look, after: Look, table: str, seconds: float) -> float:
    return round(max(0, after.inserted.get(table, 0) - before.inserted.get(table, 0)) / seconds, 1)

"""Tasks between the list and the result: rows of `queue_task`, dead letters, and the transaction that ends a task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.infra.due import Claim, DueTable
from battcrm.infra.postgres import Connection, Pool, columns
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Permanent
from battcrm.kit.ids import IdFactory, bucket_of, derived_id
from battcrm.kit.text import storable
from battcrm.migration.queue.table import Target

TASKS: Final = DueTable("queue_task", "task_key", extra="AND w.lane = $8")
WAKE: Final = "queue"
SOURCE: Final = "queue"
_KEPT_BYTES: Final = 64 * 1024
_SHADOW: Final = "#shadow"

# The same element again while it waits is the same task; another one under its id takes its place.
_ACCEPT: Final = """
INSERT INTO queue_task AS t (tenant_id, task_key, bucket, lane, raw, received_at, due_at)
SELECT tenant_id, task_key, bucket, lane, raw, at, at
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::bytea[], $6::timestamptz[])
  AS n(tenant_id, task_key, bucket, lane, raw, at)
ORDER BY tenant_id, task_key
ON CONFLICT (tenant_id, task_key) DO UPDATE SET raw = excluded.raw, due_at = excluded.due_at, lease_until = NULL,
  token = t.token + 1, attempts = 0, answer = NULL, received_at = excluded.received_at
WHERE t.raw <> excluded.raw
"""
_HELD: Final = """
SELECT t.tenant_id, t.task_key FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS h(tenant_id, key, token)
JOIN queue_task t ON t.tenant_id = h.tenant_id AND t.task_key = h.key AND t.token = h.token
ORDER BY t.tenant_id, t.task_key FOR UPDATE OF t
"""
_REMOVE: Final = """
DELETE FROM queue_task t USING unnest($1::uuid[], $2::uuid[]) AS h(tenant_id, key)
WHERE t.tenant_id = h.tenant_id AND t.task_key = h.key
"""
_ANSWERED: Final = """
UPDATE queue_task t SET answer = h.answer FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[]) AS h(tenant_id, key, answer)
WHERE t.tenant_id = h.tenant_id AND t.task_key = h.key
"""
_REMOVE_HELD: Final = """
DELETE FROM queue_task WHERE tenant_id = $1 AND task_key = $2 AND token = $3 RETURNING lane, raw
"""
_DEAD: Final = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::jsonb[], $7::timestamptz[])
"""
_RELEASE: Final = """
UPDATE queue_task t SET lease_until = NULL FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS h(tenant_id, key, token)
WHERE t.tenant_id = h.tenant_id AND t.task_key = h.key AND t.token = h.token
"""
_WAITING: Final = "SELECT count(*) FROM queue_task WHERE lane = $1 /* all tenants: one list holds them together */"


@dataclass(frozen=True, slots=True)
class Lane:
    """One list read in one way: in earnest, or in the shadow of the other system."""

    queue: str
    shadow: bool = False

    @property
    def name(self) -> str:
        """As rows have it."""
        return self.queue + _SHADOW if self.shadow else self.queue

    def key(self, tenant_id: UUID, task_id: str) -> UUID:
        """The row of a task: the same task always has the same."""
        return derived_id(self.name, str(tenant_id), task_id)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An element that could be read."""

    tenant_id: UUID
    task_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """An element that can not be worked on, and why."""

    tenant_id: UUID
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A task's result: the row for the table, and the answer to keep when an execution is to be resumed with it."""

    claim: Claim
    row: Mapping[str, Any]
    answer: Mapping[str, Any] | None = None


class TaskStore:
    """Rows of one lane. `results` is the pool of the result table's database; None when it is this one."""

    def __init__(
        self, pool: Pool, clock: Clock, ids: IdFactory, lane: Lane, target: Target, results: Pool | None = None
    ) -> None:
        self._pool, self._clock, self._ids = pool, clock, ids
        self._lane, self._target, self._results = lane, target, results

    @property
    def lane(self) -> Lane:
        """Whose rows these are."""
        return self._lane

    async def accept(self, arrivals: Sequence[Arrival], refusals: Sequence[Refusal] = ()) -> None:
        """Commit what was taken: from then on Redis may forget it. What cannot be worked on becomes a dead letter."""
        now = self._clock.now()
        latest = {self._lane.key(a.tenant_id, a.task_id): a for a in arrivals}
        rows = [(a.tenant_id, key, bucket_of(a.tenant_id), self._lane.name, a.raw, now) for key, a in latest.items()]
        async with self._pool.acquire() as connection, connection.transaction():
            if rows:
                await connection.execute(_ACCEPT, *columns(rows, 6))
            if refusals:
                await self._bury(connection, refusals, now)

    async def finish(self, done: Sequence[Finished]) -> Sequence[bool]:
        """Write results and end their tasks, all or none; False for one that somebody else has taken over meanwhile."""
        held_by = [(f.claim.tenant_id, f.claim.key, f.claim.token) for f in done]
        async with self._pool.acquire() as connection, connection.transaction():
            held = {tuple(row) for row in await connection.fetch(_HELD, *columns(held_by, 3))}
            mine = [f for f in done if (f.claim.tenant_id, f.claim.key) in held]
            if mine:
                async with self._writing(connection) as target:
                    await self._target.write(target, [f.row for f in mine])
                over = [(f.claim.tenant_id, f.claim.key) for f in mine if f.answer is None]
                if over:
                    await connection.execute(_REMOVE, *columns(over, 2))
                kept = [(f.claim.tenant_id, f.claim.key, f.answer) for f in mine if f.answer is not None]
                if kept:
                    await connection.execute(_ANSWERED, *columns(kept, 3))
        return [(f.claim.tenant_id, f.claim.key) in held for f in done]

    @asynccontextmanager
    async def _writing(self, own: Connection) -> AsyncIterator[Connection]:
        """The same transaction where the table is in this database; elsewhere the row is written first, then the task ends."""
        if self._results is None:
            yield own
            return
        async with self._results.acquire() as other, other.transaction():
            yield other

    async def settled(self, claim: Claim) -> None:
        """Nothing is left to do for the task."""
        await self._pool.fetchrow(_REMOVE_HELD, claim.tenant_id, claim.key, claim.token)

    async def give_up(self, claim: Claim, reason: str) -> None:
        """A dead letter in place of the task, unless somebody else has taken it over."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_REMOVE_HELD, claim.tenant_id, claim.key, claim.token)
            if row is not None:
                refusal = Refusal(claim.tenant_id, row["raw"], reason)
                await self._bury(connection, [refusal], self._clock.now())

    async def move(self, claim: Claim, arrival: Arrival) -> None:
        """The task turned out to be another tenant's: it becomes that tenant's row."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_REMOVE_HELD, claim.tenant_id, claim.key, claim.token)
            if row is not None:
                key, now = self._lane.key(arrival.tenant_id, arrival.task_id), self._clock.now()
                values = (arrival.tenant_id, key, bucket_of(arrival.tenant_id), self._lane.name, arrival.raw, now)
                await connection.execute(_ACCEPT, *columns([values], 6))

    async def release(self, claims: Sequence[Claim]) -> None:
        """Others may claim these at once."""
        await self._pool.execute(_RELEASE, *columns([(c.tenant_id, c.key, c.token) for c in claims], 3))

    async def waiting(self) -> int:
        """Tasks of this lane that are not finished."""
        count: int = await self._pool.fetchval(_WAITING, self._lane.name)
        return count

    async def _bury(self, connection: Connection, refusals: Sequence[Refusal], now: datetime) -> None:
        source, rows = f"{SOURCE}:{self._lane.name}", []
        for refusal in refusals:
            context = {"lane": self._lane.name, "size": len(refusal.raw)}
            reason = storable(refusal.reason)[:500]
            kept = refusal.raw[:_KEPT_BYTES]
            rows.append((refusal.tenant_id, self._ids.new(), source, reason, kept, context, now))
        await connection.execute(_DEAD, *columns(rows, 7))
        METRICS.dead.labels(source).inc(len(rows))


def later(clock: Clock, claim: Claim, *, longest: float = 60.0) -> datetime:
    """When a task that failed is tried again."""
    return clock.now() + timedelta(seconds=min(longest, 0.5 * 2.0**claim.attempts))


class NotHeld(Permanent):
    """Somebody else has taken the task over; what was done for it here has no effect."""

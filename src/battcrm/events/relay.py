"""The relay: moves events from the outbox to the streams, in the order of `seq` (PROTOCOL F1).

At least once: a crash between XADD and the mark publishes a batch twice, which consumers absorb. Every batch holds all
unpublished events of a key up to its last one, so first occurrences keep each key's order even while two relays that
both believe to hold a shard overlap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog

from battcrm.events import traced
from battcrm.events.bus import EventBus, Packed, pack_text
from battcrm.events.lease import Leases
from battcrm.events.ordered import fetch_by_index
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Pool, columns
from battcrm.infra.telemetry import METRICS
from battcrm.infra.tracing import TRACING
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient
from battcrm.kit.ids import BUCKETS

log = structlog.get_logger(__name__)
WAKE: Final = "outbox"

_UNPUBLISHED: Final = """
SELECT tenant_id, event_id, bucket, type, version, key, data::text AS data, occurred_at, seq
FROM outbox WHERE published_at IS NULL AND seq >= $1 AND bucket = ANY($2) ORDER BY seq LIMIT $3
"""
# The bounds of event_id let the planner skip partitions; the join finds the rows.
_MARK: Final = """
UPDATE outbox o SET published_at = $5
FROM unnest($1::uuid[], $2::uuid[]) AS p(tenant_id, event_id)
WHERE o.tenant_id = p.tenant_id AND o.event_id = p.event_id AND o.event_id BETWEEN $3 AND $4
  AND o.published_at IS NULL
"""
_HORIZON: Final = """
SELECT coalesce(pg_sequence_last_value('outbox_seq'::regclass), 0) AS last,
       pg_snapshot_xmin(s)::text::bigint AS oldest, pg_snapshot_xmax(s)::text::bigint AS next
FROM pg_current_snapshot() AS s /* all tenants: which transactions have ended */
"""


class Horizon:
    """The highest `seq` below which nothing can appear any more.

    A number is drawn before its transaction commits, so a scan may only begin above numbers whose transactions have
    ended. `last` is read, then a later snapshot names the transactions that may still hold numbers up to it, and once
    these are over the number is settled. An old *reading* transaction does not hold this back.
    """

    def __init__(self) -> None:
        self.settled = 0
        self._seen: int | None = None
        self._armed: tuple[int, int] | None = None

    def observe(self, last: int, oldest: int, following: int) -> None:
        """Take in one reading: the sequence's value, the oldest transaction under way, the next one to begin."""
        if self._armed is not None and oldest >= self._armed[1]:
            self.settled = max(self.settled, self._armed[0])
            self._armed = None
        if self._armed is None:
            if self._seen is not None:
                self._armed = (self._seen, following)
            self._seen = last


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """`pause` seconds between batches that were not full lets events gather; `keep` is the age of the streams."""

    batch: int = 500
    lease: float = 15.0
    poll: float = 1.0
    pause: float = 0.1
    keep: timedelta = timedelta(hours=24)
    maximum: int = 1_000_000
    upkeep: float = 60.0


class Relay:
    """Publishes the shards whose leases it holds; normally one relay holds them all."""

    def __init__(
        self,
        pool: Pool,
        bus: EventBus,
        clock: Clock,
        wakeups: Wakeups,
        leases: Leases,
        shards: int,
        options: RelayOptions | None = None,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._clock = clock
        self._wakeups = wakeups
        self._leases = leases
        self._shards = shards
        self._options = options or RelayOptions()
        self._names = {f"relay:{shard}": shard for shard in range(shards)}
        self._held: frozenset[int] = frozenset()
        self._refused: dict[int, float] = {}
        self._horizon = Horizon()
        self._floor = 0
        self._next_hold = self._next_horizon = self._next_upkeep = self._next_recheck = 0.0

    @property
    def held(self) -> frozenset[int]:
        """The shards this relay may publish."""
        return self._held

    async def run(self) -> None:
        """Publish until cancelled. With Redis or the database away it waits; nothing is lost meanwhile."""
        delay = 0.0
        try:
            while True:
                HEALTH.beat("relay")
                try:
                    count = await self.step()
                    await self._upkeep()
                    delay = 0.0
                except (*UNAVAILABLE, Transient) as error:
                    delay = min(5.0, max(0.25, delay * 2))
                    log.warning("relay.waits", error=str(error)[:200], seconds=delay)
                    await self._clock.sleep(delay)
                    continue
                if count < self._options.batch:
                    await self._rest(count)
        finally:
            await self._let_go()

    async def step(self) -> int:
        """Publish one batch; returns how many events. Transient if a shard refused, after the others were marked."""
        await self._hold()
        usable = [s for s in sorted(self._held) if self._refused.get(s, 0.0) <= self._clock.monotonic()]
        if not usable:
            return 0
        await self._observe()
        floor = self._first()
        settled = self._horizon.settled
        buckets = [b for b in range(BUCKETS) if b % self._shards in usable]
        rows = await fetch_by_index(self._pool, _UNPUBLISHED, floor, buckets, self._options.batch)
        METRICS.outbox_age.set(max(0.0, (self._clock.now() - rows[0]["occurred_at"]).total_seconds()) if rows else 0.0)
        began = self._clock.now()
        done, problem = await self._publish(rows)
        if TRACING.on:
            traced.published(done, began, self._clock.now())
        await self._mark(done)
        if problem is not None:
            raise problem
        if len(usable) == len(self._held):
            last = rows[-1]["seq"] if len(rows) == self._options.batch else settled
            self._floor = max(floor, min(settled, last) + 1)
        return len(done)

    def _first(self) -> int:
        """Where to begin. Above the entries of the partial index that are dead but cannot be removed yet, because
        somebody holds an old snapshot; from zero now and then all the same."""
        now = self._clock.monotonic()
        if now >= self._next_recheck:
            self._next_recheck = now + 4 * self._options.upkeep
            self._floor = 0
        return self._floor

    async def _observe(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_horizon:
            self._next_horizon = now + 0.25
            row: Any = await self._pool.fetchrow(_HORIZON)
            self._horizon.observe(row["last"], row["oldest"], row["next"])

    async def _publish(self, rows: Sequence[Any]) -> tuple[list[Any], Transient | None]:
        """Rows that are on their streams now, and why others are not: one node of a cluster may be away alone."""
        by_shard: dict[int, list[Any]] = {}
        for row in rows:
            by_shard.setdefault(row["bucket"] % self._shards, []).append(row)
        done: list[Any] = []
        problem: Transient | None = None
        for shard, own in by_shard.items():
            try:
                await self._bus.publish(shard, [_pack(row) for row in own])
            except Transient as error:
                self._refused[shard] = self._clock.monotonic() + 1.0
                problem = error
            else:
                self._refused.pop(shard, None)
                done += own
        return done, problem

    async def _mark(self, rows: Sequence[Any]) -> None:
        if not rows:
            return
        tenants, events = columns([(row["tenant_id"], row["event_id"]) for row in rows], 2)
        await self._pool.execute(_MARK, tenants, events, min(events), max(events), self._clock.now())
        METRICS.published.inc(len(rows))

    async def _hold(self) -> None:
        """Renew long before the end; look for shards that became free on every poll."""
        now = self._clock.monotonic()
        if now < self._next_hold:
            return
        held = await self._leases.acquire(list(self._names), self._options.lease)
        shards = frozenset(self._names[name] for name in held)
        if shards - self._held:
            self._floor = 0
            log.info("relay.holds", shards=sorted(shards))
        self._held = shards
        complete = len(shards) == self._shards
        self._next_hold = now + (self._options.lease / 3 if complete else self._options.poll)

    async def _rest(self, count: int) -> None:
        if count:
            await self._clock.sleep(self._options.pause)
        else:
            await self._wakeups.wait(WAKE, self._options.poll)
            await self._clock.sleep(self._options.pause / 4)

    async def _upkeep(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_upkeep:
            return
        self._next_upkeep = now + self._options.upkeep
        for shard in sorted(self._held):
            await self._bus.generation(shard)
            await self._bus.trim(shard, before=self._clock.now() - self._options.keep, maximum=self._options.maximum)

    async def _let_go(self) -> None:
        if self._held:
            try:
                await self._leases.release([name for name, shard in self._names.items() if shard in self._held])
            except UNAVAILABLE as error:
                log.warning("relay.not_released", error=type(error).__name__)
            self._held = frozenset()


def _pack(row: Any) -> Packed:
    return pack_text(
        row["event_id"],
        row["tenant_id"],
        row["type"],
        row["version"],
        row["key"],
        row["data"],
        row["occurred_at"],
        row["seq"],
    )


async def pump(relay: Relay) -> int:
    """Publish all there is now; for tests and tools."""
    total = 0
    while count := await relay.step():
        total += count
        await asyncio.sleep(0)
    return total

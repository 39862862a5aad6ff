"""The work: claims stored tasks, reads them as a turn would be read, writes the result and wakes who waits for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from battcrm.infra.batcher import Batcher
from battcrm.infra.due import ALL_BUCKETS, Claim, DueQueue
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError, Invalid, Permanent
from battcrm.migration.queue.answers import Origin, document_of, row_of
from battcrm.migration.queue.resume import Resumer
from battcrm.migration.queue.settings import QueueSettings
from battcrm.migration.queue.store import TASKS, WAKE, Arrival, Finished, TaskStore, later
from battcrm.migration.queue.table import REFUSED
from battcrm.migration.queue.tasks import Task, parse_task
from battcrm.migration.queue.tenants import TenantNames
from battcrm.models.facts import Completion
from battcrm.pipeline.ports import Extractor, ReadingContext

log = structlog.get_logger(__name__)
MAX_ATTEMPTS: Final = 8
_LEASE_S: Final = 15.0
_DEADLINE_S: Final = 60.0
_CLAIM: Final = 100
_SHARE: Final = 40
_GOODBYE_S: Final = 3.0
_LOOP: Final = "queue worker"


@dataclass(frozen=True, slots=True)
class Reading:
    """What reads tasks, and above which confidence a field is said to be known."""

    extractor: Extractor
    acting: float


class QueueWorker:
    """One process's share of a lane. `concurrency` bounds tasks in flight, `per_tenant` those of one tenant."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        wakeups: Wakeups,
        store: TaskStore,
        names: TenantNames,
        settings: QueueSettings,
        reading: Reading,
        resumer: Resumer | None,
        *,
        concurrency: int = 400,
        per_tenant: int | None = None,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._clock, self._wakeups, self._store, self._names = clock, wakeups, store, names
        self._settings, self._reading, self._resumer = settings, reading, resumer
        self._queue = DueQueue(pool, TASKS, clock, buckets)
        self._finishes: Batcher[Finished, bool] = Batcher(store.finish, maximum=100, pace=0.01)
        self._concurrency = concurrency
        # The rest stays free for the others, so that one shop's flood does not fill the worker.
        self._per_tenant = per_tenant or max(1, concurrency * 7 // 8)
        self._running: dict[UUID, tuple[Claim, float]] = {}
        self._tenants: Counter[UUID] = Counter()
        self._slot_free = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; what is in flight is then given back, and others may claim it at once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat())
                while True:
                    HEALTH.beat(_LOOP)
                    if not await self._start_some(group):
                        await self._wakeups.wait(WAKE, self._queue.pause())
        finally:
            HEALTH.forget(_LOOP)
            await self._give_back()

    async def drain(self) -> None:
        """Work until nothing of the lane is left."""
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._heartbeat())
            while await self._store.waiting():
                if not await self._start_some(group):
                    await self._wakeups.wait(WAKE, self._queue.pause(0.2))
            beat.cancel()

    async def step(self) -> int:
        """Run everything that is due now to its end; how many tasks. For tests with a moved clock."""
        async with asyncio.TaskGroup() as group:
            await self._start_some(group)
            return len(self._running)

    async def _start_some(self, group: asyncio.TaskGroup) -> bool:
        """Claim once and start what was claimed; True if there may be more right now."""
        free = self._concurrency - len(self._running)
        if free <= 0:
            self._slot_free.clear()
            await self._slot_free.wait()
            return True
        wanted = min(free, _CLAIM)
        capped = [t for t, n in self._tenants.items() if n >= self._per_tenant]
        try:
            claims = await self._queue.claim(
                wanted,
                lease=_LEASE_S,
                per_tenant=_SHARE,
                skip_tenants=capped,
                extra=(self._store.lane.name,),
            )
        except UNAVAILABLE as error:
            log.warning("queue.database", error=type(error).__name__)
            await self._clock.sleep(0.5)
            return False
        for claim in claims:
            # After a lease that ran out here, the newer claim is the one that counts.
            self._running[claim.key] = (claim, self._clock.monotonic())
            self._tenants[claim.tenant_id] += 1
            group.create_task(self._guarded(claim))
        # Fewer than a tenant's share: nobody was cut short, so everything due has been taken.
        return len(claims) >= min(wanted, _SHARE)

    async def _guarded(self, claim: Claim) -> None:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                outcome = await self._one(claim)
        except (Permanent, Invalid, *REFUSED) as error:
            outcome = await self._buried(claim, _told(error))
        except (BattError, *UNAVAILABLE) as error:
            outcome = await self._failed(claim, error)
        except Exception as error:  # the task is tried again, then given up; its neighbours go on
            log.exception("queue.failed", task_key=str(claim.key), tenant_id=str(claim.tenant_id))
            outcome = await self._failed(claim, error)
        # Not reached by a task that was cancelled: it stays on the list of what is given back.
        METRICS.queue_tasks.labels(self._store.lane.name, outcome).inc()
        self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        held = self._running.get(claim.key)
        if held is not None and held[0].token == claim.token:
            del self._running[claim.key]
        self._tenants[claim.tenant_id] -= 1
        if not self._tenants[claim.tenant_id]:
            del self._tenants[claim.tenant_id]
        self._slot_free.set()

    async def _one(self, claim: Claim) -> str:
        """One task to its end; how it ended."""
        if claim.attempts > MAX_ATTEMPTS:
            raise Permanent(claim.row["last_error"] or "it ended the process that worked on it, again and again")
        task = parse_task(claim.row["raw"], self._settings.fields)
        tenant_id = await self._names.resolve(task.tenant)
        if tenant_id != claim.tenant_id:
            await self._store.move(claim, Arrival(tenant_id, task.task_id, claim.row["raw"]))
            self._wakeups.notify(WAKE)
            return "moved"
        url = task.resume_url if self._resumer is not None else None
        answer = claim.row["answer"]
        if answer is None:
            answer = await self._read(claim, task)
            row = row_of(self._settings.result.columns, answer, task.document)
            if not await self._finishes.submit(Finished(claim, row, answer if url else None)):
                return "overtaken"
        if url and self._resumer is not None:
            await self._resumer.post(url, answer)
            await self._store.settled(claim)
        return "done"

    async def _read(self, claim: Claim, task: Task) -> Mapping[str, Any]:
        """Rules first, the model for what stays open. A model that fails is part of the answer, not a reason to wait."""
        extractor = self._reading.extractor
        context = ReadingContext(claim.tenant_id, None, task.expecting, task.options, claim.key)
        reading = extractor.read(task.texts, context)
        done = await extractor.complete(task.texts, reading, context) if reading.open_fields else Completion(reading, 0)
        origin = Origin(claim.tenant_id, self._store.lane.queue, claim.row["received_at"])
        return document_of(task, origin, done, self._reading.acting, self._clock.now())

    async def _failed(self, claim: Claim, error: Exception) -> str:
        if claim.attempts >= MAX_ATTEMPTS:
            return await self._buried(claim, _told(error))
        await self._retry(claim, error)
        return "retried"

    async def _buried(self, claim: Claim, reason: str) -> str:
        try:
            await self._store.give_up(claim, reason)
        except UNAVAILABLE as error:
            await self._retry(claim, error)
            return "retried"
        return "dead"

    async def _retry(self, claim: Claim, error: Exception) -> None:
        """Given back at once if that works, otherwise when the lease expires."""
        try:
            await self._queue.retry(claim, later(self._clock, claim), _told(error))
        except UNAVAILABLE as away:
            log.warning("queue.database", error=type(away).__name__)

    async def _heartbeat(self) -> None:
        while True:
            await self._clock.sleep(_LEASE_S / 3)
            old = self._clock.monotonic() - _LEASE_S / 3
            claims = [claim for claim, since in self._running.values() if since <= old]
            if claims:
                try:
                    await self._queue.extend(claims, _LEASE_S)
                except UNAVAILABLE as error:
                    log.warning("queue.heartbeat", error=type(error).__name__)

    async def _give_back(self) -> None:
        claims = [claim for claim, _ in self._running.values()]
        if claims:
            try:
                async with asyncio.timeout(_GOODBYE_S):
                    await self._store.release(claims)
            except (*UNAVAILABLE, TimeoutError) as error:
                log.warning("queue.database", error=type(error).__name__)


def _told(error: Exception) -> str:
    """For the row and the dead letter: what failed, without values, which may be a customer's."""
    if isinstance(error, BattError):
        return error.text
    if isinstance(error, asyncpg.PostgresError):
        where = error.column_name or error.constraint_name or error.data_type_name or ""
        return f"the result table refused it: {type(error).__name__} {where}".strip()
    return type(error).__name__

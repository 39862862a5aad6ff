"""From the list into PostgreSQL: the only step in which a task stands in Redis alone."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.infra.telemetry import METRICS
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid, Transient
from battcrm.migration.queue.lists import Batch, Source
from battcrm.migration.queue.settings import TaskFields
from battcrm.migration.queue.store import WAKE, Arrival, Refusal, TaskStore
from battcrm.migration.queue.tasks import parse_task
from battcrm.migration.queue.tenants import TenantNames

log = structlog.get_logger(__name__)
_ORPHANS_S: Final = 10.0
_PAUSE_S: Final = 0.5
_LOOP: Final = "queue intake"


class Intake:
    """Takes, commits, and only then lets Redis forget. `idle` = seconds between two looks at an empty list, least and most."""

    def __init__(
        self,
        source: Source,
        store: TaskStore,
        names: TenantNames,
        fields: TaskFields,
        clock: Clock,
        wakeups: Wakeups,
        *,
        idle: tuple[float, float] = (0.01, 0.1),
    ) -> None:
        self._source, self._store, self._names = source, store, names
        self._fields, self._clock, self._wakeups = fields, clock, wakeups
        self._idle = idle

    async def run(self) -> None:
        """Work until cancelled. While Redis or PostgreSQL is away it waits; nothing taken is forgotten."""
        pause, look_at = self._idle[0], float("-inf")
        try:
            while True:
                HEALTH.beat(_LOOP)
                try:
                    if self._clock.monotonic() >= look_at:
                        await self.adopt()
                        look_at = self._clock.monotonic() + _ORPHANS_S
                    found = await self.step()
                except Transient as error:
                    log.warning("queue.redis", error=error.text)
                    await self._clock.sleep(_PAUSE_S)
                    continue
                pause = self._idle[0] if found else min(self._idle[1], pause * 1.5)
                if not found:
                    await self._clock.sleep(pause)
        finally:
            HEALTH.forget(_LOOP)
            await self._leave()

    async def step(self) -> int:
        """Take what is there now and store it; how many."""
        batch = await self._source.take()
        await self._store_all(batch)
        return len(batch.raws)

    async def adopt(self) -> int:
        """Store what workers held that have died; how many."""
        found = await self._source.orphans()
        for batch in found:
            log.info("queue.adopted", tasks=len(batch.raws))
            await self._store_all(batch)
        return sum(len(batch.raws) for batch in found)

    async def _store_all(self, batch: Batch) -> None:
        if not batch:
            return
        while not await self._stored(batch):
            HEALTH.beat(_LOOP)
            await self._clock.sleep(_PAUSE_S)
        await self._source.settle(batch)
        self._wakeups.notify(WAKE)

    async def _stored(self, batch: Batch) -> bool:
        arrivals: list[Arrival] = []
        refusals: list[Refusal] = []
        try:
            for raw in batch.raws:
                try:
                    task = parse_task(raw, self._fields)
                    arrivals.append(Arrival(await self._names.resolve(task.tenant), task.task_id, raw))
                except Invalid as error:
                    refusals.append(Refusal(self._names.owner, raw, error.text))
            await self._store.accept(arrivals, refusals)
        except UNAVAILABLE as error:
            log.warning("queue.database", error=type(error).__name__)
            return False
        lane = self._store.lane.name
        METRICS.queue_tasks.labels(lane, "taken").inc(len(arrivals))
        METRICS.queue_tasks.labels(lane, "unreadable").inc(len(refusals))
        return True

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._source.leave()
        except (Transient, TimeoutError):
            log.warning("queue.redis", error="could not say goodbye")

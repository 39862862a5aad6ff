"""`battcrm run ai-worker --queue …`: the bridge to n8n, put together."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis

from battcrm.extraction.thresholds import ACT
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import Pool
from battcrm.infra.reach import reach
from battcrm.infra.redis import open_redis
from battcrm.kit.errors import Invalid
from battcrm.migration.queue.intake import Intake
from battcrm.migration.queue.lists import PeekedList, Source, TakenList
from battcrm.migration.queue.resume import Resumer
from battcrm.migration.queue.settings import SHADOW, QueueSettings, ResultTable
from battcrm.migration.queue.store import Lane, TaskStore
from battcrm.migration.queue.table import Target
from battcrm.migration.queue.tenants import TenantNames
from battcrm.migration.queue.worker import QueueWorker, Reading
from battcrm.services.tenants import Tenants
from battcrm.settings import Settings
from battcrm.workers.reading import opened_reading
from battcrm.workers.runtime import Runtime
from battcrm.workers.supervise import run_roles

log = structlog.get_logger(__name__)
ROLE: Final = "ai-queue"


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What the command line says beside the settings file. The URLs are set where n8n's servers are not ours."""

    settings: QueueSettings
    concurrency: int = 400
    shadow: bool = False
    copies: str | None = None
    drain: bool = False
    results_url: str | None = None
    redis_url: str | None = None

    @property
    def lane(self) -> Lane:
        """The list that is read, and how."""
        return Lane(self.copies or self.settings.queue, self.shadow)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The two halves: from the list to PostgreSQL, and from there to the results."""

    intake: Intake
    worker: QueueWorker
    store: TaskStore


async def run_queue(options: QueueOptions, settings: Settings) -> None:
    """Run until SIGTERM, or with `drain` until nothing is left."""

    async def role(runtime: Runtime) -> None:
        HEALTH.starting(ROLE)
        async with bridge(runtime, options) as built:
            HEALTH.started(ROLE)
            if options.drain:
                await built.worker.drain()
                log.info("queue.drained", lane=options.lane.name)
                signal.raise_signal(signal.SIGTERM)
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(built.intake.run())
                group.create_task(built.worker.run())

    await run_roles((ROLE,), with_in_flight(settings, options.concurrency), others={ROLE: role})


@asynccontextmanager
async def bridge(runtime: Runtime, options: QueueOptions) -> AsyncIterator[Bridge]:
    """The bridge on the runtime's servers. Invalid when the list's tenant or the result table is not as configured."""
    settings = options.settings
    owner = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(settings.tenant)
    names = TenantNames(runtime.pool, runtime.clock, settings.tenants, owner.tenant_id)
    async with AsyncExitStack() as stack:
        results = None if options.shadow else await _results(stack, options)
        if options.shadow:
            settings = settings.model_copy(update={"result": ResultTable(table=SHADOW)})
        target = await Target.open(results or runtime.pool, settings.result)
        store = TaskStore(runtime.pool, runtime.clock, runtime.ids, options.lane, target, results)
        source = _source(_redis(stack, runtime, options), runtime, options)
        intake = Intake(source, store, names, settings.fields, runtime.clock, runtime.wakeups)
        reading = Reading(await stack.enter_async_context(opened_reading(runtime)), ACT)
        wakes = settings.resume.hosts and not options.shadow
        resumer = Resumer(runtime.http, runtime.clock, settings.resume) if wakes else None
        worker = QueueWorker(
            runtime.pool,
            runtime.clock,
            runtime.wakeups,
            store,
            names,
            settings,
            reading,
            resumer,
            concurrency=options.concurrency,
            buckets=runtime.buckets,
        )
        yield Bridge(intake, worker, store)


def _redis(stack: AsyncExitStack, runtime: Runtime, options: QueueOptions) -> Redis:
    if options.redis_url is not None:
        redis = open_redis(options.redis_url)
        stack.push_async_callback(redis.aclose)
        return redis
    if runtime.redis is None:
        raise Invalid("the list is in Redis", field="REDIS_URL", remedy="set REDIS_URL to the Redis that n8n uses")
    return runtime.redis


def _source(redis: Redis, runtime: Runtime, options: QueueOptions) -> Source:
    if options.shadow and options.copies is None:
        return PeekedList(redis, options.settings.queue)
    return TakenList(redis, options.lane.queue, options.settings.pushed, runtime.clock, str(runtime.ids.new()))


async def _results(stack: AsyncExitStack, options: QueueOptions) -> Pool | None:
    if options.results_url is None:
        return None
    pool = await reach(options.results_url, variable="--results-url", maximum=3, name="battcrm-results")
    stack.push_async_callback(pool.close)
    return pool


def with_in_flight(settings: Settings, concurrency: int) -> Settings:
    """As many model calls may be under way as tasks."""
    return settings.model_copy(update={"llm_in_flight": max(settings.llm_in_flight, concurrency)})

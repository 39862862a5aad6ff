"""The bridge between a real Redis list, the emulated model and a real table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from battcrm.cli.run_queue import Bridge, QueueOptions, bridge
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.kit.text import dumps
from battcrm.migration.queue.settings import QueueSettings
from battcrm.services.tenants import Tenants
from battcrm.settings import Settings, load_settings
from battcrm.workers.runtime import Runtime, connect

QUEUE = "ai_extraction_queue"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
# The first is settled by rules, the second needs the model.
PLAIN = "сколько стоит замена экрана на айфон 13 про"
OPEN = "чудит телефон, то густо то пусто, не пойму"


@dataclass
class Place:
    """Servers, two shops, and what n8n would do with them."""

    runtime: Runtime
    redis: Redis
    shops: dict[str, UUID]

    async def push(self, *tasks: Any, side: str = "left", queue: str = QUEUE) -> None:
        """As n8n's Redis node does."""
        for task in tasks:
            raw = task if isinstance(task, bytes) else dumps(task)
            await (self.redis.lpush(queue, raw) if side == "left" else self.redis.rpush(queue, raw))

    async def rows(self, table: str = "ai_extraction_result") -> list[Mapping[str, Any]]:
        """Everything in a table, by task."""
        rows = await self.runtime.pool.fetch(f'SELECT * FROM "{table}" ORDER BY task_id')
        return [dict(row) for row in rows]

    async def dead(self) -> list[tuple[str, str]]:
        """Sources and reasons of the dead letters."""
        rows = await self.runtime.pool.fetch("SELECT source, reason FROM dead_letter ORDER BY dead_id")
        return [(row["source"], row["reason"]) for row in rows]

    async def waiting(self) -> int:
        """Rows of tasks that are not finished."""
        count: int = await self.runtime.pool.fetchval("SELECT count(*) FROM queue_task")
        return count

    async def keys(self) -> set[bytes]:
        """Every key in Redis."""
        return {key for key in await self.redis.keys("*") if isinstance(key, bytes)}


@asynccontextmanager
async def bridged(place: Place, options: QueueOptions) -> AsyncIterator[Bridge]:
    """A bridge that does what the test tells it."""
    async with bridge(place.runtime, options) as built:
        yield built


async def pump(built: Bridge, *, most: int = 20) -> None:
    """Take everything and work until nothing is due."""
    await built.intake.adopt()
    while await built.intake.step():
        pass
    for _ in range(most):
        if not await built.worker.step():
            return
    raise AssertionError("there is always something due")


def options(**changed: Any) -> QueueOptions:
    """Options with these settings; those of the command line by their own names."""
    own = {name: changed.pop(name) for name in tuple(changed) if name in QueueOptions.__dataclass_fields__}
    return QueueOptions(QueueSettings.model_validate({"tenant": "lavka"} | changed), **own)


@pytest.fixture
async def provider() -> AsyncIterator[OpenAiEmulator]:
    async with OpenAiEmulator() as started:
        yield started


@pytest.fixture
def settings(clean_database: str, provider: OpenAiEmulator, redis_url: str) -> Settings:
    return load_settings(
        DATABASE_URL=clean_database,
        REDIS_URL=redis_url,
        BATTCRM_SECRET_KEYS=KEY,
        OPENAI_API_KEY="test",
        OPENAI_BASE_URL=f"{provider.url}/v1",
        NEO4J_URL="bolt://127.0.0.1:9",
        NEO4J_PASSWORD="unused",
    )


@asynccontextmanager
async def place_on(settings: Settings, shops: Sequence[str] = ("lavka", "servis")) -> AsyncIterator[Place]:
    async with connect(settings) as runtime:
        tenants = Tenants(runtime.pool, runtime.clock, runtime.ids)
        made = {slug: (await tenants.create(slug, slug)).tenant_id for slug in shops}
        assert runtime.redis is not None
        yield Place(runtime, runtime.redis, made)


@pytest.fixture
async def place(settings: Settings) -> AsyncIterator[Place]:
    async with place_on(settings) as opened:
        yield opened

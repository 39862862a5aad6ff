"""The whole ladder, as the AI worker builds it, between the emulated provider and the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.extraction.prompts.loader import load_prompt
from battcrm.infra.llm.build import JsonChat
from battcrm.infra.postgres import Pool
from battcrm.kit.text import dumps
from battcrm.models.calls import CallScope
from battcrm.settings import Settings, load_settings
from battcrm.workers.models import chat_call
from battcrm.workers.runtime import Runtime, connect

BIG, SMALL = "gpt-4.1", "gpt-4.1-mini"
TENANT = UUID(int=7)
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

_TENANT = """
INSERT INTO tenant (tenant_id, bucket, slug, name, config_version, created_at) VALUES ($1, 1, 'lavka', 'Лавка', 1, $2)
ON CONFLICT (tenant_id) DO NOTHING
"""
_DOCUMENT = """
INSERT INTO tenant_config (tenant_id, version, state, document, created_at) VALUES ($1, 1, 'published', $2, $3)
ON CONFLICT (tenant_id, version) DO UPDATE SET document = excluded.document
"""


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


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with connect(settings) as opened:
        yield opened


@dataclass
class World:
    """A chat to ask and the tables it writes."""

    chat: JsonChat
    pool: Pool

    async def ask(
        self, text: str, *, deadline_s: float = 60.0, scope: CallScope | None = None
    ) -> tuple[Mapping[str, Any], CallScope]:
        who = scope or CallScope(TENANT, turn_id=UUID(int=70))
        prompt = load_prompt()
        data = {"open_fields": ["appeal_type", "repair_types"], "customer_messages": [text]}
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": dumps(data).decode()}]
        return await self.chat(messages, prompt.schema, deadline_s, who), who

    async def rows(self) -> list[tuple[str, str]]:
        """Model and outcome of every row of the ledger, in the order of the calls."""
        await self.settled()
        found = await self.pool.fetch("SELECT model, outcome FROM llm_call /* tenant_id: all */ ORDER BY call_id")
        return [(row["model"], row["outcome"]) for row in found]

    async def budget(self, tenant_id: UUID = TENANT) -> tuple[int, int]:
        """Reserved and spent today."""
        await self.settled()
        row = await self.pool.fetchrow(
            "SELECT reserved_microrub, spent_microrub FROM llm_budget WHERE tenant_id = $1", tenant_id
        )
        return (row["reserved_microrub"], row["spent_microrub"]) if row else (0, 0)

    async def settled(self) -> None:
        assert self.chat.later is not None
        await self.chat.later.drain()


async def tenant_with(runtime: Runtime, document: dict[str, Any]) -> None:
    """The tenant, with this document published."""
    await runtime.pool.execute(_TENANT, TENANT, runtime.clock.now())
    await runtime.pool.execute(_DOCUMENT, TENANT, document, runtime.clock.now())
    runtime.wakeups.notify("config")


@pytest.fixture
async def world(runtime: Runtime) -> AsyncIterator[World]:
    await tenant_with(runtime, {})
    async with world_on(runtime) as opened:
        yield opened


@asynccontextmanager
async def world_on(runtime: Runtime) -> AsyncIterator[World]:
    chat = chat_call(runtime)
    try:
        yield World(chat, runtime.pool)
    finally:
        await chat.aclose()


@asynccontextmanager
async def other_worker(settings: Settings, **changed: Any) -> AsyncIterator[tuple[World, Runtime]]:
    """Another AI worker on the same servers."""
    async with connect(settings.model_copy(update=changed)) as runtime, world_on(runtime) as opened:
        yield opened, runtime

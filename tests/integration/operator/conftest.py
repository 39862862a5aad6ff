"""A shop whose roles are driven step by step: what the client writes is processed when the test says so."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.text import dumps
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.ports import Writer
from battcrm.services.channels import Channels
from battcrm.services.clients import Clients
from battcrm.services.clients_twins import Twins
from battcrm.services.explain import Explainer, Explanation
from battcrm.services.operator import Operators
from battcrm.services.operator_correct import Corrections
from battcrm.services.operator_suggestions import Suggestions
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings
from battcrm.transport.accounts import Connected
from battcrm.transport.door import Door
from battcrm.transport.webchat.parse import parse
from battcrm.workers import ai_worker, out_worker, processor
from battcrm.workers.layers import core_layers
from battcrm.workers.runtime import Runtime, connect

VISITOR = "visitor-1"
_PHONE = """
INSERT INTO client_phone (tenant_id, client_id, phone, verified, source, created_at) VALUES ($1, $2, $3, $4, 'test', $5)
"""


@dataclass
class Shop:
    """One tenant with a web chat, and the roles."""

    runtime: Runtime
    tenant_id: UUID
    channel: Connected
    turns: AiWorker
    operators: Operators
    corrections: Corrections
    suggestions: Suggestions
    clients: Clients
    twins: Twins

    async def hears(self, *texts: str, visitor: str = VISITOR) -> None:
        """The client writes; the messages are stored and a turn is due."""
        door = Door(self.runtime.pool, self.runtime.clock, self.runtime.ids, self.runtime.wakeups)
        for text in texts:
            body = {
                "client_message_id": str(self.runtime.ids.new()),
                "visitor_id": visitor,
                "text": text,
                "name": "Анна",
            }
            raw = dumps(body)
            await door.accept(self.channel.account, parse(raw, self.channel.account), raw)
        work = processor.build(self.runtime)
        while await work.step():
            pass

    async def says_phone(self, phone: str, *, visitor: str, verified: bool) -> None:
        """A phone of a client becomes known, as a messenger's contact card makes it."""
        client_id = await self.client(visitor)
        await self.runtime.pool.execute(_PHONE, self.tenant_id, client_id, phone, verified, self.runtime.clock.now())

    async def client(self, visitor: str) -> UUID:
        """Whose visitor it is now."""
        rows = await self.rows(
            "SELECT client_id FROM identity WHERE tenant_id = $1 AND external_user_id LIKE '%' || $2::text", visitor
        )
        found: UUID = rows[0]["client_id"]
        return found

    async def answers(self) -> None:
        """Every due turn is run."""
        while await self.turns.step():
            pass

    async def delivers(self) -> None:
        """Everything pending is sent."""
        worker = out_worker.build(self.runtime)
        while await worker.step():
            pass

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a query whose first parameter is the tenant."""
        return [dict(row) for row in await self.runtime.pool.fetch(sql, self.tenant_id, *arguments)]

    async def outgoing(self) -> list[tuple[str, str]]:
        """(author, state) of what was to be sent, in order."""
        found = await self.rows("SELECT author, state FROM outgoing WHERE tenant_id = $1 ORDER BY seq")
        return [(row["author"], row["state"]) for row in found]

    async def appeal(self) -> dict[str, Any]:
        """The newest appeal."""
        return (await self.rows("SELECT * FROM appeal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1"))[0]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the events of one type, in order."""
        rows = await self.rows("SELECT data FROM outbox WHERE tenant_id = $1 AND type = $2 ORDER BY seq", kind)
        return [row["data"] for row in rows]

    async def explain(self, what: object) -> Explanation:
        """The explanation of an id or a number."""
        return await Explainer(self.runtime.pool).explain(str(what), self.tenant_id)

    async def closes(self, number: int) -> None:
        """The operator is done."""
        await self.operators.close(self.tenant_id, number, AppealStatus.DONE)


@pytest.fixture
def environment(clean_database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "DATABASE_URL": clean_database,
        "REDIS_URL": redis_url,
        "NEO4J_URL": "bolt://127.0.0.1:1",
        "NEO4J_PASSWORD": "nobody-listens",
        "BATTCRM_SECRET_KEYS": base64.b64encode(b"k" * 32).decode(),
    }.items():
        monkeypatch.setenv(name, value)
    return clean_database


@asynccontextmanager
async def opened(database: str, response: dict[str, Any], writer: Writer | None = None) -> AsyncIterator[Shop]:
    """A shop with these settings of its answers, and perhaps a model that words them."""
    pool = await open_pool(database, maximum=1)
    await maintain(pool, datetime.now(UTC))
    await pool.close()
    async with connect(load_settings(), name="test-operator") as runtime, core_layers(runtime) as layers:
        document = {"dialog": {"quiet": 0, "unfinished": 0, "media": 0}, "response": response}
        tenant = await Tenants(runtime.pool, runtime.clock, runtime.ids).create("lesnaya", "Лесная", document=document)
        channels = Channels(runtime.pool, runtime.vault, runtime.clock, runtime.ids, runtime.wakeups)
        new = await channels.add(tenant.tenant_id, "webchat", "lesnaya", secrets={"session_secret": "s" * 32})
        channel = await runtime.channels.find(new.channel_id)
        assert channel is not None
        base = (runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)
        turns = ai_worker.build(runtime, replace(layers, writer=writer))
        people = (Operators(*base), Corrections(*base), Suggestions(*base), Clients(*base), Twins(*base))
        yield Shop(runtime, tenant.tenant_id, channel, turns, *people)


@pytest.fixture
async def shop(environment: str) -> AsyncIterator[Shop]:
    async with opened(environment, {}) as place:
        yield place


@pytest.fixture
async def suggesting(environment: str) -> AsyncIterator[Shop]:
    """A shop whose bot only drafts."""
    async with opened(environment, {"mode": "suggest"}) as place:
        yield place

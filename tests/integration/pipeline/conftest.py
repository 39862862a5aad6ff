"""A bench with the workers of intents and of returned control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.faults.bench import Bench, Shop, bench
from battcrm.devkit.faults.messenger import event
from battcrm.infra.wake import Wakeups
from battcrm.kit.ids import bucket_of
from battcrm.pipeline.caretaker import Caretaker
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.intents import IntentWorker

INTENT = """
INSERT INTO outgoing_intent (tenant_id, intent_id, bucket, client_id, purpose, content, cause, dedupe_key, state, due_at,
  created_at) VALUES ($1, $2, $3, $4, $5, $6, '{}'::jsonb, $7, 'wanted', $8, $8) ON CONFLICT DO NOTHING
"""
APPEAL = """
INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, opened_at, touched_at,
  version) SELECT $1, $2, $3, dialog_id, $4, 1, 'collecting', $5, $6, $6, 1 FROM dialog LIMIT 1
"""


@dataclass
class Shopfront:
    """One shop in which Anna has said hello and was answered."""

    world: Bench
    shop: Shop
    client: UUID
    intents: IntentWorker
    caretaker: Caretaker

    async def want(self, key: str, text: str = "come by", purpose: str = "touch", client: UUID | None = None) -> None:
        """An intent of some layer."""
        tenant = self.shop.account.tenant_id
        content = {"text": f"0|0|{text}"}
        now = self.world.clock.now()
        who = client or self.client
        own = self.world.ids.new()
        await self.world.pool.execute(INTENT, tenant, own, bucket_of(tenant), who, purpose, content, key, now)

    async def appeal(self, control: str) -> UUID:
        """An open appeal of Anna's."""
        own, now = self.world.ids.new(), self.world.clock.now()
        tenant = self.shop.account.tenant_id
        await self.world.pool.execute(APPEAL, tenant, own, self.client, self.world.ids.new(), control, now)
        return own

    async def said(self) -> list[str]:
        """What Anna has seen after the greeting."""
        await self.world.step("out-1")
        return [s.text.split("|", 2)[2] for s in self.world.messenger.shown][1:]

    async def decisions(self) -> list[str]:
        """Reasons of the intents' decisions."""
        query = "SELECT reason FROM decision WHERE turn_id IS NULL ORDER BY created_at, decision_id"
        return [row[0] for row in await self.world.pool.fetch(query)]

    async def value(self, query: str, *arguments: Any) -> Any:
        """One value."""
        return await self.world.pool.fetchval(query, *arguments)


@pytest.fixture
async def front(clean_database: str) -> AsyncIterator[Shopfront]:
    async with bench(clean_database) as world:
        shop = await world.shop()
        await world.deliver(shop, event("anna", "m1", "hello"))
        await world.drain()
        client = await world.pool.fetchval("SELECT client_id FROM client")
        base = (world.pool, world.clock, world.ids, Wakeups())
        configs = TenantConfigs(world.pool, world.clock, Wakeups())
        yield Shopfront(world, shop, client, IntentWorker(*base, configs), Caretaker(*base))

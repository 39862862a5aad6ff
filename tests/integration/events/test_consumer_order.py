from __future__ import annotations

from collections.abc import Sequence

from battcrm.events.catalogue import ClientUpdated, Envelope
from battcrm.events.registry import HandlerRegistry
from battcrm.infra.postgres import Connection
from tests.integration.events.conftest import World, ledger, running, until


async def effects_are(world: World, count: int) -> bool:
    return len(await world.effects()) == count


async def test_a_key_whose_event_fails_for_a_while_keeps_its_order(world: World) -> None:
    tenant = await world.tenant()
    other, slow = await world.client(tenant), await world.client(tenant)
    failures = 0

    async def handle(connection: Connection, events: Sequence[Envelope]) -> None:
        nonlocal failures
        if failures < 4 and any(e.key == slow and e.data["version"] == 1 for e in events):
            failures += 1
            raise ValueError
        await ledger(connection, events)

    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], handle)
    async with running(world.relay(), world.processor(made)):
        await until(world.ready, what="registered")
        await world.happen(
            ClientUpdated(tenant, slow, 1), ClientUpdated(tenant, slow, 2), ClientUpdated(tenant, other, 1)
        )
        await until(lambda: effects_are(world, 3), what="all effects")
    assert await world.effects() == [(other, 1), (slow, 1), (slow, 2)]
    assert await world.dead() == 0

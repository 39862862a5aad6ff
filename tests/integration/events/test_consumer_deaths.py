"""An event that kills the process which handles it: put aside in the end, and nobody else with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from battcrm.events.catalogue import ClientUpdated, Envelope
from battcrm.events.consumer import EventProcessor
from battcrm.events.registry import HandlerRegistry, TransactionalHandler
from battcrm.infra.postgres import Connection
from tests.integration.events.conftest import FAST, World, ledger, running, settled, until


class ProcessGone(BaseException):
    """Passes every handler of errors, as the end of a process does."""


def _deadly(bad: UUID) -> TransactionalHandler:
    """The ledger, whose process ends over an event of this client."""

    async def handle(connection: Connection, events: Sequence[Envelope]) -> None:
        if any(e.key == bad for e in events):
            raise ProcessGone
        await ledger(connection, events)

    return handle


async def _dies(world: World, processor: EventProcessor) -> bool:
    """Does the process end before an event has been put aside?"""
    try:
        async with running(processor):
            await until(world.dead, what="put aside")
    except BaseExceptionGroup as group:
        if group.subgroup(ProcessGone) is None:
            raise
        return True
    return False


async def test_an_event_that_kills_its_worker_is_put_aside_and_its_neighbours_are_not(world: World) -> None:
    """The process dies with the event unacknowledged, again and again."""
    tenant = await world.tenant()
    good, bad = await world.client(tenant), await world.client(tenant)

    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], _deadly(bad))
    options = replace(FAST, idle=0.0)
    deaths = 0
    async with running(world.relay()):
        async with running(world.processor(made)):
            await until(world.ready, what="registered")
        await world.happen(
            ClientUpdated(tenant, good, 1), ClientUpdated(tenant, bad, 1), ClientUpdated(tenant, good, 2)
        )
        while not await world.dead():
            deaths += await _dies(world, world.processor(made, options))
            assert deaths < 20, "an immortal event"
        async with running(world.processor(made, options)):
            await until(lambda: settled(world), what="acknowledged")
    assert await world.effects() == [(good, 1), (good, 2)]
    assert await world.dead() == 1
    assert 5 <= deaths <= 7


async def test_a_neighbour_does_not_inherit_the_deaths_of_the_event_that_was_put_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends when that one is through: the next finds the neighbour first."""
    tenant = await world.tenant()
    good, bad = await world.client(tenant), await world.client(tenant)

    acknowledge = world.bus.ack

    async def last_act(group: str, shard: int, ids: Sequence[str]) -> None:
        await acknowledge(group, shard, ids)
        if await world.dead():
            raise ProcessGone

    monkeypatch.setattr(world.bus, "ack", last_act)
    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], _deadly(bad))
    options = replace(FAST, idle=0.0)
    async with running(world.relay()):
        async with running(world.processor(made)):
            await until(world.ready, what="registered")
        await world.happen(ClientUpdated(tenant, bad, 1), ClientUpdated(tenant, good, 1))
        while not await world.dead():
            await _dies(world, world.processor(made, options))
        monkeypatch.undo()
        async with running(world.processor(made, options)):
            await until(lambda: settled(world), what="acknowledged")
    assert await world.effects() == [(good, 1)]
    assert await world.dead() == 1

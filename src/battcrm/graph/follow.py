"""How the graph hears of changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from battcrm.events.bus import Packed
from battcrm.events.catalogue import Envelope
from battcrm.events.registry import HandlerRegistry
from battcrm.graph.context import GraphContextReader
from battcrm.graph.sync import EventRef, Projector
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient

CONSUMER: Final = "graph"
# Five seconds behind are near enough for a projection: a batch costs the graph hardly more than one row, and what happens
# to one appeal in a row is written once.
_PAUSE: Final = 5.0
# Waited here, a graph that is away for a moment costs no event its place in a batch.
_PATIENCE: Final = 20.0
_AGAIN: Final = 0.5
EVENT_TYPES: Final = (
    "client.created",
    "client.updated",
    "client.merged",
    "appeal.created",
    "appeal.updated",
    "appeal.stage_changed",
    "repair.recorded",
    "price.changed",
)


def follow(registry: HandlerRegistry, projector: Projector, clock: Clock) -> None:
    """Register the projector as the consumer `graph`. One process of the group projects each event.

    While the graph is away a batch is tried again every half second; after 20 s the bus takes over with its own.
    """

    async def project(envelopes: Sequence[Envelope]) -> None:
        events = [EventRef.of(envelope) for envelope in envelopes]
        finish = clock.monotonic() + _PATIENCE
        while True:
            try:
                await projector.apply(events)
                return
            except Transient:
                if clock.monotonic() >= finish:
                    raise
            await clock.sleep(_AGAIN)

    registry.external(CONSUMER, EVENT_TYPES, project, pause=_PAUSE)


def forget(reader: GraphContextReader, events: Sequence[Packed]) -> None:
    """Drop what these events made stale in this process's cache: for every process that reads, not one of a group.

    All events of all tenants come here, several of each client: ids stay text until they have been gathered.
    """
    stale: dict[str, tuple[set[str], set[str]]] = {}
    for event in events:
        try:
            tenant_id, data = event.about()
        except (ValueError, KeyError, TypeError):
            continue  # nobody of ours wrote it; the consumers say so
        types, clients = stale.setdefault(tenant_id, (set(), set()))
        types.add(event.type)
        clients.update(data[name] for name in ("client_id", "survivor_id") if data.get(name))
    for tenant_id, (types, clients) in stale.items():
        reader.forget(types, UUID(tenant_id), [UUID(client_id) for client_id in clients])

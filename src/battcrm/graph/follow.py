"""How the graph hears of changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from battcrm.events.catalogue import Envelope
from battcrm.events.registry import HandlerRegistry
from battcrm.graph.context import GraphContextReader
from battcrm.graph.sync import EventRef, Projector

CONSUMER: Final = "graph"
# Half a second behind is near enough for a projection, and a batch costs the graph hardly more than one row.
_PAUSE: Final = 0.5
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


def follow(registry: HandlerRegistry, projector: Projector) -> None:
    """Register the projector as the consumer `graph`. One process of the group projects each event."""

    async def project(envelopes: Sequence[Envelope]) -> None:
        await projector.apply([EventRef.of(envelope) for envelope in envelopes])

    registry.external(CONSUMER, EVENT_TYPES, project, pause=_PAUSE)


def forget(reader: GraphContextReader, envelopes: Sequence[Envelope]) -> None:
    """Drop what these events made stale in this process's cache: for every process that reads, not one of a group."""
    for envelope in envelopes:
        clients = tuple(UUID(envelope.data[name]) for name in ("client_id", "survivor_id") if envelope.data.get(name))
        reader.forget(envelope.type, envelope.tenant_id, clients)

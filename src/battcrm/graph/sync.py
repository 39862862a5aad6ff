"""Keeps the graph a projection of PostgreSQL: by events, by rebuild. Idempotent and insensitive to order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID
from weakref import WeakValueDictionary

from battcrm.events.catalogue import Envelope
from battcrm.graph import sync_statements as cypher
from battcrm.graph.projection import PROJECT, Projected, device_row, model_row, part_row
from battcrm.graph.stored import ENTITIES, Stored
from battcrm.infra.neo4j import Graph, Runner, Statement

_ID_FIELDS: Final[Mapping[str, str]] = {
    "client_id": "client",
    "survivor_id": "client",
    "appeal_id": "appeal",
    "repair_id": "repair",
    "price_item_id": "price",
}
_FAMILIES: Final = ("client.", "appeal.", "repair.", "price.")
# In price events the ordering key stands in `client_id`; it is not a client.
_NO_CLIENT: Final = ("price.",)
Progress = Callable[[UUID, str, int], None]


@dataclass(frozen=True, slots=True)
class EventRef:
    """What the projector needs of an event: which rows to read again. `version` is informative only."""

    type: str
    tenant_id: UUID
    ids: Mapping[str, UUID]
    version: int = 0

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        """From the bus. Fields that are not ids are ignored."""
        ids = {name: UUID(envelope.data[name]) for name in _ID_FIELDS if envelope.data.get(name)}
        version = envelope.data.get("version")
        return cls(envelope.type, envelope.tenant_id, ids, version if isinstance(version, int) else 0)

    def rows(self) -> Iterable[tuple[str, UUID]]:
        """(entity, id) to read again; nothing for events that do not change the graph."""
        if not self.type.startswith(_FAMILIES):
            return
        for name, value in self.ids.items():
            if name in _ID_FIELDS and not (name == "client_id" and self.type.startswith(_NO_CLIENT)):
                yield _ID_FIELDS[name], value


class Projector:
    """Writes what PostgreSQL holds into the graph.

    Every write is guarded by the row's version, so duplicates and late events change nothing. Writers of one tenant
    take turns inside this process; between processes the graph's transactions and the version guard decide.
    """

    def __init__(self, stored: Stored, graph: Graph, *, batch: int = 250) -> None:
        self._stored = stored
        self._graph = graph
        self._batch = batch
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def apply(self, events: Sequence[EventRef]) -> int:
        """Project the rows these events name, as they are now. Returns nodes changed; raises Transient to be retried."""
        wanted: dict[tuple[UUID, str], dict[UUID, None]] = {}
        for event in events:
            for entity, own_id in event.rows():
                wanted.setdefault((event.tenant_id, entity), {})[own_id] = None
        changed = 0
        for (tenant_id, entity), ids in sorted(wanted.items(), key=_turn):
            changed += await self.refresh(tenant_id, entity, list(ids))
        return changed

    async def refresh(self, tenant_id: UUID, entity: str, ids: Sequence[UUID], *, force: bool = False) -> int:
        """Read rows again and project them; ids without a row are erased from the graph."""
        changed = 0
        for start in range(0, len(ids), self._batch):
            part = ids[start : start + self._batch]
            nodes = [PROJECT[entity](row) for row in await self._stored.by_id(entity, tenant_id, part)]
            changed += await self.write(tenant_id, entity, nodes, force=force)
            gone = {str(i) for i in part} - {node.id for node in nodes}
            if gone:
                await self.erase(tenant_id, entity, sorted(gone))
        return changed

    async def rebuild(self, tenant_id: UUID, progress: Progress | None = None) -> int:
        """Project every row of a tenant in keyset pages, each its own transaction. Returns rows read."""
        total = 0
        for entity in ENTITIES:
            after: str | None = None
            done = 0
            while page := await self._stored.page(entity, tenant_id, after, self._batch):
                nodes = [PROJECT[entity](row) for row in page]
                await self.write(tenant_id, entity, nodes, force=True)
                after = nodes[-1].id
                done += len(nodes)
                if progress is not None:
                    progress(tenant_id, entity, done)
            total += done
        return total

    async def rebuild_all(self, progress: Progress | None = None) -> int:
        """`rebuild` for every tenant, one after another."""
        total, after = 0, None
        while tenants := await self._stored.tenants(after, 200):
            for tenant_id in tenants:
                total += await self.rebuild(tenant_id, progress)
            after = tenants[-1]
        return total

    async def write(self, tenant_id: UUID, entity: str, nodes: Sequence[Projected], *, force: bool = False) -> int:
        """Upsert nodes with their edges in one transaction. Returns how many were newer than the graph."""
        if not nodes:
            return 0

        async def work(run: Runner) -> int:
            return await _write(run, str(tenant_id), entity, nodes, force=force)

        async with self._lock(tenant_id):
            return int(await self._graph.transact(work, merges=True))

    async def erase(self, tenant_id: UUID, entity: str, ids: Sequence[str]) -> None:
        """Remove nodes and their edges; a client takes the devices along."""
        parameters = {"tenant_id": str(tenant_id), "ids": list(ids)}
        async with self._lock(tenant_id):
            await self._graph.write([Statement(cypher.ERASE[entity], parameters)])

    async def distrust(self, tenant_id: UUID, entity: str, ids: Sequence[str]) -> None:
        """Forget the versions of nodes, so that the next refresh writes them whatever they claimed."""
        parameters = {"tenant_id": str(tenant_id), "ids": list(ids)}
        async with self._lock(tenant_id):
            await self._graph.write([Statement(cypher.RESET[entity], parameters)])

    async def prune(self, tenant_id: UUID) -> None:
        """Remove devices, parts, models and brands that nothing points to any more."""
        parameters = {"tenant_id": str(tenant_id)}
        async with self._lock(tenant_id):
            await self._graph.write([Statement(text, parameters) for text in cypher.PRUNE])

    def _lock(self, tenant_id: UUID) -> asyncio.Lock:
        lock = self._locks.get(tenant_id)
        if lock is None:
            lock = self._locks[tenant_id] = asyncio.Lock()
        return lock


async def _write(run: Runner, tenant_id: str, entity: str, nodes: Sequence[Projected], *, force: bool) -> int:
    rows = [{"id": n.id, "version": n.version, "properties": dict(n.properties)} for n in nodes]
    applied = await run(cypher.UPSERT[entity], {"tenant_id": tenant_id, "rows": rows, "force": force})
    newer = {row["id"] for row in applied}
    fresh = [node for node in nodes if node.id in newer]
    if not fresh:
        return 0
    derived: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
        (cypher.MODELS, [model_row(*key) for key in _distinct(n.models for n in fresh)]),
        (cypher.DEVICES, [device_row(*key) for key in _distinct(n.devices for n in fresh)]),
        (cypher.PARTS, [part_row(*key) for key in _distinct(n.parts for n in fresh)]),
    )
    for text, values in derived:
        if values:
            await run(text, {"tenant_id": tenant_id, "rows": values})
    linked = [row["id"] for row in applied if row["known"]]
    if linked:
        await run(cypher.UNLINK[entity], {"tenant_id": tenant_id, "ids": linked})
    for (owner, kind), text in cypher.LINK.items():
        links = [{"id": n.id, "target": target} for n in fresh for edge, _, target in n.edges if edge == kind]
        if owner == entity and links:
            await run(text, {"tenant_id": tenant_id, "rows": links})
    return len(fresh)


def _distinct(groups: Iterable[Iterable[Any]]) -> list[Any]:
    return list(dict.fromkeys(item for group in groups for item in group))


def _turn(item: tuple[tuple[UUID, str], Any]) -> tuple[UUID, int]:
    (tenant_id, entity), _ = item
    return tenant_id, ENTITIES.index(entity)

"""Keeps the graph a projection of PostgreSQL: by events, by rebuild. Idempotent and insensitive to order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString, Self, cast
from uuid import UUID

from battcrm.events.catalogue import Envelope
from battcrm.graph import sync_statements as cypher
from battcrm.graph.projection import PROJECT, Projected
from battcrm.graph.schema import migrate
from battcrm.graph.stored import ENTITIES, Key, Stored
from battcrm.graph.sync_write import Remembered, Written, write_nodes
from battcrm.infra.neo4j import CONTENTION, Graph, Runner, Statement
from battcrm.kit.errors import Transient

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
_DEADLINE: Final = 15.0
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

    Every write is guarded by the row's version, so duplicates and late events change nothing. Rows of several tenants
    share a transaction, each under its own tenant. Writers take turns inside one Projector; between several of them
    the graph's transactions and the version guard decide.
    """

    def __init__(self, stored: Stored, graph: Graph, *, batch: int = 500) -> None:
        self._stored = stored
        self._graph = graph
        self._batch = batch
        self._turn = asyncio.Lock()
        self._remembered = Remembered()
        self._prepared = False

    async def apply(self, events: Sequence[EventRef]) -> int:
        """Project the rows these events name, as they are now. Returns nodes changed; raises Transient to be retried.

        Sees to the schema first: the server may have been away, or empty, when this process started.
        """
        if not self._prepared:
            await migrate(self._graph)
            self._prepared = True
        wanted: dict[str, dict[Key, None]] = {entity: {} for entity in ENTITIES}
        for event in events:
            for entity, own_id in event.rows():
                wanted[entity][event.tenant_id, own_id] = None
        changed = 0
        for entity in ENTITIES:
            changed += await self.refresh(entity, list(wanted[entity]))
        return changed

    async def refresh(self, entity: str, keys: Sequence[Key], *, force: bool = False) -> int:
        """Read rows again and project them; keys without a row are erased from the graph."""
        changed = 0
        for start in range(0, len(keys), self._batch):
            part = keys[start : start + self._batch]
            nodes = [PROJECT[entity](row) for row in await self._stored.by_id(entity, part)]
            changed += await self.write(entity, nodes, force=force)
            found = {node.id for node in nodes}
            await self.erase(entity, [(str(tenant), str(own)) for tenant, own in part if str(own) not in found])
        return changed

    async def rebuild(self, tenant_id: UUID, progress: Progress | None = None) -> int:
        """Project every row of a tenant in keyset pages, each its own transaction. Returns rows read."""
        total = 0
        for entity in ENTITIES:
            after: str | None = None
            done = 0
            while page := await self._stored.page(entity, tenant_id, after, self._batch):
                nodes = [PROJECT[entity](row) for row in page]
                await self.write(entity, nodes, force=True)
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

    async def write(self, entity: str, nodes: Sequence[Projected], *, force: bool = False) -> int:
        """Upsert nodes with their edges in one transaction. Returns how many were newer than the graph.

        Where writers meet at commit a long transaction may lose every time: then its halves are tried one by one.
        """
        if not nodes:
            return 0
        try:
            return await self._commit(entity, nodes, force=force)
        except Transient as error:
            if error.code != CONTENTION or len(nodes) == 1:
                raise
        half = len(nodes) // 2
        changed = await self.write(entity, nodes[:half], force=force)
        return changed + await self.write(entity, nodes[half:], force=force)

    async def _commit(self, entity: str, nodes: Sequence[Projected], *, force: bool) -> int:
        async def work(run: Runner) -> Written:
            return await write_nodes(run, entity, nodes, force=force, known=() if force else self._remembered)

        async with self._turn:
            written = cast("Written", await self._graph.transact(work, deadline=_DEADLINE, merges=True))
            self._remembered.add(written.made)
        return written.changed

    async def erase(self, entity: str, keys: Sequence[tuple[str, str]]) -> None:
        """Remove nodes (tenant, id) and their edges; a client takes the devices along."""
        await self._run(keys, cypher.ERASE[entity])

    async def distrust(self, entity: str, keys: Sequence[tuple[str, str]]) -> None:
        """Forget the versions of nodes, so that the next refresh writes them whatever they claimed."""
        await self._run(keys, cypher.RESET[entity])

    async def prune(self, tenant_id: UUID) -> None:
        """Remove devices, parts, models and brands that nothing points to any more."""
        parameters = {"tenant_id": str(tenant_id)}
        async with self._turn:
            self._remembered.clear()
            await self._graph.write([Statement(text, parameters) for text in cypher.PRUNE])

    async def _run(self, keys: Sequence[tuple[str, str]], text: LiteralString) -> None:
        rows = [{"tenant_id": tenant, "id": own} for tenant, own in keys]
        if rows:
            async with self._turn:
                await self._graph.write([Statement(text, {"rows": rows})])

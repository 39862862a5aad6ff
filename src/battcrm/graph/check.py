"""Does the graph hold what PostgreSQL holds? Every projected property and edge is compared, not only counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from battcrm.graph import sync_statements as cypher
from battcrm.graph.projection import PROJECT, Projected
from battcrm.graph.stored import ENTITIES, Stored
from battcrm.graph.sync import Projector
from battcrm.infra.neo4j import Graph

_PAGE: Final = 2000
_LAST: Final = "g"  # sorts after every hexadecimal id


@dataclass(slots=True)
class Drift:
    """One label of one tenant: rows stored, nodes in the graph, and the ids that differ."""

    label: str
    stored: int = 0
    in_graph: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    stored_checksum: int = 0
    graph_checksum: int = 0

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not (self.missing or self.different or self.extra)


class Checker:
    """Compares in keyset pages; rows changing meanwhile may show as drift once, a second run tells."""

    def __init__(self, stored: Stored, graph: Graph, projector: Projector) -> None:
        self._stored = stored
        self._graph = graph
        self._projector = projector

    async def check(self, tenant_id: UUID, *, repair: bool = False) -> list[Drift]:
        """The drift of each label as found; with `repair` it is mended afterwards."""
        found = [await self._label(entity, tenant_id) for entity in ENTITIES]
        if repair:
            for drift in found:
                await self._mend(tenant_id, drift)
            await self._projector.prune(tenant_id)
        return found

    async def _label(self, entity: str, tenant_id: UUID) -> Drift:
        drift = Drift(entity)
        after = ""
        while True:
            rows = await self._stored.page(entity, tenant_id, after or None, _PAGE)
            expected = {node.id: node for node in map(PROJECT[entity], rows)}
            upto = max(expected) if len(rows) == _PAGE else _LAST
            parameters = {"tenant_id": str(tenant_id), "after": after, "upto": upto}
            nodes = await self._graph.read(cypher.SCAN[entity], parameters, deadline=60.0)
            _compare(drift, expected, {row["id"]: row for row in nodes})
            if upto == _LAST:
                return drift
            after = upto

    async def _mend(self, tenant_id: UUID, drift: Drift) -> None:
        for start in range(0, len(drift.extra), _PAGE):
            extra = drift.extra[start : start + _PAGE]
            await self._projector.erase(drift.label, [(str(tenant_id), own) for own in extra])
        # A node whose version ran ahead, or that was tampered with, would win against the guard.
        for start in range(0, len(drift.different), _PAGE):
            different = drift.different[start : start + _PAGE]
            await self._projector.distrust(drift.label, [(str(tenant_id), own) for own in different])
        again = [(tenant_id, UUID(own)) for own in (*drift.missing, *drift.different)]
        await self._projector.refresh(drift.label, again, force=True)


def _compare(drift: Drift, expected: Mapping[str, Projected], nodes: Mapping[str, Any]) -> None:
    drift.stored += len(expected)
    drift.in_graph += len(nodes)
    for own_id, node in expected.items():
        digest = _digest(node.properties, [(kind, target) for kind, _, target in node.edges], 0)
        drift.stored_checksum ^= digest
        found = nodes.get(own_id)
        if found is None:
            drift.missing.append(own_id)
            continue
        # A row's version also moves with columns that are not projected: only a node that ran ahead is wrong.
        ahead = max(0, found["properties"].get("version", 0) - node.version)
        seen = _digest(found["properties"], [tuple(edge) for edge in found["edges"]], ahead)
        drift.graph_checksum ^= seen
        if seen != digest:
            drift.different.append(own_id)
    drift.extra += sorted(nodes.keys() - expected.keys())


def _digest(properties: Mapping[str, Any], edges: list[Any], ahead: int) -> int:
    bare = {name: value for name, value in properties.items() if name != "version"}
    body = orjson.dumps([bare, sorted(edges), ahead], option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(body, digest_size=8).digest(), "big")

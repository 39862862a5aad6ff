"""Versioned, idempotent migrations of the graph. The version lives in the graph itself."""

from __future__ import annotations

from typing import Final, LiteralString

from battcrm.graph.dialect import Dialect, detect
from battcrm.infra.neo4j import Graph, Statement
from battcrm.kit.errors import Invalid

# Append only: a published step never changes. Each statement is idempotent, so a step cut short is simply repeated.
MIGRATIONS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    (
        "CREATE CONSTRAINT client_key IF NOT EXISTS FOR (n:Client) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT device_key IF NOT EXISTS FOR (n:Device) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT brand_key IF NOT EXISTS FOR (n:Brand) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT model_key IF NOT EXISTS FOR (n:Model) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT appeal_key IF NOT EXISTS FOR (n:Appeal) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT repair_key IF NOT EXISTS FOR (n:Repair) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT part_key IF NOT EXISTS FOR (n:Part) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT price_key IF NOT EXISTS FOR (n:Price) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
        "CREATE CONSTRAINT schema_key IF NOT EXISTS FOR (n:GraphSchema) REQUIRE (n.tenant_id, n.id) IS UNIQUE",
    ),
    ("CREATE INDEX model_family IF NOT EXISTS FOR (n:Model) ON (n.tenant_id, n.brand, n.family)",),
)

_READ: Final = "MATCH (s:GraphSchema {tenant_id: $tenant_id, id: 'schema'}) RETURN s.version AS version"
_WRITE: Final = """
MERGE (s:GraphSchema {tenant_id: $tenant_id, id: 'schema'})
ON CREATE SET s.version = $version
ON MATCH SET s.version = CASE WHEN s.version < $version THEN $version ELSE s.version END
"""
_AWAIT: Final = "CALL db.awaitIndexes(60) /* all tenant_id */"
_NOBODY: Final = "-"


async def version(graph: Graph) -> int:
    """How many migrations the graph has; 0 for an empty server."""
    rows = await graph.read(_READ, {"tenant_id": _NOBODY})
    return int(rows[0]["version"]) if rows else 0


async def migrate(graph: Graph) -> Dialect:
    """Bring the graph to the newest schema; safe from several processes at once. Returns the server's dialect.

    Raises Invalid when the graph was written by a newer program, or the server is too old.
    """
    dialect = await detect(graph)
    have = await version(graph)
    if have > len(MIGRATIONS):
        raise Invalid(
            f"the graph has schema {have}, this program knows {len(MIGRATIONS)}",
            field="graph",
            remedy="upgrade the program, or empty the graph and run: battcrm graph rebuild",
        )
    for number in range(have, len(MIGRATIONS)):
        for text in MIGRATIONS[number]:
            await graph.schema(text)
        await graph.write([Statement(_WRITE, {"tenant_id": _NOBODY, "version": number + 1})])
    if dialect.awaits_indexes:
        await graph.schema(_AWAIT, deadline=90.0)
    return dialect

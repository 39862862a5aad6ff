"""The only place that knows which Bolt server answers: Neo4j or the embedded ArcadeDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from battcrm.infra.neo4j import Graph
from battcrm.kit.errors import Invalid

_MIN_NEO4J: Final = (5, 26)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs. `write_batch` is the number of rows of one writing transaction that the server digests best."""

    name: str
    version: str
    write_batch: int
    awaits_indexes: bool


async def detect(graph: Graph) -> Dialect:
    """Ask the server what it is. Raises Invalid for a Neo4j older than 5.26, Transient when it does not answer."""
    agent = await graph.agent()
    if "arcadedb" in agent.lower():
        # Optimistic concurrency: a smaller batch loses less work when two writers meet. Indexes are built at once.
        return Dialect("arcadedb", agent, write_batch=250, awaits_indexes=False)
    version = agent.partition("/")[2]
    if _numbers(version) < _MIN_NEO4J:
        raise Invalid(f"the graph server is {agent}", field="NEO4J_URL", remedy="use Neo4j 5.26 or newer")
    return Dialect("neo4j", version, write_batch=1000, awaits_indexes=True)


def _numbers(version: str) -> tuple[int, ...]:
    """Leading numbers of a version; an unreadable one counts as new, for names change and servers do not grow older."""
    parts = []
    for piece in version.split("."):
        digits = "".join(c for c in piece if c.isdigit())
        if not digits or not piece[:1].isdigit():
            break
        parts.append(int(digits))
    return tuple(parts) or _MIN_NEO4J

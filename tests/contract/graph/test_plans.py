"""No statement walks through a label: every way in is an index, on both servers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import neo4j
import pytest

from battcrm.graph import sync_statements as cypher
from battcrm.graph.dialect import detect
from battcrm.graph.statements import CONTEXT
from battcrm.infra.neo4j import Graph
from tests.support.graph import GraphServer

PARAMETERS: dict[str, Any] = {
    "tenant_id": "t", "client_id": "c", "brand": "b", "family": "f", "want_history": True, "want_shared": True,
    "history": 30, "entries": 500, "repairs": 150, "rows": [], "force": False, "after": "", "upto": "g",
}  # fmt: skip
WRITING = {
    **{f"upsert {name}": text for name, text in cypher.UPSERT.items()},
    **{f"unlink {name}": text for name, text in cypher.UNLINK.items()},
    **{f"link {owner} {kind}": text for (owner, kind), text in cypher.LINK.items()},
    **{f"erase {name}": text for name, text in cypher.ERASE.items()},
    **{f"reset {name}": text for name, text in cypher.RESET.items()},
    **{f"prune {number}": text for number, text in enumerate(cypher.PRUNE)},
    "models": cypher.MODELS,
    "devices": cypher.DEVICES,
    "parts": cypher.PARTS,
}
SCANS = {f"scan {name}": text for name, text in cypher.SCAN.items()}
_NODE = re.compile(r"\((\w+):(\w+) \{([^}]*)\}\)")


@pytest.fixture
async def session(graph: GraphServer, bolt: Graph) -> AsyncIterator[neo4j.AsyncSession]:
    async with (
        neo4j.AsyncGraphDatabase.driver(graph.url, auth=graph.auth) as driver,
        driver.session(database=graph.database) as opened,
    ):
        yield opened


async def explained(session: neo4j.AsyncSession, text: str) -> Any:
    result = await session.run("EXPLAIN " + text, PARAMETERS)
    return (await result.consume()).plan


def operators(plan: Any) -> Iterator[str]:
    yield plan["operatorType"]
    for child in plan.get("children", ()):
        yield from operators(child)


def accesses(text: str) -> set[str]:
    """Each node a statement starts from or looks up, as a statement of its own: ArcadeDB explains no more than that."""
    found = set()
    for name, label, keys in _NODE.findall(text):
        values = ", ".join(f"{key.split(':')[0].strip()}: '-'" for key in keys.split(","))
        found.add(f"MATCH ({name}:{label} {{{values}}}) RETURN {name}.id AS id")
    return found


async def test_every_statement_starts_from_an_index(session: neo4j.AsyncSession, bolt: Graph) -> None:
    texts = {"context": CONTEXT} | WRITING | SCANS
    if (await detect(bolt)).name == "neo4j":
        for name, text in texts.items():
            used = [kind.partition("@")[0] for kind in operators(await explained(session, text))]
            assert not {kind for kind in used if kind in ("AllNodesScan", "NodeByLabelScan")}, f"{name}: {used}"
            assert any("IndexSeek" in kind for kind in used), f"{name}: {used}"
        return
    ways = sorted({way for text in texts.values() for way in accesses(text)})
    assert len(ways) > 10
    for way in ways:
        plan = (await explained(session, way))["args"]["string-representation"]
        assert "NodeIndexSeek" in plan, f"{way}: {plan}"


async def test_a_label_without_an_index_would_be_noticed(session: neo4j.AsyncSession, bolt: Graph) -> None:
    plan = await explained(session, "MATCH (n:Appeal {number: 7}) RETURN n.id AS id")
    if (await detect(bolt)).name == "neo4j":
        assert "NodeByLabelScan" in {kind.partition("@")[0] for kind in operators(plan)}
    else:
        assert "NodeIndexSeek" not in plan["args"]["string-representation"]

"""One transaction of the projection: nodes, what they point at, their edges. Few statements, few looks at hubs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from battcrm.graph import sync_statements as cypher
from battcrm.graph.projection import Projected, device_row, model_row, part_row
from battcrm.infra.neo4j import Runner

Made = tuple[str, ...]
_REMEMBERED: Final = 50_000


class Remembered:
    """Models and parts this process has put into the graph. Bounded; a wrong memory is noticed and costs one repeat."""

    def __init__(self, maximum: int = _REMEMBERED) -> None:
        self._made: OrderedDict[Made, None] = OrderedDict()
        self._maximum = maximum

    def __contains__(self, made: object) -> bool:
        return made in self._made

    def add(self, made: Iterable[Made]) -> None:
        """After the transaction that made them was committed."""
        for item in made:
            self._made[item] = None
        while len(self._made) > self._maximum:
            self._made.popitem(last=False)

    def clear(self) -> None:
        """Something was removed."""
        self._made.clear()


@dataclass(frozen=True, slots=True)
class Written:
    """Nodes that were newer than the graph, and models and parts that are there now."""

    changed: int
    made: tuple[Made, ...] = ()


async def write_nodes(
    run: Runner, entity: str, nodes: Sequence[Projected], *, force: bool, known: Container[Made]
) -> Written:
    """Upsert nodes of one entity, of any tenants, each at most once. What is not newer is left alone (unless `force`);
    edges are made anew only where they changed."""
    rows = [
        {"tenant_id": n.tenant_id, "id": n.id, "version": n.version, "properties": dict(n.properties)} for n in nodes
    ]
    answers = await run(cypher.UPSERT[entity], {"rows": rows, "force": force})
    before: dict[str, Mapping[str, Any]] = {answer["id"]: answer for answer in answers}
    moved = [n for n in nodes if n.id in before and (force or before[n.id]["links"] != n.properties["links"])]
    if not moved:
        return Written(len(before))
    made = await _derive(run, moved, known)
    await _unlink(run, entity, [n for n in moved if before[n.id]["known"] is not None])
    if not await _link(run, entity, moved):
        # What was believed to be there has been pruned since.
        await _unlink(run, entity, moved)
        made = await _derive(run, moved, ())
        await _link(run, entity, moved)
    return Written(len(before), made)


async def _derive(run: Runner, nodes: Sequence[Projected], known: Container[Made]) -> tuple[Made, ...]:
    """Models, devices and parts of the nodes. Returns the models and parts that were made sure of."""
    models = _distinct((n.tenant_id, *model) for n in nodes for model in n.models)
    parts = _distinct((n.tenant_id, *part) for n in nodes for part in n.parts)
    new_models = [item for item in models if item not in known]
    new_parts = [item for item in parts if item not in known]
    devices = _distinct((n.tenant_id, *device) for n in nodes for device in n.devices)
    for text, values in (
        (cypher.MODELS, [model_row(*item) for item in new_models]),
        (cypher.DEVICES, [device_row(*item) for item in devices]),
        (cypher.PARTS, [part_row(*item) for item in new_parts]),
    ):
        if values:
            await run(text, {"rows": values})
    return (*new_models, *new_parts)


async def _unlink(run: Runner, entity: str, nodes: Sequence[Projected]) -> None:
    if nodes:
        await run(cypher.UNLINK[entity], {"rows": [{"tenant_id": n.tenant_id, "id": n.id} for n in nodes]})


async def _link(run: Runner, entity: str, nodes: Sequence[Projected]) -> bool:
    """Make the edges. False when a target was not there."""
    complete = True
    for (owner, kind), text in cypher.LINK.items():
        if owner != entity:
            continue
        rows = [
            {"tenant_id": n.tenant_id, "id": n.id, "target": target}
            for n in nodes
            for edge, _, target in n.edges
            if edge == kind
        ]
        if rows:
            answer = await run(text, {"rows": rows})
            complete = complete and answer[0]["done"] == len(rows)
    return complete


def _distinct(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))

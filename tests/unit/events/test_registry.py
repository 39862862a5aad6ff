from __future__ import annotations

from collections.abc import Sequence

import pytest

from battcrm.events.catalogue import ClientCreated, Envelope, PriceChanged
from battcrm.events.registry import HandlerRegistry, Kind
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import Invalid


async def inside(connection: Connection, events: Sequence[Envelope]) -> None: ...


async def outside(events: Sequence[Envelope]) -> None: ...


def test_layers_register_by_class_or_by_name() -> None:
    registry = HandlerRegistry()
    registry.transactional("one", [ClientCreated, "appeal.created"], inside)
    registry.external("two", [PriceChanged], outside)
    one, two = registry
    assert (one.name, one.types, one.kind) == (
        "one",
        frozenset({"client.created", "appeal.created"}),
        Kind.TRANSACTIONAL,
    )
    assert (two.kind, two.handler) == (Kind.EXTERNAL, outside)
    assert len(registry) == 2


@pytest.mark.parametrize(
    ("name", "types", "field"),
    [
        ("taken", [ClientCreated], "name"),
        ("Bad Name", [ClientCreated], "name"),
        ("", [ClientCreated], "name"),
        ("fine", ["client.exploded"], "types"),
        ("fine", [], "types"),
    ],
)
def test_what_cannot_work_is_refused_at_once(name: str, types: list[str], field: str) -> None:
    registry = HandlerRegistry()
    registry.external("taken", [ClientCreated], outside)
    with pytest.raises(Invalid) as refused:
        registry.external(name, types, outside)
    assert refused.value.field == field
    assert refused.value.remedy

"""Events make a process's cache stale, whoever wrote them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from battcrm.events.bus import Packed
from battcrm.graph.follow import forget


class Reader:
    def __init__(self) -> None:
        self.forgotten: list[tuple[Any, ...]] = []

    def forget(self, *what: Any) -> None:
        self.forgotten.append(what)


def test_events_are_gathered_by_tenant_and_unreadable_ones_passed_over() -> None:
    tenant, first, second = UUID(int=1), UUID(int=2), UUID(int=3)

    def packed(kind: str, client: UUID) -> Packed:
        return Packed(kind, orjson.dumps({"t": str(tenant), "d": {"client_id": str(client)}}))

    reader: Any = Reader()
    junk = [Packed("client.updated", body) for body in (b"{not ours", b"{}", b"[]")]
    forget(reader, [junk[0], packed("client.updated", first), *junk[1:], packed("repair.recorded", second)])
    ((types, of, clients),) = reader.forgotten
    assert types == {"client.updated", "repair.recorded"}
    assert (of, set(clients)) == (tenant, {first, second})

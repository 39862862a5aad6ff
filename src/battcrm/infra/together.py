"""Several writes in one round trip."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, Protocol

_PARAMETER: Final = re.compile(r"\$(\d+)")


class Executes(Protocol):
    """What a writing function needs: a connection, or `Together`."""

    async def execute(self, query: str, *arguments: Any) -> Any:
        """Run, or take in, one statement."""
        ...


class Together:
    """Statements that touch different rows, gathered and sent as one: each alone costs a round trip.

    They share one snapshot: none sees what another writes, so no row is written by two of them, and locks are taken
    before. The order in which they run is not defined; constraints are checked when all have run. Which statements are
    gathered should vary little: each choice is planned once.
    """

    def __init__(self) -> None:
        self._queries: list[str] = []
        self._arguments: list[Any] = []
        self._counts: list[int] = []

    async def execute(self, query: str, *arguments: Any) -> None:
        """Take a statement in. Nothing is sent yet."""
        self._queries.append(query)
        self._counts.append(len(arguments))
        self._arguments += arguments

    async def send(self, connection: Executes) -> None:
        """Run what was gathered, in the connection's transaction."""
        if self._queries:
            await connection.execute(_joined(tuple(self._queries), tuple(self._counts)), *self._arguments)


@lru_cache(maxsize=256)
def _joined(queries: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """One statement of constant texts: each a common table expression with its parameters numbered on."""
    parts, offset = [], 0
    for number, (query, count) in enumerate(zip(queries, counts, strict=True)):
        parts.append("w" + str(number) + " AS (" + _shifted(query, offset) + ")")
        offset += count
    return "WITH " + ", ".join(parts) + " SELECT 1 /* tenant_id: in each part */"


def _shifted(query: str, offset: int) -> str:
    return _PARAMETER.sub(lambda found: "$" + str(int(found[1]) + offset), query)

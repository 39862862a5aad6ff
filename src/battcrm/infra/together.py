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


class Fetches(Protocol):
    """What sends the gathered statements: a connection, or a pool."""

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Run one statement; its rows."""
        ...


class Together:
    """Statements that touch different rows, gathered and sent as one: each alone costs a round trip.

    They share one snapshot: none sees what another writes, so no row is written by two of them. The order in which they
    run is not defined, but for one that reads what a part with a `name` returned: so the new values of a row travel, and
    so locks are taken in their order. Constraints are checked when all have run. Which statements are gathered should
    vary little: each choice is planned once.
    """

    def __init__(self) -> None:
        self._queries: list[str] = []
        self._arguments: list[Any] = []
        self._counts: list[int] = []
        self._names: list[str] = []

    async def execute(self, query: str, *arguments: Any) -> None:
        """Take a statement in. Nothing is sent yet."""
        self.part("w" + str(len(self._names)), query, *arguments)

    def part(self, name: str, query: str, *arguments: Any) -> None:
        """Take in a statement whose returned rows later ones may read as the table `name`."""
        self._names.append(name)
        self._queries.append(query)
        self._counts.append(len(arguments))
        self._arguments += arguments

    async def send(self, connection: Fetches, result: str = "SELECT 1 /* tenant_id: in each part */") -> list[Any]:
        """Run what was gathered; the rows of `result`, which may read the parts with names."""
        if not self._queries:
            return []
        query = _joined(tuple(self._names), tuple(self._queries), tuple(self._counts), result)
        return await connection.fetch(query, *self._arguments)


@lru_cache(maxsize=256)
def _joined(names: tuple[str, ...], queries: tuple[str, ...], counts: tuple[int, ...], result: str) -> str:
    """One statement of constant texts: each a common table expression with its parameters numbered on."""
    parts, offset = [], 0
    for name, query, count in zip(names, queries, counts, strict=True):
        parts.append(name + " AS (" + _shifted(query, offset) + ")")
        offset += count
    return "WITH " + ", ".join(parts) + " " + result


def _shifted(query: str, offset: int) -> str:
    return _PARAMETER.sub(lambda found: "$" + str(int(found[1]) + offset), query)

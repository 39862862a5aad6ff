"""Writes that nobody waits for are tried again while the database is away, and end with the process."""

from __future__ import annotations

import asyncio

from battcrm.infra.llm.later import Later
from battcrm.kit.clock import ManualClock
from tests.support.waiting import eventually


class Table:
    """Fails as told, then keeps what is written."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0
        self.rows = 0

    async def write(self) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop()
        self.rows += 1


async def played(table: Table) -> None:
    clock = ManualClock()
    later = Later(clock)
    later.post(table.write, "row")
    done = asyncio.ensure_future(later.drain())
    while not done.done():
        await eventually(lambda: done.done() or bool(clock._sleepers))
        clock.advance(60)
    await done


async def test_database_that_is_away_for_a_moment_loses_nothing() -> None:
    table = Table(*[ConnectionResetError()] * 3)
    await played(table)
    assert (table.rows, table.tries) == (1, 4)


async def test_database_that_stays_away_is_given_up() -> None:
    table = Table(*[ConnectionResetError()] * 30)
    await played(table)
    assert (table.rows, table.tries) == (0, 4)


async def test_row_that_cannot_be_written_is_not_tried_again() -> None:
    table = Table(ValueError())
    await played(table)
    assert (table.rows, table.tries) == (0, 1)

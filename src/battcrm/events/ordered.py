"""Keyset pages that stay cheap whatever the statistics say."""

from __future__ import annotations

from typing import Any, Final

from battcrm.infra.postgres import Pool

# The outbox is empty for weeks and holds millions of rows after an hour without Redis, sooner than it is analysed.
# Planned for a few rows, each page would sort the whole backlog; the order of the index is right for both.
_BY_INDEX: Final = """
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off /* all tenants: how to plan */
"""


async def fetch_by_index(pool: Pool, query: str, *arguments: Any) -> list[Any]:
    """The rows of a query that asks for the order of an index and has a limit; a transaction of its own."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_BY_INDEX)
        return list(await connection.fetch(query, *arguments))

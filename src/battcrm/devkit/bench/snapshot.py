"""A transaction that somebody forgot: it holds an old snapshot, and nothing that died since can be cleaned away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from battcrm.infra.postgres import Pool

_READ: Final = "SELECT count(*) FROM tenant WHERE tenant_id IS NOT NULL"
# The servers end sessions that idle in a transaction; this one is a careless tool's, which has switched that off.
_STAY: Final = "SET LOCAL idle_in_transaction_session_timeout = 0 /* all tenants: this session alone */"


@asynccontextmanager
async def held(pool: Pool) -> AsyncIterator[None]:
    """Hold a snapshot until the end."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.execute(_STAY)
        await connection.fetchval(_READ)
        yield

"""The pool of the hot path: asyncpg with JSON as values, prepared statements, and the database's clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from battcrm.infra.pool import Connection as Connection  # noqa: PLC0414 - part of the face of this module
from battcrm.infra.pool import Pool as Pool  # noqa: PLC0414 - as above
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError, Transient
from battcrm.kit.text import dumps

# What a statement may meet when the server goes away, restarts or refuses more connections.
UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    # A server that stops says so and closes: a statement between the two finds the driver half-way through the news.
    asyncpg.InternalClientError,
)

# The connection lives: the statement lost a race or was refused for want of room.
_ANSWERED: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
)


def is_cut(error: BaseException) -> bool:
    """Did no answer come, so that nobody can say whether the statement took effect?"""
    return isinstance(error, UNAVAILABLE) and not isinstance(error, _ANSWERED)


# Statements of the hot path find rows by key, whatever statistics say: tables here are empty for weeks or grow by
# millions of rows sooner than they are analysed. One plan, made once, is then the right one. The server's own choice was
# to plan anew for each execution: a plan for the arrays at hand always looked cheaper than one for any arrays.
_KEYED: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


async def open_pool(
    url: str,
    *,
    maximum: int = 10,
    minimum: int = 1,
    name: str = "battcrm",
    keyed: bool = False,
    patience: float = 30.0,
) -> Pool:
    """Open a pool. `url` may be any libpq URL; `application_name` tells the processes apart in pg_stat_activity.

    `keyed` is for roles, whose statements all look rows up by key: each is planned once, for index scans. A statement
    that takes more than `patience` seconds is given up, a connection attempt after twice as many.
    """
    driver = await asyncpg.create_pool(
        re.sub(r"^postgresql\+\w+://", "postgresql://", url),
        min_size=minimum,
        max_size=maximum,
        max_inactive_connection_lifetime=0,
        timeout=2 * patience,
        command_timeout=patience,
        init=_prepare,
        reset=_nothing_to_reset,
        server_settings={
            "application_name": name,
            "jit": "off",
            "timezone": "UTC",
            # A transaction that somebody forgot must not hold back vacuum and everybody's locks for ever (PROTOCOL I).
            "idle_in_transaction_session_timeout": f"{2 * patience:g}s",
            # Connections are kept for good: the server looks after those that a firewall might forget.
            "tcp_keepalives_idle": "60",
            **(_KEYED if keyed else {}),
        },
    )
    return Pool(driver, maximum)


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("jsonb", "json"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=_encode, decoder=orjson.loads)


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """We set nothing on a session that outlives a transaction, so no statement is spent on undoing it.

    The driver itself has rolled back what was left open before it asks.
    """


def _encode(value: Any) -> str:
    return dumps(value).decode()


async def follow_database_clock(clock: SystemClock, pool: Pool) -> float:
    """Anchor the clock to the server's (PROTOCOL G). Returns the correction in seconds."""

    async def read() -> datetime:
        value: datetime = await pool.fetchval("SELECT clock_timestamp() /* all tenants: the clock itself */")
        return value

    return await clock.follow(read)


def unavailable(error: BaseException) -> BattError:
    """The error tree's word for a database that is away."""
    return Transient(f"the database is not available: {type(error).__name__}", code="database", retry_after=1.0)


def columns(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """Turn rows into the column arrays that an `unnest` insert takes; `width` arrays even for no rows."""
    return tuple(list(column) for column in zip(*rows, strict=True)) if rows else tuple([] for _ in range(width))


def as_tenant(tenant_id: UUID) -> tuple[str, str]:
    """Statement and argument that put a transaction of the API role under one tenant's row policies."""
    return "SELECT set_config('app.tenant_id', $1, true) /* tenant_id */", str(tenant_id)

"""Time partitions by the moment inside a UUIDv7: made ahead, detached and dropped by age."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import structlog

from battcrm.infra.postgres import Connection, Pool
from battcrm.kit.ids import uuid7_floor

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A partitioned table: `step` is day or month, `keep_days` None = for ever."""

    table: str
    step: str
    keep_days: int | None
    ahead: int = 3


TABLES: Final = (
    Partitioned("message", "month", None),
    Partitioned("message_raw", "day", 14),
    Partitioned("outbox", "day", 14),
    Partitioned("processed", "day", 30),
    Partitioned("llm_call", "month", None),
)

_EXISTING: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relname = $1 /* all tenants: partitions are shared */
"""


# How large a sample ANALYZE takes (migration 0011): a new partition does not take this over by itself.
_SAMPLES: Final = """
SELECT quote_ident(a.attname), a.attstattarget FROM pg_attribute a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
/* all tenants: the catalogue */
"""


def periods(step: str, start: datetime, count: int) -> Iterator[tuple[str, datetime, datetime]]:
    """(suffix, from, to) of `count` periods beginning with the one that holds `start`."""
    current = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if step == "month":
        current = current.replace(day=1)
    for _ in range(count):
        if step == "month":
            following = (current + timedelta(days=32)).replace(day=1)
            yield f"_p{current:%Y%m}", current, following
        else:
            following = current + timedelta(days=1)
            yield f"_p{current:%Y%m%d}", current, following
        current = following


async def maintain(pool: Pool, now: datetime) -> list[str]:
    """Make the partitions of the coming periods and drop those past their age. Returns what was done."""
    done: list[str] = []
    async with pool.acquire() as connection:
        for spec in TABLES:
            done += await _create(connection, spec, now)
            done += await _drop(connection, spec, now)
    return done


async def _create(connection: Connection, spec: Partitioned, now: datetime) -> list[str]:
    existing = {row[0] for row in await connection.fetch(_EXISTING, spec.table)}
    columns = await connection.fetch(_SAMPLES, spec.table)
    samples = ", ".join(f"ALTER COLUMN {column} SET STATISTICS {target}" for column, target in columns)
    made = []
    for suffix, start, end in periods(spec.step, now, spec.ahead):
        name = spec.table + suffix
        if name in existing:
            continue
        ddl = (
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {spec.table} "
            f"FOR VALUES FROM ('{uuid7_floor(start)}') TO ('{uuid7_floor(end)}')"
        )
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s' /* all tenants: DDL */")
                await connection.execute(ddl)
                await connection.execute(f"ALTER TABLE {name} {samples}")
        except Exception as error:  # noqa: BLE001 - rows then go to the default partition and nothing is lost
            log.warning("partition.not_made", partition=name, error=type(error).__name__)
            continue
        made.append(f"+{name}")
    return made


async def _drop(connection: Connection, spec: Partitioned, now: datetime) -> list[str]:
    if spec.keep_days is None:
        return []
    border = f"{now - timedelta(days=spec.keep_days):%Y%m%d}"
    dropped = []
    for row in await connection.fetch(_EXISTING, spec.table):
        found = re.search(r"_p(\d{8})$", row[0])
        if found and found.group(1) < border and await _detach(connection, spec.table, row[0]):
            dropped.append(f"-{row[0]}")
    return dropped


async def _detach(connection: Connection, table: str, name: str) -> bool:
    """Detach and drop a partition. Whoever still reads it is waited for two seconds and no longer: behind our waiting
    lock everybody else would wait too. The next hour tries again.
    """
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '2s' /* all tenants: DDL */")
            await connection.execute(f"ALTER TABLE {table} DETACH PARTITION {name}")
            await connection.execute(f"DROP TABLE {name}")
    except (asyncpg.LockNotAvailableError, asyncpg.UndefinedTableError, asyncpg.DeadlockDetectedError) as error:
        log.warning("partition.not_dropped", partition=name, error=type(error).__name__)
        return False
    return True

"""`battcrm migrate`: bring the database to the newest schema and make the coming partitions."""

from __future__ import annotations

import asyncio

import typer

from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.reach import reach
from battcrm.kit.clock import SystemClock
from battcrm.settings import load_settings
from battcrm.workers.runtime import locate


def migrate() -> None:
    """Migrate; safe to run from several machines at once."""
    asyncio.run(_migrate())
    typer.echo("the schema is current")


async def _migrate() -> None:
    endpoints = await locate(load_settings())
    await prepare(endpoints.owner_url)


async def prepare(owner_url: str) -> None:
    """Schema and partitions of a database. Invalid when it cannot be reached."""
    pool = await reach(owner_url, maximum=1, name="battcrm-migrate")
    try:
        await upgrade(owner_url)
        await maintain(pool, SystemClock().now())
    finally:
        await pool.close()

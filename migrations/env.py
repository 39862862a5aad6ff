"""Alembic environment: run by battcrm.infra.migrate and by the `alembic` command with DATABASE_URL."""

import asyncio
import os
import re

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from battcrm.models.tables import Base

PARTITION = re.compile(r"_p\d{6,8}$|_default$")


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Partitions are made by maintenance, not by migrations."""
    return not (type_ == "table" and name and (PARTITION.search(name) or name == "alembic_version"))


def run(connection: Connection) -> None:
    """Run with a lock time-out: a migration waits at most 5 s for any table."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_server_default=False,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT set_config('lock_timeout', '5s', true)"))
        context.run_migrations()


async def main() -> None:
    """Connect by URL and run."""
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]
    engine = create_async_engine(re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(main())

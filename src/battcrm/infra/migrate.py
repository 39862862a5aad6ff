"""Bring a database to the newest schema."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_HERE = Path(__file__).resolve()
_ADVISORY_KEY = 7_201_552_077


def script_location() -> Path:
    """Folder of the migrations: beside src/ in a checkout, inside the package in a wheel."""
    packaged = _HERE.parents[1] / "_migrations"
    return packaged if packaged.is_dir() else _HERE.parents[3] / "migrations"


def alembic_config(url: str) -> Config:
    """Alembic configuration for a database URL."""
    config = Config()
    config.set_main_option("script_location", str(script_location()))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate to `revision`. Safe to call from several processes at once: one works, the others wait."""
    engine = create_async_engine(re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_KEY})")
            await connection.commit()
            config = alembic_config(url)
            await asyncio.to_thread(command.upgrade, config, revision)
    finally:
        await engine.dispose()

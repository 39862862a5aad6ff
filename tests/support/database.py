"""Databases for tests: migrations run once per run into a template, each worker gets a copy."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.servers import exclusive, run_async
from tests.support.waiting import PATIENCE

_TEMPLATE = "battcrm_template"
_QUOTE_CREATE = "SELECT format('CREATE DATABASE %I', $1::text)"
_QUOTE_COPY = "SELECT format('CREATE DATABASE %I TEMPLATE %I', $1::text, $2::text)"
_QUOTE_DROP = "SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1::text)"
_WIPER = """
CREATE SCHEMA test_support;
CREATE TABLE test_support.kept AS
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = 'public' AND pg_relation_size(c.oid) > 0;
CREATE FUNCTION test_support.wipe() RETURNS void LANGUAGE plpgsql AS $$
DECLARE filled text;
BEGIN
    SELECT string_agg(c.oid::regclass::text, ', ') INTO filled
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'test_support')
      AND c.oid NOT IN (SELECT oid FROM test_support.kept) AND pg_relation_size(c.oid) > 0;
    IF filled IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || filled || ' RESTART IDENTITY CASCADE';
    END IF;
END $$;
"""


def with_database(url: str, name: str) -> str:
    """The URL with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def migrated_database(owner_url: str, name: str, folder: Path) -> str:
    """A new database `name` with the newest schema, what migrations inserted, and nothing else. Its owner's URL."""
    with exclusive(folder / "template.lock"):
        done = folder / "template.done"
        if not done.exists():
            run_async(_statement(owner_url, _QUOTE_DROP, _TEMPLATE))
            run_async(_statement(owner_url, _QUOTE_CREATE, _TEMPLATE))
            run_async(_migrate(with_database(owner_url, _TEMPLATE)))
            done.touch()
        run_async(_statement(owner_url, _QUOTE_COPY, name, _TEMPLATE))
    return with_database(owner_url, name)


async def wipe(url: str) -> None:
    """Empty every table but those that migrations filled. Fails when an earlier test left a transaction open."""
    connection = await asyncpg.connect(
        url, ssl=False, timeout=PATIENCE, server_settings={"lock_timeout": f"{PATIENCE:g}s"}
    )
    try:
        await connection.execute("SELECT test_support.wipe()")
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    from battcrm.infra.migrate import upgrade  # Alembic takes a second, and most tests need no database

    await upgrade(url)
    connection = await asyncpg.connect(url, ssl=False, timeout=PATIENCE)
    try:
        await connection.execute(_WIPER)
    finally:
        await connection.close()


async def _statement(url: str, quote: str, *names: str) -> None:
    connection = await asyncpg.connect(url, ssl=False, timeout=PATIENCE)
    try:
        await connection.execute(await connection.fetchval(quote, *names))
    finally:
        await connection.close()

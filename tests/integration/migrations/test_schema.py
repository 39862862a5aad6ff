"""The migrations make what the tables say, go back and forth, and leave no tenant table unguarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from battcrm.infra.migrate import alembic_config
from battcrm.infra.postgres import as_tenant
from tests.support.database import with_database
from tests.support.servers import Servers

_TENANT_TABLES = """
SELECT c.relname, c.relrowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
_POLICIES = "SELECT tablename, policyname, roles::text[], qual, with_check FROM pg_policies WHERE schemaname = 'public'"


@pytest.fixture
async def own_database(servers: Servers, worker: str) -> AsyncIterator[str]:
    """An empty database of this test alone, as its owner."""
    name = f"migrations_{worker}_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(servers.postgres_url, ssl=False)
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        yield with_database(servers.postgres_url, name)
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


async def _alembic(url: str, step: Callable[[Config], object]) -> None:
    await asyncio.to_thread(step, alembic_config(url))


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        return {row[0] for row in rows} - {"alembic_version"}
    finally:
        await connection.close()


async def test_up_down_up(own_database: str) -> None:
    await _alembic(own_database, lambda config: command.upgrade(config, "head"))
    first = await _tables(own_database)
    assert "inbox" in first
    await _alembic(own_database, lambda config: command.downgrade(config, "base"))
    assert await _tables(own_database) == set()
    await _alembic(own_database, lambda config: command.upgrade(config, "head"))
    assert await _tables(own_database) == first


async def test_tables_and_migrations_agree(own_database: str) -> None:
    await _alembic(own_database, lambda config: command.upgrade(config, "head"))
    await _alembic(own_database, command.check)


async def test_drift_is_found(own_database: str) -> None:
    await _alembic(own_database, lambda config: command.upgrade(config, "head"))
    connection = await asyncpg.connect(own_database, ssl=False)
    try:
        await connection.execute("ALTER TABLE dialog DROP COLUMN version")
    finally:
        await connection.close()
    with pytest.raises(CommandError, match="version"):
        await _alembic(own_database, command.check)


async def test_every_tenant_table_is_guarded(pg_url: str) -> None:
    connection = await asyncpg.connect(pg_url, ssl=False)
    try:
        tables = await connection.fetch(_TENANT_TABLES)
        policies = await connection.fetch(_POLICIES)
    finally:
        await connection.close()
    assert len(tables) > 20
    assert [name for name, guarded in tables if not guarded] == []
    for role in ("battcrm_worker", "battcrm_api"):
        covered = {p["tablename"] for p in policies if role in p["roles"] and p["qual"] and p["with_check"]}
        assert {name for name, _ in tables} - covered == set()
    for policy in policies:
        if "battcrm_api" in policy["roles"]:
            assert "app.tenant_id" in policy["qual"], policy["tablename"]
            assert "app.tenant_id" in policy["with_check"], policy["tablename"]


@pytest.fixture
async def two_tenants(clean_database: str) -> tuple[UUID, UUID]:
    """Two shops with one client each."""
    tenants = (uuid4(), uuid4())
    connection = await asyncpg.connect(clean_database, ssl=False)
    try:
        for number, tenant in enumerate(tenants):
            await connection.execute(_TENANT, tenant, f"shop-{number}")
            await connection.execute(_CLIENT, tenant, uuid4())
    finally:
        await connection.close()
    return tenants


_TENANT = """
INSERT INTO tenant (tenant_id, slug, name, bucket, created_at)
VALUES ($1, $2::text, $2::text, 0, '2026-01-01T00:00:00Z')
"""
_CLIENT = """
INSERT INTO client (tenant_id, client_id, created_at) VALUES ($1, $2, '2026-01-01T00:00:00Z')
"""


async def test_the_api_role_sees_only_its_tenant(two_tenants: tuple[UUID, UUID], pg_api_url: str) -> None:
    mine, other = two_tenants
    connection = await asyncpg.connect(pg_api_url, ssl=False)
    try:
        assert await connection.fetchval("SELECT count(*) FROM client") == 0, "no tenant chosen, nothing seen"
        async with connection.transaction():
            statement, argument = as_tenant(mine)
            await connection.execute(statement, argument)
            assert {row[0] for row in await connection.fetch("SELECT tenant_id FROM client")} == {mine}
            reached = await connection.execute("UPDATE client SET created_at = created_at WHERE tenant_id = $1", other)
            assert reached == "UPDATE 0"
            assert await connection.execute("DELETE FROM client WHERE tenant_id = $1", other) == "DELETE 0"
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with connection.transaction():
                    await connection.execute(_CLIENT, other, uuid4())
            await connection.execute(_CLIENT, mine, uuid4())
            assert await connection.fetchval("SELECT count(*) FROM client") == 2
        assert await connection.fetchval("SELECT count(*) FROM client") == 0, "the choice ends with the transaction"
    finally:
        await connection.close()

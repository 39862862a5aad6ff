"""The fixtures give each worker servers of its own, empty."""

from __future__ import annotations

import socket

import asyncpg
import neo4j
import pytest
import pytest_socket
from redis.asyncio import Redis

from tests.support.graph import GraphServer


@pytest.mark.parametrize("turn", [1, 2])
async def test_database_is_migrated_and_empty_each_time(clean_database: str, turn: int) -> None:
    connection = await asyncpg.connect(clean_database, ssl=False)
    try:
        assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
        await connection.execute("CREATE TABLE IF NOT EXISTS fixture_probe (n int)")
        assert await connection.fetchval("SELECT count(*) FROM fixture_probe") == 0
        await connection.execute("INSERT INTO fixture_probe VALUES ($1)", turn)
    finally:
        await connection.close()


async def test_restricted_roles_may_connect(pg_worker_url: str, pg_api_url: str) -> None:
    for url in (pg_worker_url, pg_api_url):
        connection = await asyncpg.connect(url, ssl=False)
        try:
            bypasses = "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user"
            assert await connection.fetchval(bypasses) is False
        finally:
            await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_redis_is_empty_each_time(redis_url: str, turn: int) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("turn", turn)


@pytest.mark.parametrize("turn", [1, 2])
async def test_graph_is_empty_each_time(graph: GraphServer, turn: int) -> None:
    async with neo4j.AsyncGraphDatabase.driver(graph.url, auth=graph.auth) as driver:
        found = await driver.execute_query("MATCH (n) RETURN count(n) AS n", database_=graph.database)
        assert found.records[0]["n"] == 0
        await driver.execute_query("CREATE (:Probe {turn: $turn})", turn=turn, database_=graph.database)


def test_other_hosts_are_out_of_reach() -> None:
    with (
        pytest.raises((pytest_socket.SocketConnectBlockedError, UserWarning), match=r"192\.0\.2\.1"),
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe,
    ):
        probe.connect(("192.0.2.1", 80))

"""Statements gathered into one have the effects they would have had singly."""

from __future__ import annotations

import asyncpg
import pytest

from battcrm.infra.together import Together

_MAKE = """
CREATE TEMP TABLE left_side (tenant_id int PRIMARY KEY, word text);
CREATE TEMP TABLE right_side (tenant_id int PRIMARY KEY, at timestamptz);
INSERT INTO right_side VALUES (5, NULL)
"""


async def test_parameters_of_each_statement_stay_its_own(pg_url: str) -> None:
    connection = await asyncpg.connect(pg_url)
    try:
        await connection.execute(_MAKE)
        writes = Together()
        await writes.execute(
            "INSERT INTO left_side (tenant_id, word) SELECT n, $2 FROM unnest($1::int[]) AS n", [1, 2], "слово $1"
        )
        await writes.execute("UPDATE right_side SET at = to_timestamp($2) WHERE tenant_id = $1", 5, 60.0)
        await writes.execute("INSERT INTO right_side (tenant_id) SELECT n FROM unnest($1::int[]) AS n", [])
        await writes.send(connection)
        left = await connection.fetch("SELECT tenant_id, word FROM left_side ORDER BY tenant_id")
        assert [tuple(row) for row in left] == [(1, "слово $1"), (2, "слово $1")]
        right = await connection.fetch("SELECT tenant_id, extract(epoch FROM at)::int FROM right_side")
        assert [tuple(row) for row in right] == [(5, 60)]
    finally:
        await connection.close()


async def test_one_that_fails_takes_the_others_back(pg_url: str) -> None:
    connection = await asyncpg.connect(pg_url)
    try:
        await connection.execute(_MAKE)
        writes = Together()
        await writes.execute("INSERT INTO left_side (tenant_id) VALUES ($1)", 1)
        await writes.execute("INSERT INTO right_side (tenant_id) VALUES ($1)", 5)
        with pytest.raises(asyncpg.UniqueViolationError):
            await writes.send(connection)
        assert await connection.fetchval("SELECT count(*) FROM left_side WHERE tenant_id = 1") == 0
    finally:
        await connection.close()


async def test_nothing_gathered_sends_nothing() -> None:
    class Silent:
        async def fetch(self, query: str, *arguments: object) -> list[object]:
            raise AssertionError(query)

    await Together().send(Silent())


async def test_a_part_with_a_name_is_read_by_later_ones_and_by_the_result(pg_url: str) -> None:
    connection = await asyncpg.connect(pg_url)
    try:
        await connection.execute(_MAKE)
        writes = Together()
        writes.part(
            "made",
            "INSERT INTO left_side (tenant_id, word) SELECT n, 'a' FROM unnest($1::int[]) AS n RETURNING *",
            [1, 2],
        )
        await writes.execute("INSERT INTO right_side (tenant_id) SELECT tenant_id + $1 FROM made", 10)
        rows = await writes.send(connection, "SELECT tenant_id FROM made ORDER BY tenant_id")
        assert [row[0] for row in rows] == [1, 2]
        right = await connection.fetch("SELECT tenant_id FROM right_side ORDER BY tenant_id")
        assert [row[0] for row in right] == [5, 11, 12]
    finally:
        await connection.close()

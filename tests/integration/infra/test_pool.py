"""Connections are lent at once, kept apart, mended by the driver when their use was interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from battcrm.infra.pool import Connection
from battcrm.infra.postgres import UNAVAILABLE, Pool, open_pool
from tests.support.waiting import PATIENCE

_BACKEND = "SELECT pg_backend_pid()"


@pytest.fixture
async def pool(pg_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(pg_url, maximum=2, name="pool-test")
    yield opened
    await opened.close()


async def test_a_connection_that_came_back_is_lent_again(pool: Pool) -> None:
    first = await pool.fetchval(_BACKEND)
    assert {await pool.fetchval(_BACKEND) for _ in range(5)} == {first}


async def test_no_more_than_the_maximum_at_once_and_who_waits_gets_the_next(pool: Pool) -> None:
    one, two = await pool.take(), await pool.take()
    waiting = asyncio.ensure_future(pool.fetchval(_BACKEND))
    await asyncio.sleep(0)
    assert not waiting.done()
    own = await two.fetchval(_BACKEND)
    await pool.give_back(two)
    assert await asyncio.wait_for(waiting, PATIENCE) == own
    await pool.give_back(one)


async def test_who_stops_waiting_loses_nothing_for_others(pool: Pool) -> None:
    one, two = await pool.take(), await pool.take()
    gone = asyncio.ensure_future(pool.take())
    patient = asyncio.ensure_future(pool.fetchval(_BACKEND))
    await asyncio.sleep(0)
    await pool.give_back(one)
    # Handed over, but the one it was handed to is cancelled before it runs again.
    gone.cancel()
    assert await asyncio.wait_for(patient, PATIENCE)
    await pool.give_back(two)
    async with asyncio.timeout(PATIENCE), pool.acquire(), pool.acquire():
        pass


async def test_a_transaction_left_open_is_rolled_back_before_anyone_else_has_it(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE pool_word (tenant_id int)")
    taken = await pool.take()
    transaction = taken.transaction()
    await transaction.start()
    await taken.execute("INSERT INTO pool_word (tenant_id) VALUES (1)")
    assert taken.is_in_transaction()
    await taken.execute("ROLLBACK")
    await pool.give_back(taken)
    assert await pool.fetchval("SELECT count(*) FROM pool_word WHERE tenant_id = 1") == 0


async def test_an_interrupted_statement_does_not_reach_the_next_user(pool: Pool) -> None:
    slow = asyncio.ensure_future(pool.fetchval("SELECT pg_sleep(3600)"))
    await asyncio.sleep(0.1)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(6))) == list(range(6))


async def test_a_connection_that_the_server_has_closed_is_replaced(pool: Pool, pg_url: str) -> None:
    backend = await pool.fetchval(_BACKEND)
    other = await asyncpg.connect(pg_url)
    try:
        await other.execute("SELECT pg_terminate_backend($1)", backend)
        async with asyncio.timeout(PATIENCE):
            while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            found = {await _backend_of(pool) for _ in range(5)}
            assert len(found) == 1
            assert backend not in found
            async with pool.acquire(), pool.acquire():
                pass
    finally:
        await other.close()


async def _backend_of(pool: Pool) -> int:
    """Asked again where the loss was noticed only with the statement."""
    while True:
        try:
            backend: int = await pool.fetchval(_BACKEND)
        except UNAVAILABLE:
            continue
        return backend


async def test_nobody_is_lent_a_connection_whose_last_use_has_not_ended(pool: Pool) -> None:
    """Uses end in every way there is, often in the middle of a statement; the next one's answer is always its own."""
    answered = 0

    async def use(number: int, chance: random.Random) -> None:
        nonlocal answered
        for turn in range(25):
            # What is not suppressed is an InterfaceError: a connection that is still in use.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError, asyncpg.PostgresError):
                await _USES[chance.randrange(len(_USES))](pool, chance)
            mark = 1000 * number + turn
            assert await pool.fetchval("SELECT $1::int", mark) == mark
            answered += 1

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(use(number, random.Random(number)) for number in range(8)))
    assert answered == 200


async def _given_up(pool: Pool, chance: random.Random) -> None:
    await pool.fetchval("SELECT pg_sleep($1)", 0.01, timeout=chance.random() * 0.02 + 0.001)


async def _cancelled(pool: Pool, chance: random.Random) -> None:
    running = asyncio.ensure_future(pool.fetchval("SELECT pg_sleep($1)", 0.01))
    await asyncio.sleep(chance.random() * 0.015)
    running.cancel()
    await running


async def _failed_in_a_transaction(pool: Pool, chance: random.Random) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await _brief(connection, chance)
        await connection.fetchval("SELECT 1 / $1::int", chance.randrange(2))


async def _failure_kept_inside(pool: Pool, chance: random.Random) -> None:
    """The pool is told of no error, though the statement was given up."""
    async with pool.acquire() as connection:
        with contextlib.suppress(TimeoutError):
            await _brief(connection, chance)


async def _brief(connection: Connection, chance: random.Random) -> None:
    await connection.fetchval("SELECT pg_sleep($1)", 0.005, timeout=chance.random() * 0.01 + 0.001)


_USES = (_given_up, _cancelled, _failed_in_a_transaction, _failure_kept_inside)


async def test_a_closed_pool_lends_nothing(pg_url: str) -> None:
    pool = await open_pool(pg_url, maximum=1, name="pool-test")
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await pool.fetchval("SELECT 1")

"""The graph goes away, hangs and comes back; turns go on, with prices, and say what they lacked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, LiteralString, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from battcrm.graph.check import Checker
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.graph.schema import migrate
from battcrm.graph.stored import Stored
from battcrm.graph.sync import Projector
from battcrm.infra.circuit import Circuit, CircuitState
from battcrm.infra.neo4j import CONTENTION, Graph, Row, Runner, Work
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.kit.errors import Permanent, Transient
from battcrm.models.situation import ContextQuery
from tests.support.graph import GraphServer
from tests.support.graph_rows import NOW, Rows
from tests.support.waiting import PATIENCE, eventually

_NOBODY = "MATCH (n:Client {tenant_id: '-', id: '-'}) RETURN n.id AS id"


class Wire:
    """A TCP line to the server that can be cut (connections die), held (silence) and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0

    async def mend(self) -> None:
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        self._open.clear()

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in self._lines:
            line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._lines |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._open.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()


@pytest.fixture
async def wire(graph: GraphServer) -> AsyncIterator[Wire]:
    parts = urlsplit(graph.url)
    line = Wire(parts.hostname or "127.0.0.1", parts.port or 7687)
    await line.mend()
    yield line
    await line.cut()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def bolt(graph: GraphServer, wire: Wire, clock: ManualClock) -> AsyncIterator[Graph]:
    url = f"bolt://127.0.0.1:{wire.port}"
    circuit = Circuit(clock, threshold=2)
    opened = Graph.open(
        url, *graph.auth, database=graph.database, clock=SystemClock(), connect_timeout=PATIENCE, circuit=circuit
    )
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def rows(clean_database: str) -> AsyncIterator[Rows]:
    pool: Pool = await open_pool(clean_database, maximum=4)
    yield Rows(pool, uuid4())
    await pool.close()


async def shop(rows: Rows, bolt: Graph) -> UUID:
    client = await rows.client()
    for day in range(6):
        await rows.repair(day + 1, client_id=client)
    await Projector(Stored(rows.pool), bolt).rebuild(rows.tenant_id)
    return client


def ask(rows: Rows, client: UUID) -> ContextQuery:
    return ContextQuery(rows.tenant_id, client, "Apple", "iPhone 13", ("screen",), None, NOW)


def reader(rows: Rows, bolt: Graph, deadline: float) -> GraphContextReader:
    return GraphContextReader(bolt, PostgresPricing(rows.pool, deadline=PATIENCE), SystemClock(), deadline=deadline)


async def test_a_killed_server_costs_history_not_prices_and_is_found_again(
    rows: Rows, bolt: Graph, wire: Wire, clock: ManualClock
) -> None:
    client = await shop(rows, bolt)
    await wire.cut()
    for expected in ("graph_unavailable", "graph_unavailable", "circuit_open", "circuit_open"):
        facts = await reader(rows, bolt, PATIENCE).fetch(ask(rows, client))
        assert facts.unavailable == f"graph: {expected}"
        assert facts.history == ()
        assert facts.quotes[0].refusal is None
    await wire.mend()
    clock.advance(1.1)
    facts = await reader(rows, bolt, PATIENCE).fetch(ask(rows, client))
    assert (facts.unavailable, len(facts.history)) == (None, 6)
    assert bolt.circuit_state is CircuitState.CLOSED


async def test_a_silent_server_costs_the_deadline_and_nothing_is_kept(rows: Rows, bolt: Graph, wire: Wire) -> None:
    client = await shop(rows, bolt)
    asking = reader(rows, bolt, 0.3)
    wire.hold()
    started = time.monotonic()
    facts = await asking.fetch(ask(rows, client))
    assert facts.unavailable == "graph: graph_timeout"
    assert facts.quotes[0].n == 6
    assert time.monotonic() - started >= 0.3
    await wire.mend()
    again = await reader(rows, bolt, PATIENCE).fetch(ask(rows, client))
    assert len(again.history) == 6


async def test_a_late_answer_to_a_probe_ends_the_refusals(
    rows: Rows, bolt: Graph, wire: Wire, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("battcrm.infra.neo4j._LINGER", PATIENCE)
    client = await shop(rows, bolt)
    asking = reader(rows, bolt, 0.3)
    wire.hold()
    for _ in range(2):
        assert (await asking.fetch(ask(rows, client))).unavailable == "graph: graph_timeout"
    assert (await asking.fetch(ask(rows, client))).unavailable == "graph: circuit_open"
    clock.advance(1.1)
    assert (await asking.fetch(ask(rows, client))).unavailable == "graph: graph_timeout"
    assert bolt.circuit_state.value == CircuitState.OPEN.value
    await wire.mend()
    # Nobody asks again: the question that was given up brings the news.
    await eventually(lambda: bolt.circuit_state is CircuitState.CLOSED)
    assert len((await reader(rows, bolt, PATIENCE).fetch(ask(rows, client))).history) == 6


async def test_no_more_questions_linger_than_there_are_connections(graph: GraphServer, wire: Wire) -> None:
    circuit = Circuit(ManualClock(NOW), threshold=1000)
    url = f"bolt://127.0.0.1:{wire.port}"
    narrow = Graph.open(
        url,
        *graph.auth,
        database=graph.database,
        clock=SystemClock(),
        connect_timeout=PATIENCE,
        circuit=circuit,
        connections=2,
    )
    await narrow.read(_NOBODY, {}, deadline=PATIENCE)
    wire.hold()
    asked = [narrow.read(_NOBODY, {}, deadline=0.2) for _ in range(12)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Transient}
    await eventually(lambda: len(narrow._late) <= 2)
    await wire.mend()
    await eventually(lambda: not narrow._late)
    assert await narrow.read(_NOBODY, {}, deadline=PATIENCE) == []
    await narrow.close()


async def test_cancelling_a_turn_leaves_the_pool_usable(rows: Rows, bolt: Graph, wire: Wire) -> None:
    client = await shop(rows, bolt)
    wire.hold()
    turn = asyncio.ensure_future(reader(rows, bolt, PATIENCE).fetch(ask(rows, client)))
    await asyncio.sleep(0.05)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await wire.mend()
    assert bolt.circuit_state is CircuitState.CLOSED
    assert len((await reader(rows, bolt, PATIENCE).fetch(ask(rows, client))).history) == 6


async def test_the_projector_asks_to_be_retried(rows: Rows, bolt: Graph, wire: Wire) -> None:
    await rows.repair()
    await wire.cut()
    with pytest.raises(Transient):
        await Projector(Stored(rows.pool), bolt).rebuild(rows.tenant_id)
    assert await bolt_is_back(wire, bolt, rows) == 1


async def bolt_is_back(wire: Wire, bolt: Graph, rows: Rows) -> int:
    await wire.mend()
    return await Projector(Stored(rows.pool), bolt).rebuild(rows.tenant_id)


class Beaten(Graph):
    """A graph in which any transaction of more than two rows meets another writer at commit."""

    async def transact(self, work: Work, *, deadline: float = 30.0, merges: bool = False) -> Any:
        sizes: list[int] = []

        async def counted(run: Runner) -> Any:
            async def watched(text: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
                sizes.append(len(parameters.get("rows", ())))
                return await run(text, parameters)

            answer = await work(cast("Runner", watched))
            if max(sizes) > 2:
                raise Permanent("met", code="met")
            return answer

        try:
            return await super().transact(counted, deadline=60.0, merges=merges)
        except Permanent as error:
            raise Transient("met", code=CONTENTION) from error


async def test_who_loses_every_time_comes_with_less(rows: Rows, graph: GraphServer) -> None:
    clock = SystemClock()
    beaten = Beaten.open(graph.url, *graph.auth, database=graph.database, clock=clock, connect_timeout=PATIENCE)
    await migrate(beaten)
    for number in range(5):
        await rows.appeal(await rows.client(), number)
    projector = Projector(Stored(rows.pool), beaten)
    assert await projector.rebuild(rows.tenant_id) == 10
    checker = Checker(Stored(rows.pool), beaten, projector)
    assert all(drift.ok for drift in await checker.check(rows.tenant_id))
    await beaten.close()


async def test_concurrent_writers_of_one_tenant_agree(rows: Rows, bolt: Graph) -> None:
    client = await rows.client()
    for day in range(20):
        await rows.repair(day + 1, client_id=client)
    one, two = (Projector(Stored(rows.pool), bolt, batch=3) for _ in range(2))
    async with asyncio.TaskGroup() as tasks:
        for projector in (one, two):
            tasks.create_task(projector.rebuild(rows.tenant_id))
    found = await bolt.read(
        "MATCH (r:Repair {tenant_id: $tenant_id})-[:OF_CLIENT]->(c:Client) RETURN count(r) AS repairs, count(DISTINCT c) AS clients",
        {"tenant_id": str(rows.tenant_id)},
    )
    assert found == [{"repairs": 20, "clients": 1}]

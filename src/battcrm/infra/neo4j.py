"""The graph over Bolt: managed transactions with a deadline, a circuit breaker, and our own errors.

Works against Neo4j >= 5.26 and the embedded ArcadeDB server. What differs between them is in `graph/dialect.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, Protocol, Self

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, NotificationMinimumSeverity
from neo4j import exceptions as bolt

from battcrm.infra.circuit import Circuit, CircuitOpen, CircuitState
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Conflict, Permanent, Transient

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One Cypher text and its parameters. The text is a literal of our source; values go in `parameters` only."""

    text: LiteralString
    parameters: Mapping[str, Any] = field(default_factory=dict)


class GraphMetrics(Protocol):
    """Where round trips are counted."""

    def observe(self, kind: str, outcome: str, seconds: float) -> None:
        """`kind` is read | write; `outcome` is ok or the code of the error."""
        ...


class Work(Protocol):
    """Several statements in one transaction; may run more than once, so it must have no effect outside the graph."""

    async def __call__(self, run: Runner) -> Any:
        """Do the work; what it returns is what `write` returns."""
        ...


class Runner:
    """Runs statements inside a transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: AsyncManagedTransaction) -> None:
        self._tx = tx

    async def __call__(self, text: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
        """All rows of one statement."""
        result = await self._tx.run(text, dict(parameters))
        return [record.data() for record in await result.fetch(2**31)]


CONTENTION: Final = "graph_contention"
"""Code of the Transient that says: other writers were first, again and again."""
_DUPLICATE: Final = "graph_constraint"
_LAST_DUPLICATE: Final = 0.5  # seconds of pause: about five retries
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_LINGER: Final = 2.0
_LONGEST_REFUSAL: Final = 4.0  # seconds; to ask a server on the same network whether it is back costs next to nothing

# First match wins: what the driver raises -> (class of ours, code, does it say that the server is not answering?).
_ERRORS: Final[tuple[tuple[type[BaseException], type[BattError], str, bool], ...]] = (
    (TimeoutError, Transient, "graph_timeout", True),
    (bolt.AuthError, AuthExpired, "graph_auth", False),
    (bolt.TokenExpired, AuthExpired, "graph_auth", False),
    (bolt.ConstraintError, Conflict, _DUPLICATE, False),
    (bolt.TransientError, Transient, CONTENTION, False),
    (bolt.CypherSyntaxError, Permanent, "graph_syntax", False),
    (bolt.ClientError, Permanent, "graph_client", False),
    (bolt.DatabaseError, Transient, "graph_database", False),
    (bolt.Neo4jError, Transient, "graph_server", False),
    (bolt.ConfigurationError, Permanent, "graph_configuration", False),
    (bolt.DriverError, Transient, "graph_unavailable", True),
    (OSError, Transient, "graph_unavailable", True),
)
_HANDLED: Final = tuple(row[0] for row in _ERRORS)


def translate(error: BaseException) -> tuple[BattError, bool]:
    """Our error for one of the driver's, and whether it speaks against the server's health. No query text in it."""
    for kind, ours, code, counts in _ERRORS:
        if isinstance(error, kind):
            detail = getattr(error, "code", None) or type(error).__name__
            return ours(f"the graph failed: {detail}", code=code), counts
    raise error


class Graph:
    """A pool of Bolt connections to one database. Opening does not connect; the first call does."""

    def __init__(
        self,
        driver: AsyncDriver,
        clock: Clock,
        *,
        database: str | None,
        circuit: Circuit,
        metrics: GraphMetrics | None,
        in_flight: int,
        randomness: random.Random,
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._database = database
        self._circuit = circuit
        self._metrics = metrics
        self._random = randomness
        self._slots = asyncio.Semaphore(in_flight)
        self._late: set[asyncio.Task[Any]] = set()

    @classmethod
    def open(
        cls,
        url: str,
        user: str,
        password: str,
        *,
        clock: Clock,
        database: str | None = None,
        connections: int = 16,
        connect_timeout: float = 2.0,
        circuit: Circuit | None = None,
        metrics: GraphMetrics | None = None,
        randomness: random.Random | None = None,
    ) -> Self:
        """Describe the server; nothing is sent yet. At most `connections` transactions are under way at once."""
        driver = AsyncGraphDatabase.driver(
            url,
            auth=(user, password) if user else None,
            max_connection_pool_size=connections,
            connection_timeout=connect_timeout,
            connection_acquisition_timeout=connect_timeout,
            # The driver would wait a second and more, also for a dead server; `transact` retries what is worth it.
            max_transaction_retry_time=0.0,
            liveness_check_timeout=30.0,
            notifications_min_severity=NotificationMinimumSeverity.OFF,
            telemetry_disabled=True,
            user_agent="battcrm",
        )
        return cls(
            driver,
            clock,
            database=database,
            circuit=circuit or Circuit(clock, max_pause=_LONGEST_REFUSAL),
            metrics=metrics,
            in_flight=connections,
            randomness=randomness or random.Random(),  # noqa: S311 - spreads retries, keeps no secret
        )

    @property
    def circuit_state(self) -> CircuitState:
        """For health pages."""
        return self._circuit.state

    async def close(self) -> None:
        """Close the pool; calls under way fail."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._driver.close()

    async def agent(self, *, deadline: float = 30.0) -> str:
        """What the server calls itself, such as `Neo4j/5.26.25`."""
        info = await self._guard("read", self._driver.get_server_info(), deadline)
        return str(info.agent)

    async def read(self, text: LiteralString, parameters: Mapping[str, Any], *, deadline: float = 30.0) -> list[Row]:
        """Rows of one reading statement, within `deadline` seconds in all.

        Raises Transient (time-out, server away, circuit open), AuthExpired, Permanent (our mistake). A question that
        is late goes on for a moment without its asker: cutting it off would cost the connection, and on a busy server
        a new one takes longer than a turn waits, so that every next question would be late too.
        """
        return list(await self._guard("read", self._read(text, parameters), deadline, linger=_LINGER))

    async def write(self, statements: Sequence[Statement], *, deadline: float = 30.0) -> list[list[Row]]:
        """Run the statements in one transaction, all or nothing; contention is retried inside the deadline."""

        async def work(run: Runner) -> list[list[Row]]:
            return [await run(statement.text, statement.parameters) for statement in statements]

        return list(await self.transact(work, deadline=deadline))

    async def transact(self, work: Work, *, deadline: float = 30.0, merges: bool = False) -> Any:
        """Run `work` in one writing transaction. It is repeated after contention: it must be idempotent outside.

        A server that is away is not waited for: that is Transient at once, and the caller's own retry knows better.
        `merges` says that nodes are only merged: a duplicate key then means that another writer was first (optimistic
        servers find out at commit), and is retried a few times too.
        """
        retried = {CONTENTION, _DUPLICATE} if merges else {CONTENTION}
        finish = self._clock.monotonic() + deadline
        pause = _FIRST_PAUSE
        while True:
            left = finish - self._clock.monotonic()
            try:
                return await self._guard("write", self._write(work), max(left, 0.0))
            except (Transient, Conflict) as error:
                late = self._clock.monotonic() + pause >= finish
                if error.code not in retried or late or (error.code == _DUPLICATE and pause > _LAST_DUPLICATE):
                    raise
            # Writers that met must not meet again: each waits its own share.
            await self._clock.sleep(pause * (0.5 + self._random.random()))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def schema(self, text: LiteralString, *, deadline: float = 30.0) -> None:
        """Run one schema statement; these take a transaction of their own."""
        await self._guard("write", self._schema(text), deadline)

    async def _read(self, text: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
        # One statement needs no BEGIN and COMMIT around it: that is half of what a short question costs the server.
        async with self._driver.session(database=self._database, default_access_mode="READ") as session:
            result = await session.run(text, dict(parameters))
            return [record.data() for record in await result.fetch(2**31)]

    async def _write(self, work: Work) -> Any:
        async def inner(tx: AsyncManagedTransaction) -> Any:
            return await work(Runner(tx))

        async with self._driver.session(database=self._database) as session:
            return await session.execute_write(inner)

    async def _schema(self, text: LiteralString) -> None:
        async with self._driver.session(database=self._database) as session:
            await (await session.run(text)).consume()

    async def _guard(self, kind: str, call: Any, deadline: float, *, linger: float = 0.0) -> Any:
        started = self._clock.monotonic()
        try:
            self._circuit.enter()
        except CircuitOpen:
            call.close()
            self._observe(kind, "circuit_open", started)
            raise
        settled = False
        try:
            value = await (self._patient(call, deadline, linger) if linger else self._strict(call, deadline))
            self._circuit.succeeded()
            settled = True
        except _HANDLED as error:
            ours, counts = translate(error)
            (self._circuit.failed if counts else self._circuit.succeeded)()
            settled = True
            self._observe(kind, ours.code, started)
            raise ours from error
        finally:
            if not settled:
                self._circuit.abandoned()
        self._observe(kind, "ok", started)
        return value

    async def _strict(self, call: Any, deadline: float) -> Any:
        try:
            async with asyncio.timeout(deadline):
                return await self._bounded(call)
        finally:
            call.close()

    async def _patient(self, call: Any, deadline: float, linger: float) -> Any:
        """The answer within `deadline`; a call that is later gets `linger` seconds to leave a usable connection."""
        begun = asyncio.Event()
        task = asyncio.create_task(self._bounded(call, begun))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        task.add_done_callback(lambda _: call.close())
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        # Who has not been given a connection yet has none to save: so no more than the pool holds ever linger.
        asyncio.get_running_loop().call_later(linger if begun.is_set() else 0.0, task.cancel)
        task.add_done_callback(self._came_late)
        raise TimeoutError

    def _came_late(self, task: asyncio.Task[Any]) -> None:
        """An answer after all, to the probe of an open circuit: the next question finds the server awake."""
        if not task.cancelled() and task.exception() is None and self._circuit.state is CircuitState.OPEN:
            self._circuit.succeeded()

    async def _bounded(self, call: Any, begun: asyncio.Event | None = None) -> Any:
        async with self._slots:
            if begun is not None:
                begun.set()
            return await call

    def _observe(self, kind: str, outcome: str, started: float) -> None:
        if self._metrics is not None:
            self._metrics.observe(kind, outcome, self._clock.monotonic() - started)

"""Start, find and stop the embedded servers of one home, all at once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from battcrm.infra.embedded import arcadedb, postgres
from battcrm.infra.embedded.arcadedb import ArcadeDb
from battcrm.infra.embedded.home import Credentials, Home, Record
from battcrm.infra.embedded.postgres import Postgres
from battcrm.infra.embedded.server import Progress, Server, Up, bring_down, bring_up, running
from battcrm.infra.embedded.valkey import Valkey
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Transient

ALL: Final = frozenset({"postgres", "redis", "graph"})


@dataclass(frozen=True, slots=True)
class Running:
    """How to reach the servers. A URL is empty for a server that was not asked for."""

    home: Path
    postgres_url: str = field(default="", repr=False)
    """As the owner of the schema, who may create databases; the other two roles are under row-level security."""
    worker_url: str = field(default="", repr=False)
    api_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    neo4j_url: str = ""
    neo4j_user: str = ""
    neo4j_password: str = field(default="", repr=False)
    neo4j_database: str = ""
    graph_http_url: str = ""
    """ArcadeDB's HTTP API, for what its Bolt door cannot do (databases, full-text indexes)."""
    versions: dict[str, str] = field(default_factory=dict)
    started: frozenset[str] = frozenset()
    """The servers this call started; the others were running already."""

    async def stop(self) -> None:
        """Stop the servers this call started, data safely on disk."""
        await stop(self.home, which=self.started)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server of a home as it is now. `problem` is empty when it answers."""

    name: str
    running: bool
    pid: int = 0
    port: int = 0
    version: str = ""
    problem: str = ""


async def start(
    home: Path,
    *,
    which: frozenset[str] = ALL,
    detached: bool = False,
    on_progress: Progress | None = None,
) -> Running:
    """Start the servers in parallel, or attach to those of this home that run already; return when all answer.

    Without `detached` the servers end with this process, however it ends (call it from the main thread's loop).
    With it they stay until `stop`. Concurrent calls for one home wait for each other. Raises `Invalid` when a
    package is missing or the home is unusable, `Permanent` with the log's end when a server does not start; in
    both cases what this call had started is stopped again.
    """
    _check(which)
    place = _home(home)
    progress = on_progress or _quiet
    async with place.lock():
        credentials = place.credentials()
        servers = _servers(place, credentials, which)
        ups = await _bring_all_up(servers, place, owned=not detached, progress=progress)
    return _running(place, credentials, servers, ups)


async def stop(home: Path, *, which: frozenset[str] = ALL) -> frozenset[str]:
    """Stop the running servers of a home, whoever started them. Returns the names of those that were running."""
    _check(which)
    place = _home(home)
    if not which or not place.in_use():
        return frozenset()
    async with place.lock():
        servers = _servers(place, place.credentials(), which)
        stopped = await asyncio.gather(*(bring_down(server, place) for server in servers.values()))
    return frozenset(name for name, done in zip(servers, stopped, strict=True) if done)


async def status(home: Path) -> list[ServerStatus]:
    """What runs for this home and answers a query. Starts nothing and makes no file."""
    place = _home(home)
    if not place.in_use():
        return [ServerStatus(name, running=False, problem="not running") for name in sorted(ALL)]
    servers = _servers(place, place.credentials(), ALL)
    return list(await asyncio.gather(*(_status(servers[name], place) for name in sorted(servers))))


async def attach(home: Path) -> Running | None:
    """How to reach the servers of this home that run now; None when none does. Starts nothing."""
    live = frozenset(state.name for state in await status(home) if state.running and not state.problem)
    return await start(home, which=live) if live else None


@asynccontextmanager
async def temporary(which: frozenset[str] = ALL) -> AsyncIterator[Running]:
    """Servers in a new folder of the system's temporary one; stopped and removed at the end. For tests and benches."""
    home = Path(tempfile.mkdtemp(prefix="battcrm-"))
    place = _home(home)
    for name, server in _servers(place, place.credentials(), which).items():
        # Any free ports: several of these start at the same moment, and all would begin with the usual ones.
        place.remember(name, Record(tuple(0 for _ in server.default_ports)))
    try:
        running_servers = await start(home, which=which)
        try:
            yield running_servers
        finally:
            await running_servers.stop()
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _bring_all_up(servers: dict[str, Server], home: Home, *, owned: bool, progress: Progress) -> dict[str, Up]:
    ups: dict[str, Up] = {}

    async def one(name: str, server: Server) -> None:
        ups[name] = await bring_up(server, home, owned=owned, progress=progress)

    try:
        async with asyncio.TaskGroup() as group:
            for name, server in servers.items():
                group.create_task(one(name, server))
    except BaseException as error:
        for name, up in ups.items():
            if up.ours:
                await bring_down(servers[name], home)
        if isinstance(error, BaseExceptionGroup) and isinstance(error.exceptions[0], BattError):
            raise error.exceptions[0] from error
        raise
    return ups


async def _status(server: Server, home: Home) -> ServerStatus:
    record = running(server, home)
    if record is None:
        return ServerStatus(server.name, running=False, problem="not running")
    try:
        version = await server.ask(record.ports)
    except (AuthExpired, Transient) as error:
        return ServerStatus(server.name, True, record.pid, record.ports[0], problem=error.text)
    return ServerStatus(server.name, True, record.pid, record.ports[0], version)


def _running(home: Home, credentials: Credentials, servers: dict[str, Server], ups: dict[str, Up]) -> Running:
    urls: dict[str, str] = {}
    for name, server in servers.items():
        ports = ups[name].record.ports
        match server:
            case Postgres():
                urls["postgres_url"] = server.url(ports)
                urls["worker_url"] = server.url(ports, postgres.WORKER)
                urls["api_url"] = server.url(ports, postgres.API)
            case Valkey():
                urls["redis_url"] = server.url(ports)
            case ArcadeDb():
                urls["neo4j_url"], urls["graph_http_url"] = server.url(ports), server.http_url(ports)
                urls["neo4j_user"], urls["neo4j_password"] = arcadedb.USER, credentials.graph
                urls["neo4j_database"] = arcadedb.DATABASE
    return Running(
        home=home.root,
        versions={name: up.version for name, up in ups.items()},
        started=frozenset(name for name, up in ups.items() if up.ours),
        **urls,
    )


def _servers(home: Home, credentials: Credentials, which: frozenset[str]) -> dict[str, Server]:
    kinds: tuple[type[Postgres | Valkey | ArcadeDb], ...] = (Postgres, Valkey, ArcadeDb)
    return {kind.name: kind(home, credentials) for kind in kinds if kind.name in which}


def _home(path: Path) -> Home:
    return Home(path.resolve())


def _check(which: frozenset[str]) -> None:
    unknown = which - ALL
    if unknown:
        raise Invalid(f"no embedded server is called {', '.join(sorted(unknown))}; known: {', '.join(sorted(ALL))}")


def _quiet(_server: str, _state: str) -> None:
    """Progress that nobody watches."""

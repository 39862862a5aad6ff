"""What the three servers have in common: attach to a running one, or start it and wait for a real answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from battcrm.infra.embedded import process
from battcrm.infra.embedded.home import Home, Record
from battcrm.infra.embedded.process import Identity, Started
from battcrm.kit.errors import AuthExpired, Permanent, Transient

Progress = Callable[[str, str], None]
"""Called with the server's name and what happens to it now."""

_READY_SECONDS: Final = 240.0
_ATTACH_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02
_ATTEMPTS: Final = 4
_AFTER_EXIT_SECONDS: Final = 0.5
_LOG_TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Launch:
    """How to execute a server that has been prepared."""

    argv: tuple[str | Path, ...]
    cwd: Path
    identity: Identity | None = None
    nice: int = 0
    """How far it stands back (0–19) for a core that others want too."""


class Server(Protocol):
    """One kind of embedded server in one home."""

    name: str
    default_ports: tuple[int, ...]
    port_refused: bytes
    """What its log says when it lives on without a port that it did not get; empty for one that ends then."""
    ask_to_end: signal.Signals

    @property
    def marker(self) -> Path:
        """A path on the command line by which a process is known to be this server of this home."""
        ...

    async def prepare(self, progress: Progress) -> None:
        """Make the data folder when it is missing. Safe to repeat after a crash at any point."""
        ...

    def launch(self, ports: tuple[int, ...]) -> Launch:
        """Write the configuration for these ports and say how to start."""
        ...

    async def ask(self, ports: tuple[int, ...]) -> str:
        """Run a real query; the server's version. Raises `AuthExpired` (not our server) or `Transient` (not yet)."""
        ...

    async def settle(self, ports: tuple[int, ...]) -> None:
        """Make what clients expect to find (roles, databases). Safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Up:
    """A server that answers. `ours` = this call started it."""

    record: Record
    version: str
    ours: bool


async def bring_up(server: Server, home: Home, *, owned: bool, progress: Progress) -> Up:
    """Attach to the home's running server, or start it. The caller holds the home's lock.

    Raises `Permanent` with the end of the server's log when it does not come up.
    """
    attached = await _attach(server, home)
    if attached is not None:
        progress(server.name, f"already running on port {attached.record.ports[0]}")
        await server.settle(attached.record.ports)
        return attached
    await server.prepare(progress)
    progress(server.name, "starting")
    begun = asyncio.get_running_loop().time()
    up = await _start(server, home, owned=owned)
    try:
        await server.settle(up.record.ports)
    except BaseException:
        await bring_down(server, home)
        raise
    seconds = asyncio.get_running_loop().time() - begun
    progress(server.name, f"ready on port {up.record.ports[0]} in {seconds:.1f} s")
    return up


async def bring_down(server: Server, home: Home) -> bool:
    """Stop the home's server. False when none was running. The caller holds the home's lock."""
    known = running(server, home)
    if known is None:
        return False
    await process.end(known.pid, known.started, server.marker, server.ask_to_end)
    home.remember(server.name, Record(known.ports))
    return True


def running(server: Server, home: Home) -> Record | None:
    """The record of the server's live process; found by command line when a crash left the record behind."""
    record = home.record(server.name)
    if record is not None and process.is_server(record.pid, record.started, server.marker):
        return record
    found = process.find_server(server.marker)
    if found is None:
        return None
    return Record(record.ports if record else server.default_ports, found.pid, found.started)


async def _attach(server: Server, home: Home) -> Up | None:
    record = running(server, home)
    if record is None:
        return None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ATTACH_SECONDS
    while process.is_server(record.pid, record.started, server.marker) and loop.time() < deadline:
        try:
            version = await server.ask(record.ports)
        except AuthExpired:
            break
        except Transient:
            await asyncio.sleep(_POLL_SECONDS)
            continue
        home.remember(server.name, record)
        return Up(record, version, ours=False)
    await process.end(record.pid, record.started, server.marker, server.ask_to_end)
    return None


async def _start(server: Server, home: Home, *, owned: bool) -> Up:
    known = home.record(server.name)
    preferred = known.ports if known and len(known.ports) == len(server.default_ports) else server.default_ports
    failure = Permanent(f"no free loopback port could be kept for {server.name}", code="embedded.ports")
    for _ in range(_ATTEMPTS):
        ports = process.choose_ports(preferred)
        try:
            up = await _attempt(server, home, ports, owned=owned)
        except _EndedEarly as ended:
            failure = ended  # the last sessions of a killed server may still hold its shared memory
            await asyncio.sleep(_AFTER_EXIT_SECONDS)
            up = None
        if up is not None:
            return up
        preferred = tuple(0 for _ in ports)  # whoever took these may keep them
    raise failure


async def _attempt(server: Server, home: Home, ports: tuple[int, ...], *, owned: bool) -> Up | None:
    """Start on these ports. None when another program turned out to hold one of them."""
    launch = server.launch(ports)
    log = home.log(server.name)
    home.remember(server.name, Record(ports))
    before = log.stat().st_size if log.exists() else 0
    child = process.spawn(
        launch.argv,
        log=log,
        cwd=launch.cwd,
        identity=launch.identity,
        nice=launch.nice,
        die_with_parent=server.ask_to_end if owned else None,
    )
    record = Record(ports, child.pid, child.started)
    home.remember(server.name, record)
    try:
        version = await _ready(server, ports, child, (log, before))
    except BaseException:
        await process.end(child.pid, child.started, server.marker, server.ask_to_end)
        raise
    if version is None:
        await process.end(child.pid, child.started, server.marker, server.ask_to_end)
        return None
    return Up(record, version, ours=True)


async def _ready(server: Server, ports: tuple[int, ...], child: Started, written: tuple[Path, int]) -> str | None:
    """The server's version; None when a port is somebody else's. `written` = log, and its length before the start."""
    log, before = written
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _READY_SECONDS
    while loop.time() < deadline:
        code = process.reap(child.pid)
        if code is not None:
            if not all(process.port_is_free(port) for port in ports):
                return None
            raise _EndedEarly(_story(server, f"it ended with code {code}", log), code="embedded.start")
        if server.port_refused and server.port_refused in log.read_bytes()[before:]:
            return None
        try:
            return await server.ask(ports)
        except AuthExpired:
            return None  # a stranger answers on our port, or ours has other passwords: the next port tells
        except Transient:
            await asyncio.sleep(_POLL_SECONDS)
    raise Permanent(_story(server, "it did not answer in time", log), code="embedded.start")


class _EndedEarly(Permanent):
    """The server ended by itself before it answered."""


def _story(server: Server, why: str, log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
    return f"{server.name} did not start: {why}. Log: {log}\n{tail}"

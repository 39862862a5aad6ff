"""Server processes: started so that they end with us or outlive us, known again later, ended by pid."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from battcrm.kit.errors import Permanent

LOOPBACK: Final = "127.0.0.1"
_PR_SET_PDEATHSIG: Final = 1
_SAME_START_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.02
# Below what Linux (32768 and up) and macOS (49152 and up) give away by themselves.
_NEVER_GIVEN: Final = range(15_000, 32_000)

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Handles of what this process started: they must be reaped, and a dropped handle would warn."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Another user to run as, without its supplementary groups."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Started:
    """A running process and when it was created, which together are unique."""

    pid: int
    started: float


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    die_with_parent: signal.Signals | None,
    identity: Identity | None = None,
    nice: int = 0,
    env: Mapping[str, str] | None = None,
) -> Started:
    """Start a server with its output appended to `log`, in a session of its own so that Ctrl-C does not reach it.

    With `die_with_parent` Linux sends it that signal when this process ends in any way; it must be called from a
    thread that lives as long as the process, because Linux counts the thread. Elsewhere the server is found again
    by its record at the next start.
    """
    for earlier in tuple(_children):
        reap(earlier)  # one that was killed from outside
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - programs of our own packages, no shell
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=_parent_death(die_with_parent),  # noqa: PLW1509 - one system call, resolved before the fork
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
        )
    _children[child.pid] = child
    if nice:
        _stand_back(child.pid, nice)
    try:
        created = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0
    return Started(child.pid, created)


def _stand_back(pid: int, nice: int) -> None:
    """Threads inherit it, so before the program has any. A system that refuses or has no such thing: all are equal."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + nice)


def run(argv: Sequence[str | Path], *, identity: Identity | None = None, cwd: Path = Path("/")) -> tuple[int, str]:
    """Run a short program to its end; exit code and its output. A program that cannot be executed gives 126."""
    try:
        done = subprocess.run(  # noqa: S603 - programs of our own packages, no shell
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            check=False,
            user=identity.uid if identity else None,
            group=identity.gid if identity else None,
            extra_groups=[] if identity else None,
        )
    except OSError as error:
        return 126, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def _parent_death(chosen: signal.Signals | None) -> Callable[[], None] | None:
    if chosen is None or not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent, number = os.getpid(), int(chosen)

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended between the fork and this line
            os._exit(1)

    return arm


def reap(pid: int) -> int | None:
    """Exit code of a child of ours that has ended, else None."""
    child = _children.get(pid)
    if child is None:
        return None
    code = child.poll()
    if code is not None:
        del _children[pid]
    return code


def is_server(pid: int, started: float, marker: Path) -> bool:
    """Whether `pid` is alive, was created at `started` and names `marker` on its command line."""
    alive = pid > 0 and _is_alive(pid, started, marker)
    if not alive:
        reap(pid)
    return alive


def _is_alive(pid: int, started: float, marker: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - started) > _SAME_START_SECONDS:
            return False
        return _mentions(process.cmdline(), marker)
    except psutil.Error:
        return False


def find_server(marker: Path) -> Started | None:
    """The topmost process that names `marker` on its command line: a server whose record was lost in a crash."""
    found = {p.pid: p for p in psutil.process_iter(["cmdline"]) if _mentions(p.info["cmdline"], marker)}
    found.pop(os.getpid(), None)
    for process in found.values():
        try:
            if process.ppid() not in found and process.status() != psutil.STATUS_ZOMBIE:
                return Started(process.pid, process.create_time())
        except psutil.Error:
            continue
    return None


def _mentions(cmdline: Iterable[str] | None, marker: Path) -> bool:
    wanted = (str(marker), f"@{marker}")
    return any(part in wanted for part in cmdline or ())


async def end(pid: int, started: float, marker: Path, ask: signal.Signals, *, grace: float = 15.0) -> None:
    """Ask a server to end, wait for it, and kill it after `grace` seconds. Nothing happens when it is gone already."""
    if not is_server(pid, started, marker):
        return
    _signal(pid, ask)
    if not await _gone(pid, started, marker, grace):
        _signal(pid, signal.SIGKILL)
        if not await _gone(pid, started, marker, 5.0):
            raise Permanent(f"process {pid} does not end", code="embedded.stop")


async def _gone(pid: int, started: float, marker: Path, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while is_server(pid, started, marker) or pid in _children:
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_ports(preferred: Sequence[int]) -> tuple[int, ...]:
    """One free port for each preferred one: that port itself when it is free, else any other; 0 = any."""
    chosen: list[int] = []
    for port in preferred:
        chosen.append(port if port and port not in chosen and port_is_free(port) else free_port(chosen))
    return tuple(chosen)


def free_port(taken: Sequence[int] = ()) -> int:
    """A loopback port, none of `taken`, for a server that starts soon.

    It is none of those that the system itself gives to connections and to whoever asks for any port: one of these
    would often be gone by the time the server listens.
    """
    while True:
        port = secrets.choice(_NEVER_GIVEN)
        if port not in taken and port_is_free(port):
            return port

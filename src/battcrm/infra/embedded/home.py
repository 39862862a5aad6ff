"""The folder that holds everything the embedded servers keep: data, passwords, logs, records of what runs.

Layout: `lock`, `credentials.json`, `<server>/record.json`, `<server>/server.log`, `<server>/data`.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from battcrm.kit.errors import Invalid, Transient

_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_LOCK_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One random password for each account of the three servers."""

    postgres: str
    owner: str
    worker: str
    api: str
    redis: str
    graph: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was started: written with pid 0 before the start, so that a server never outlives our memory of its ports."""

    ports: tuple[int, ...]
    pid: int = 0
    started: float = 0.0
    """Creation time of the process in seconds since the epoch: tells a server from a later process with its pid."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one home. Folders are private; as root they may be passed through, never listed, by others."""

    root: Path

    @property
    def mode(self) -> int:
        """Root's PostgreSQL runs as another user and must reach its own 0700 data folder."""
        return 0o711 if os.geteuid() == 0 else 0o700

    def in_use(self) -> bool:
        """Whether servers have ever been started here."""
        return (self.root / "credentials.json").exists()

    def folder(self, *names: str) -> Path:
        """A folder below the home, made when missing."""
        path = self.root
        self._make(path)
        for name in names:
            path /= name
            self._make(path)
        return path

    def _make(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True, mode=self.mode)
            if path == self.root and path.stat().st_uid == os.geteuid():
                path.chmod(self.mode)
        except OSError as error:
            raise Invalid(
                f"BATTCRM_HOME: {path} cannot be made or used: {error.strerror}",
                field="BATTCRM_HOME",
                remedy="set BATTCRM_HOME to a folder this user may write",
                code="embedded.home",
            ) from error

    def log(self, server: str) -> Path:
        """The server's log, the previous one set aside when it has grown large."""
        path = self.folder(server) / "server.log"
        if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def credentials(self) -> Credentials:
        """The passwords of this home, made at first use. The caller holds the lock."""
        path = self.folder() / "credentials.json"
        names = [field.name for field in fields(Credentials)]
        if not path.exists():
            write_private(path, json.dumps({name: secrets.token_urlsafe(24) for name in names}))
        try:
            known = json.loads(path.read_text())
            return Credentials(**{name: str(known[name]) for name in names})
        except (ValueError, KeyError, OSError) as error:
            raise Invalid(
                f"{path} cannot be read as the embedded servers' passwords",
                field="BATTCRM_HOME",
                remedy=f"restore {path}, or remove {self.root} to start with empty servers",
                code="embedded.credentials",
            ) from error

    def record(self, server: str) -> Record | None:
        """What is known to have been started, or None. An unreadable record counts as none."""
        try:
            raw = json.loads((self.root / server / "record.json").read_text())
            return Record(tuple(int(p) for p in raw["ports"]), int(raw["pid"]), float(raw["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember(self, server: str, record: Record) -> None:
        """Replace the record in one step."""
        write_private(self.folder(server) / "record.json", json.dumps(asdict(record)))

    @asynccontextmanager
    async def lock(self, *, timeout: float = 120.0) -> AsyncIterator[None]:
        """Serialises starts and stops of one home. The kernel drops it with its holder, however that ends."""
        handle = os.open(self.folder() / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _acquire(handle, timeout, self.root)
            yield
        finally:
            os.close(handle)


async def _acquire(handle: int, timeout: float, root: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if loop.time() > deadline:
                raise Transient(
                    f"another process has been starting or stopping the servers of {root} for {timeout:.0f} s",
                    code="embedded.locked",
                ) from None
        await asyncio.sleep(_LOCK_POLL_SECONDS)


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)

"""One set of embedded servers for a whole test run, shared by its xdist workers, started by whoever asks first."""

from __future__ import annotations

import asyncio
import concurrent.futures
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_RUN = "BATTCRM_TEST_RUN"
_START_SECONDS = 600


@dataclass(frozen=True)
class Servers:
    """How to reach the run's servers."""

    postgres_url: str
    worker_url: str
    api_url: str
    redis_url: str
    neo4j_url: str
    neo4j_user: str
    neo4j_password: str
    graph_http_url: str


class TestRun:
    """This process's part in the run. Costs one folder until servers are asked for."""

    __test__ = False

    def __init__(self) -> None:
        self._creator = _RUN not in os.environ
        if self._creator:
            folder = tempfile.mkdtemp(prefix="battcrm-tests-")
            if os.geteuid() == 0:
                os.chmod(folder, 0o711)  # root's PostgreSQL runs as another user
            os.environ[_RUN] = folder
        self.folder = Path(os.environ[_RUN])
        self._lock = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._keeper: subprocess.Popen[bytes] | None = None

    def leave(self) -> None:
        """The keeper stops the servers when the last process has left."""
        os.close(self._lock)
        if self._keeper is not None:
            if self._creator:
                self._keeper.wait(60)
            else:
                self._keeper.returncode = 0  # it outlives this worker; the run's last process lets it end
        elif self._creator and not (self.folder / "keeper.log").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._creator:
            os.environ.pop(_RUN, None)

    def servers(self) -> Servers:
        """The running servers, started when nobody has yet."""
        ready = self.folder / "ready.json"
        with exclusive(self.folder / "start.lock"):
            if not ready.exists():
                self._start_keeper(ready)
        known = json.loads(ready.read_text())
        return Servers(**{name: known[name] for name in Servers.__dataclass_fields__})

    def _start_keeper(self, ready: Path) -> None:
        log = self.folder / "keeper.log"
        with log.open("wb") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("keeper.py")), str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the test servers did not start:\n{log.read_text() if log.exists() else ''}")
            time.sleep(0.02)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock between the processes of a run."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a synchronous fixture, on a loop of another thread."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()

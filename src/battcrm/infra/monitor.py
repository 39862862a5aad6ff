"""`/metrics`, `/healthz` and `/readyz` of a process, from a thread of its own: they answer while the event loop cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson

from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Pool
from battcrm.infra.telemetry import METRICS, exposition
from battcrm.kit.errors import Invalid

_PATIENCE: Final = 3.0
Answer = tuple[int, dict[str, Any]]
Ready = Callable[[], Awaitable[Answer]]


def alive() -> Answer:
    """200 while every loop of this process makes progress, else 503 with the names of those that do not."""
    stalled = HEALTH.stalled()
    return (503, {"ok": False, "stalled": stalled}) if stalled else (200, {"ok": True})


async def ready(pool: Pool) -> Answer:
    """200 when PostgreSQL answers within two seconds, for without it no role can do anything, and every role takes work."""
    try:
        async with asyncio.timeout(2):
            await pool.fetchval("SELECT 1 /* all tenants: is anybody there */")
    except UNAVAILABLE as error:
        METRICS.database.set(0)
        return 503, {"ok": False, "database": type(error).__name__}
    METRICS.database.set(1)
    warming = HEALTH.warming()
    return (503, {"ok": False, "warming": warming}) if warming else (200, {"ok": True})


@contextmanager
def serving(host: str, port: int | None, is_ready: Ready | None = None) -> Iterator[int | None]:
    """Serve the three addresses; yields the port, None without one. `is_ready` runs on the loop that calls this.

    `port` 0 picks a free one. Invalid when the port is taken.
    """
    if port is None:
        yield None
        return
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        raise Invalid(
            f"cannot listen on {host}:{port}: {error.strerror}",
            field="BATTCRM_METRICS_PORT",
            remedy="choose a free port for each process",
        ) from error
    if is_ready is not None:
        server.ask = (asyncio.get_running_loop(), is_ready)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="monitor", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    ask: tuple[asyncio.AbstractEventLoop, Ready] | None = None

    def readiness(self) -> Answer:
        """Asked on the loop, so that one that stands still is not ready either."""
        if self.ask is None:
            return alive()
        loop, is_ready = self.ask
        waiting = asyncio.run_coroutine_threadsafe(_awaited(is_ready), loop)
        try:
            return waiting.result(_PATIENCE)
        except TimeoutError:
            waiting.cancel()
            return 503, {"ok": False, "stalled": ["event loop"]}


async def _awaited(is_ready: Ready) -> Answer:
    return await is_ready()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, exposition(), "text/plain; version=0.0.4")
        elif path == "/healthz":
            self._json(alive())
        elif path == "/readyz":
            self._json(self.server.readiness())
        else:
            self._json((404, {"error": "ask for /metrics, /healthz or /readyz"}))

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds and say nothing."""

    def _json(self, answer: Answer) -> None:
        self._answer(answer[0], orjson.dumps(answer[1]), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

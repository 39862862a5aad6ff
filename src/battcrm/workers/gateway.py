"""The gateway role: webhooks and the web chat over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from battcrm.infra import monitor
from battcrm.infra.telemetry import exposition
from battcrm.transport.door import Door
from battcrm.transport.gateway import PREFIX, Gateway
from battcrm.transport.webchat.feed import DoorOfChat, PgChatAccounts, PgChatFeed
from battcrm.transport.webchat.routes import WebchatRoutes
from battcrm.workers.paces import DOOR
from battcrm.workers.runtime import Runtime

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class GatewayApp:
    """ASGI: hooks go straight to the door, everything else through FastAPI."""

    def __init__(self, runtime: Runtime) -> None:
        self.door = Door(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, pace=DOOR)
        self._hooks = Gateway(self.door, runtime.channels)
        self.chat = WebchatRoutes(
            PgChatAccounts(runtime.channels),
            DoorOfChat(self.door),
            PgChatFeed(runtime.pool, runtime.wakeups),
            runtime.clock,
        )
        self._app = _application(runtime, self.chat)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Dispatch one connection."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._hooks(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _application(runtime: Runtime, chat: WebchatRoutes) -> FastAPI:
    app = FastAPI(title="BattCRM gateway", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(chat.router())

    async def healthz(_request: Any) -> Response:
        status, body = monitor.alive()
        return JSONResponse(body, status)

    async def readyz(_request: Any) -> Response:
        status, body = await monitor.ready(runtime.pool)
        return JSONResponse(body, status)

    async def metrics(_request: Any) -> Response:
        return Response(exposition(), media_type="text/plain; version=0.0.4")

    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", metrics)
    return app


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the process has one owner of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals to the supervisor."""
        yield


async def run(runtime: Runtime) -> None:
    """Serve until cancelled, then finish the requests under way."""
    settings = runtime.settings
    app = GatewayApp(runtime)
    config = uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        proxy_headers=False,
        loop="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        server_header=False,
        date_header=False,
        backlog=2048,
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        app.chat.close()
        server.should_exit = True
        await serving
        await app.door.drain()
        raise

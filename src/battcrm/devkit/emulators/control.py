"""An emulator as a process of its own: its command line, and its control API over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from battcrm.devkit.emulators.base import ANY, Emulator, Fault, json_answer
from battcrm.kit.text import loads


def add_control(emulator: Emulator, acts: Sequence[str]) -> None:
    """Routes under /_control: POST act/<name> (arguments as JSON object), fault; GET log?after=N and health."""

    async def act(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in acts:
            raise web.HTTPNotFound
        try:
            result = getattr(emulator, name)(**await _body(request))
        except (KeyError, TypeError, ValueError) as error:
            return json_answer({"error": str(error)}, 422)
        return json_answer({"result": result if isinstance(result, str | int | list | dict) else None})

    async def fault(request: web.Request) -> web.Response:
        body = await _body(request)
        scope = {key: str(body.pop(key, ANY)) for key in ("method", "account", "chat")}
        times = int(body.pop("times", 1))
        emulator.faults.add(Fault(**body), times=times, **scope)
        return json_answer({"ok": True})

    async def log(request: web.Request) -> web.Response:
        after = int(request.query.get("after", "0"))
        return json_answer([asdict(item) for item in emulator.log.all[after : after + 10_000]])

    async def health(_: web.Request) -> web.Response:
        return json_answer({"ok": True, "received": len(emulator.log.all)})

    emulator.app.router.add_post("/_control/act/{name}", act)
    emulator.app.router.add_post("/_control/fault", fault)
    emulator.app.router.add_get("/_control/log", log)
    emulator.app.router.add_get("/_control/health", health)


async def _body(request: web.Request) -> dict[str, Any]:
    body = loads(await request.read())
    if not isinstance(body, dict):
        raise web.HTTPUnprocessableEntity
    return body


def run(kind: str, make: Callable[..., Emulator], acts: Sequence[str]) -> None:
    """The command line of a platform's emulator: whoever writes to it is known to it."""
    parser = parser_of(kind)
    parser.add_argument("--time-factor", type=float, default=1.0, help="scales pauses between delivery attempts")
    options = parser.parse_args()
    serve(
        lambda: make(port=options.port, open_registration=True, open_chats=True, time_factor=options.time_factor), acts
    )


def parser_of(kind: str) -> argparse.ArgumentParser:
    """What all emulators take."""
    parser = argparse.ArgumentParser(prog=f"python -m battcrm.devkit.emulators.{kind}")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    return parser


def serve(make: Callable[[], Emulator], acts: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM; the first line of standard output is the address."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(make, acts))
    else:
        uvloop.run(_serve(make, acts))


async def _serve(make: Callable[[], Emulator], acts: Sequence[str]) -> None:
    emulator = make()
    add_control(emulator, acts)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with emulator:
        sys.stdout.write(f"{emulator.url}\n")
        sys.stdout.flush()
        await stop.wait()

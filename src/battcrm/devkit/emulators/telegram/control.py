"""The control API over HTTP, for emulators that run in a process of their own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from battcrm.devkit.emulators.base import ANY, Fault, json_answer
from battcrm.devkit.emulators.telegram.server import TelegramEmulator
from battcrm.kit.text import loads

_ACTS = ("user_says", "edit", "press", "block", "unblock")


def add_control(emulator: TelegramEmulator) -> None:
    """Routes under /_control: POST bot, act/<name>, fault; GET log?after=N (items from position N) and health."""

    async def bot(request: web.Request) -> web.Response:
        body = await _body(request)
        return json_answer(emulator.add_bot(**body).describe())

    async def act(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _ACTS:
            raise web.HTTPNotFound
        try:
            result = getattr(emulator, name)(**await _body(request))
        except (KeyError, TypeError) as error:
            return json_answer({"error": str(error)}, 422)
        return json_answer({"result": result})

    async def fault(request: web.Request) -> web.Response:
        body = await _body(request)
        scope = {key: body.pop(key, ANY) for key in ("method", "account", "chat")}
        times = int(body.pop("times", 1))
        emulator.faults.add(Fault(**body), times=times, **scope)
        return json_answer({"ok": True})

    async def log(request: web.Request) -> web.Response:
        after = int(request.query.get("after", "0"))
        return json_answer([asdict(item) for item in emulator.log.all[after : after + 10_000]])

    async def health(_: web.Request) -> web.Response:
        return json_answer({"ok": True, "received": len(emulator.log.all)})

    emulator.app.router.add_post("/_control/bot", bot)
    emulator.app.router.add_post("/_control/act/{name}", act)
    emulator.app.router.add_post("/_control/fault", fault)
    emulator.app.router.add_get("/_control/log", log)
    emulator.app.router.add_get("/_control/health", health)


async def _body(request: web.Request) -> dict[str, Any]:
    body = loads(await request.read())
    if not isinstance(body, dict):
        raise web.HTTPUnprocessableEntity
    return body

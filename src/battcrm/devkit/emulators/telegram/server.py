"""The emulated Bot API server and the people on its other side."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Any

from aiohttp import web

from battcrm.devkit.emulators.base import Emulator, Fault, cut_connection, json_answer
from battcrm.devkit.emulators.delivery import Delivery, Target, WebhookQueue
from battcrm.devkit.emulators.telegram import checks
from battcrm.devkit.emulators.telegram.methods import METHODS, Upload, World
from battcrm.devkit.emulators.telegram.people import People
from battcrm.devkit.emulators.telegram.state import ApiError, Bot
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.text import loads

_TOKEN = re.compile(r"(\d{5,}):[A-Za-z0-9_-]{3,}")
_BAD_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


class TelegramEmulator(People, Emulator):
    """Bot API on loopback. Faults by method (lower case), bot id and chat: see devkit/emulators/base.py; for deliveries
    the method is `update` with kinds `duplicate` and `out_of_order`.

    `open_registration`: any well-formed token is a bot; `open_chats`: any chat id may be written to (load tests).
    `time_factor` scales the pauses between delivery attempts.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        open_registration: bool = False,
        open_chats: bool = False,
        insecure_webhooks: bool = True,
        time_factor: float = 1.0,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self.bots: dict[str, Bot] = {}
        self._open = open_registration
        self._world = World(self.clock, self.log, insecure_webhooks, open_chats)
        self._time_factor = time_factor
        self._http = AioHttp(allow_private=True)
        self.app.router.add_route("*", "/bot{token}/{method}", self._call)
        self.app.router.add_get("/file/bot{token}/{path:.+}", self._download)

    async def stop(self) -> None:
        """Stop deliveries, then the server."""
        for bot in self.bots.values():
            await bot.queue.close()
        await self._http.close()
        await super().stop()

    def add_bot(self, token: str, username: str = "pochinim_demo_bot") -> Bot:
        """Register a bot by its token (`<digits>:<secret>`)."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise ValueError("a bot token is <digits>:<letters, digits, _ or ->")

        def failed(_: Delivery, reason: str) -> None:
            bot.last_error = (self.clock.now().timestamp(), reason)

        queue = WebhookQueue(self._http, self.clock, Target(), time_factor=self._time_factor, failed=failed)
        bot = self.bots[token] = Bot(token, int(found[1]), username, queue)
        return bot

    def bot(self, token: str) -> Bot | None:
        """The bot of a token; with open registration a well-formed token makes one."""
        found = self.bots.get(token)
        if found is None and self._open and _TOKEN.fullmatch(token):
            return self.add_bot(token, f"bot{token.partition(':')[0]}_bot")
        return found

    async def _call(self, request: web.Request) -> web.StreamResponse:
        token, method = request.match_info["token"], request.match_info["method"].lower()
        bot = self.bot(token)
        try:
            if bot is None:
                raise ApiError(401, "Unauthorized") if _TOKEN.fullmatch(token) else ApiError(404, "Not Found")
            if bot.revoked:
                raise ApiError(401, "Unauthorized")
            if method not in checks.PARAMETERS:
                raise ApiError(404, "Not Found: method not found")
            arguments = checks.decoded(await _arguments(request))
            return await self._answer(request, bot, method, arguments)
        except ApiError as error:
            return _refusal(error)

    async def _answer(
        self, request: web.Request, bot: Bot, method: str, arguments: dict[str, Any]
    ) -> web.StreamResponse:
        fault = self.faults.take(method, str(bot.id), str(arguments.get("chat_id", "")))
        if fault is not None:
            early = await self._fault_before(bot, fault)
            if early is not None:
                return early
        checks.known_parameters(method, arguments)
        if method == "getupdates":
            return json_answer({"ok": True, "result": await self._updates(bot, arguments)})
        result = METHODS[method](self._world, bot, arguments)
        if fault is not None and fault.kind == "lost_answer":
            return cut_connection(request)
        return json_answer({"ok": True, "result": result})

    async def _fault_before(self, bot: Bot, fault: Fault) -> web.Response | None:
        """What the fault answers instead of doing the work; None = the work is done."""
        if fault.kind == "server_error":
            return web.Response(status=fault.status, body=_BAD_GATEWAY, content_type="text/html")
        if fault.kind == "rate_limited":
            wait = max(1, int(fault.seconds))
            raise ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        if fault.kind == "revoked":
            bot.revoked = True
            raise ApiError(401, "Unauthorized")
        if fault.kind == "blocked":
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if fault.kind == "migrated":
            raise ApiError(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100777)
        if fault.kind == "slow":
            await self.clock.sleep(fault.seconds)
        elif fault.kind != "lost_answer":
            raise ApiError(500, f"Internal Server Error: unknown fault {fault.kind}")
        return None

    async def _updates(self, bot: Bot, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        if bot.webhook is not None:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        offset, limit = checks.integer(arguments, "offset", 0), checks.integer(arguments, "limit", 100)
        timeout = min(max(checks.integer(arguments, "timeout", 0), 0), 50)
        if isinstance(arguments.get("allowed_updates"), list) and arguments["allowed_updates"]:
            bot.allowed = tuple(str(k) for k in arguments["allowed_updates"])
        if offset > 0:
            bot.pending = deque(u for u in bot.pending if u["update_id"] >= offset)
        bot.end_poll(replaced=True)
        if not bot.pending and timeout and await self._replaced(bot, timeout):
            raise ApiError(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        return list(bot.pending)[: min(max(limit, 1), 100)]

    async def _replaced(self, bot: Bot, timeout: float) -> bool:
        """Wait for an update (False, also after the time-out) or for another poller (True)."""
        bot.poll = mine = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(mine, timeout)
        except TimeoutError:
            return False

    async def _download(self, request: web.Request) -> web.StreamResponse:
        bot = self.bot(request.match_info["token"])
        if bot is None or bot.revoked:
            return _refusal(ApiError(401, "Unauthorized"))
        for path, content in bot.files.values():
            if path == request.match_info["path"]:
                return web.Response(body=content, content_type="application/octet-stream")
        return _refusal(ApiError(404, "Not Found"))


def _refusal(error: ApiError) -> web.Response:
    document: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        document["parameters"] = error.parameters
    return json_answer(document, error.code)


async def _arguments(request: web.Request) -> dict[str, Any]:
    """Query, JSON, form and multipart arguments together; later ones win."""
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = loads(await request.read())
        except ValueError:
            raise ApiError(400, "Bad Request: can't parse JSON object") from None
        if not isinstance(body, dict):
            raise ApiError(400, "Bad Request: object expected in the request body")
        return arguments | {k: v for k, v in body.items() if v is not None}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            arguments[name] = Upload(value.filename, value.file.read(), value.content_type)
        else:
            arguments[name] = value
    return arguments

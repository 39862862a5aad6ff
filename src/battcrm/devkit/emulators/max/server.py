"""The emulated MAX API: messages, keyboards, two-step uploads, subscriptions, long poll."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from battcrm.devkit.emulators.base import Emulator, Fault, Received, cut_connection, json_answer
from battcrm.devkit.emulators.delivery import Delivery, Target, WebhookQueue
from battcrm.devkit.emulators.max import checks
from battcrm.devkit.emulators.max.people import People
from battcrm.devkit.emulators.max.state import UPDATE_TYPES, ApiError, Bot, Dialog, Subscription, Upload
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.text import loads

ANSWER_IN: Final = 30.0
ATTEMPTS: Final = 10
EIGHT_HOURS: Final = 8 * 3600.0
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{5,256}")
_RETVAL: Final = b"<?xml version='1.0' encoding='UTF-8'?><retval>1</retval>"
_INVALID_TOKEN: Final = (401, "verify.token", "Invalid access_token")

Answer = Callable[[web.Request, Bot, Fault | None], Awaitable[web.StreamResponse]]


class MaxEmulator(People, Emulator):
    """MAX on loopback. Faults by method (`messages`, `edit`, `remove`, `answers`, `actions`, `uploads`, `me`,
    `subscriptions`, `updates`), bot id and chat: see devkit/emulators/base.py; also `not_ready` and `unmoderated`. For deliveries
    the method is `webhook` with `duplicate` and `out_of_order`.

    `open_registration`: a token `<number>-…` nobody knows becomes the bot of that number. `open_chats`: anybody may be
    written to. Webhooks must be https on port 443, except on loopback.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        open_registration: bool = False,
        open_chats: bool = False,
        time_factor: float = 1.0,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self.bots: dict[int, Bot] = {}
        self._open_registration, self._open_chats = open_registration, open_chats
        self._time_factor = time_factor
        self._http = AioHttp(allow_private=True)
        add = self.app.router.add_route
        add("POST", "/upload/{bot}/{upload}", self._put)
        add("GET", "/files/{name}", self._file)
        for method, path, name, handler in (
            ("GET", "/me", "me", self._me),
            ("GET", "/subscriptions", "subscriptions", self._subscriptions),
            ("POST", "/subscriptions", "subscribe", self._subscribe),
            ("DELETE", "/subscriptions", "unsubscribe", self._unsubscribe),
            ("GET", "/updates", "updates", self._updates),
            ("POST", "/messages", "messages", self._send),
            ("PUT", "/messages", "edit", self._edit),
            ("DELETE", "/messages", "remove", self._remove),
            ("POST", "/answers", "answers", self._answer),
            ("POST", "/uploads", "uploads", self._uploads),
            ("POST", "/chats/{chat}/actions", "actions", self._action),
            ("GET", "/videos/{video}", "videos", self._video),
        ):
            add(method, path, self._guarded(name, handler))

    async def stop(self) -> None:
        """Stop deliveries, then the server."""
        for bot in self.bots.values():
            for subscription in bot.subscriptions.values():
                await subscription.queue.close()
        await self._http.close()
        await super().stop()

    def add_bot(self, token: str, bot_id: int, name: str = "Сервис «Починим»", username: str = "") -> Bot:
        """Register a bot by its token."""
        bot = self.bots[bot_id] = Bot(token, bot_id, name, username or f"id{bot_id}_bot")
        return bot

    def register(self, token: str, bot_id: int) -> dict[str, Any]:
        """`add_bot` for the control API."""
        return {"id": self.add_bot(token, bot_id).id}

    def _guarded(self, name: str, handler: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Authorisation, scripted faults and MAX's error bodies around a handler."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                bot = self._who(request)
                chat = (
                    request.match_info.get("chat") or request.query.get("chat_id") or request.query.get("user_id", "")
                )
                fault = self.faults.take(name, str(bot.id), chat)
                early = await self._before(bot, fault)
                if early is not None:
                    return early
                answer = await handler(request, bot, fault)
                return cut_connection(request) if fault and fault.kind == "lost_answer" else answer
            except ApiError as error:
                return json_answer(error.document(), error.status)

        return guarded

    def _who(self, request: web.Request) -> Bot:
        """The token stands bare in the header; nowhere else is it taken any more."""
        token = request.headers.get("Authorization", "")
        bot = next((b for b in self.bots.values() if b.token == token), None)
        number = token.partition("-")[0]
        if bot is None and self._open_registration and number.isdigit():
            bot = self.add_bot(token, int(number))
        if bot is None or bot.revoked or "access_token" in request.query:
            raise ApiError(*_INVALID_TOKEN)
        return bot

    async def _before(self, bot: Bot, fault: Fault | None) -> web.Response | None:
        if fault is None or fault.kind == "lost_answer":
            return None
        if fault.kind == "server_error":
            return web.Response(status=fault.status, body=b"<html>Bad Gateway</html>", content_type="text/html")
        if fault.kind == "slow":
            await self.clock.sleep(fault.seconds)
            return None
        if fault.kind == "revoked":
            bot.revoked = True
        refusals = {
            "rate_limited": ApiError(429, "too.many.requests", "Rate limit exceeded"),
            "revoked": ApiError(*_INVALID_TOKEN),
            "blocked": _suspended(0),
            "unmoderated": ApiError(403, "chat.denied", "Key: error.bot.not.moderated"),
            "not_ready": checks.not_ready(),
        }
        raise refusals.get(fault.kind) or ApiError(500, "internal", f"unknown fault {fault.kind}")

    async def _me(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        checks.only(request.query, set(), "query")
        return json_answer(bot.card())

    async def _subscriptions(self, _: web.Request, bot: Bot, __: Fault | None) -> web.StreamResponse:
        found = [
            {"url": s.url, "time": s.since, "update_types": sorted(s.update_types)} for s in bot.subscriptions.values()
        ]
        return json_answer({"subscriptions": found})

    async def _subscribe(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        body = await _json(request)
        checks.only(body, {"url", "update_types", "secret"}, "body")
        url, secret = str(body.get("url") or ""), body.get("secret")
        local = url.startswith("http://127.0.0.1:")
        if not local and not re.fullmatch(r"https://[^/:]+(:443)?/.*", url):
            raise checks.bad("url: must be https on port 443")
        if secret is not None and not (isinstance(secret, str) and _SECRET.fullmatch(secret)):
            raise checks.bad("secret: must match ^[a-zA-Z0-9_-]{5,256}$")
        types = body.get("update_types")
        if types is not None and (not isinstance(types, list) or not UPDATE_TYPES.issuperset(types)):
            raise checks.bad("update_types: unknown type")
        old = bot.subscriptions.pop(url, None)
        if old is not None:
            await old.queue.close()
        queue = self._queue(bot, url)
        wanted = frozenset(types or UPDATE_TYPES)
        bot.subscriptions[url] = Subscription(url, secret or "", wanted, queue, self.now_ms())
        return json_answer({"success": True})

    def _queue(self, bot: Bot, url: str) -> WebhookQueue:
        """Only 200 counts; ten tries, then the update is lost; eight hours of failures drop the subscription."""
        first_failure: list[float] = []

        def accepted(answer: Any) -> bool:
            good = bool(answer.status == 200)
            if good:
                first_failure.clear()
            return good

        def failed(delivery: Delivery, _: str) -> None:
            now = self.clock.monotonic()
            if not first_failure:
                first_failure.append(now)
            if delivery.attempts >= ATTEMPTS or now - first_failure[0] > EIGHT_HOURS * self._time_factor:
                bot.subscriptions.pop(url, None)
                bot.dropped.append(url)
                queue.target = Target()

        queue = WebhookQueue(
            self._http,
            self.clock,
            Target(url, timeout=ANSWER_IN),
            time_factor=self._time_factor,
            first_pause=60.0,
            growth=2.5,
            longest_pause=EIGHT_HOURS,
            give_up=EIGHT_HOURS,
            accepted=accepted,
            failed=failed,
        )
        return queue

    async def _unsubscribe(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        checks.only(request.query, {"url"}, "query")
        found = bot.subscriptions.pop(request.query.get("url", ""), None)
        if found is None:
            return json_answer({"success": False, "message": "Subscription not found"})
        await found.queue.close()
        return json_answer({"success": True})

    async def _updates(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        query = request.query
        checks.only(query, {"limit", "timeout", "marker", "types"}, "query")
        limit, wait = (
            checks.number(query.get("limit", "100"), "limit"),
            checks.number(query.get("timeout", "30"), "timeout"),
        )
        if not (1 <= limit <= 1000 and 0 <= wait <= 90):
            raise checks.bad("limit: 1–1000, timeout: 0–90")
        if bot.subscriptions:
            raise checks.bad("updates: the bot has a webhook subscription")
        types = set(query["types"].split(",")) if query.get("types") else set(UPDATE_TYPES)
        # Without a marker MAX gives the last update only.
        start = checks.number(query["marker"], "marker") if "marker" in query else bot.marker - 1
        deadline = self.clock.monotonic() + wait
        while True:
            found = [(n, u) for n, u in bot.history if n >= start and u["update_type"] in types][:limit]
            if found or self.clock.monotonic() >= deadline:
                marker = found[-1][0] + 1 if found else bot.marker
                return json_answer({"updates": [u for _, u in found], "marker": marker})
            await asyncio.sleep(0.01)

    def _dialog(self, request: web.Request, bot: Bot) -> Dialog:
        checks.only(request.query, {"chat_id", "user_id", "disable_link_preview"}, "query")
        by_user = request.query.get("user_id")
        if (by_user is None) == ("chat_id" not in request.query):
            raise checks.bad("query: exactly one of chat_id and user_id")
        if by_user is not None:
            user = checks.number(by_user, "user_id")
            found = next((d for d in bot.dialogs.values() if d.user["user_id"] == user), None)
        else:
            user = checks.number(request.query["chat_id"], "chat_id")
            found = bot.dialogs.get(user)
        if found is None and self._open_chats:
            found = bot.dialogs[user] = Dialog(user, self._card(user))
        if found is None:
            raise ApiError(404, "chat.not.found", f"Chat {user} not found")
        return found

    async def _send(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        place = self._dialog(request, bot)
        body = await _json(request)
        text, titles, attached = checks.message(bot, body)
        if place.suspended:
            raise _suspended(int(place.user["user_id"]))
        kept: dict[str, Any] = {name: body[name] for name in ("text", "attachments") if name in body}
        message = self.make(bot, place, kept, bot.card(), int(place.user["user_id"]))
        mid = str(message["body"]["mid"])
        place.messages[mid] = message
        place.ours.add(mid)
        at, chat = self.clock.monotonic(), str(place.chat_id)
        self.log.add(Received(at, str(bot.id), chat, "messages", mid, text, titles, attached, body))
        return json_answer({"message": message})

    def _own(self, request: web.Request, bot: Bot) -> tuple[Dialog, str]:
        checks.only(request.query, {"message_id"}, "query")
        mid = request.query.get("message_id", "")
        place = next((d for d in bot.dialogs.values() if mid in d.ours and mid in d.messages), None)
        if place is None:
            raise ApiError(404, "message.not.found", f"Message {mid} not found")
        return place, mid

    async def _edit(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        """An absent `attachments` keeps what is there, an empty list removes it."""
        place, mid = self._own(request, bot)
        body = await _json(request)
        checks.message(bot, body)
        kept = {name: body[name] for name in ("text", "attachments") if body.get(name) is not None}
        place.messages[mid]["body"].update(kept)
        return json_answer({"success": True})

    async def _remove(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        place, mid = self._own(request, bot)
        del place.messages[mid]
        return json_answer({"success": True})

    async def _answer(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        checks.only(request.query, {"callback_id", "disable_link_preview"}, "query")
        body = await _json(request)
        checks.only(body, {"message", "notification"}, "body")
        callback = request.query.get("callback_id", "")
        if callback not in bot.presses:
            raise ApiError(404, "callback.not.found", "Callback not found")
        if not body.get("notification") and not body.get("message"):
            raise checks.bad("message or notification is required")
        bot.presses[callback] = str(body.get("notification") or "")
        return json_answer({"success": True})

    async def _action(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        body = await _json(request)
        checks.only(body, {"action"}, "body")
        chat = checks.number(request.match_info["chat"], "chatId")
        if chat not in bot.dialogs or body.get("action") not in ("typing_on", "sending_photo", "sending_file"):
            raise checks.bad("action: unknown chat or action")
        bot.actions.append((chat, str(body["action"])))
        return json_answer({"success": True})

    async def _uploads(self, request: web.Request, bot: Bot, _: Fault | None) -> web.StreamResponse:
        """Video and sound get their token here, pictures and files from the upload itself."""
        checks.only(request.query, {"type"}, "query")
        kind = request.query.get("type", "")
        if kind not in ("image", "video", "audio", "file"):
            raise checks.bad("type: must be image, video, audio or file")
        number = str(len(bot.uploads) + 1)
        upload = bot.uploads[number] = Upload(kind, f"uploaded-{kind}-{number}")
        answer = {"url": f"{self.url}/upload/{bot.id}/{number}"}
        return json_answer(answer | ({"token": upload.token} if kind in ("video", "audio") else {}))

    async def _put(self, request: web.Request) -> web.StreamResponse:
        """An address takes one file, in the part `data`. A token that came along is noted: it belongs to no other host."""
        bot = self.bots.get(int(request.match_info["bot"]))
        upload = bot.uploads.get(request.match_info["upload"]) if bot else None
        part = (await request.post()).get("data")
        if bot is None or upload is None or upload.content is not None or not isinstance(part, web.FileField):
            return web.Response(status=400, body=b"<retval>0</retval>", content_type="text/xml")
        if "Authorization" in request.headers:
            bot.leaks.append(upload.token)
        upload.content, upload.filename = part.file.read(), part.filename
        if upload.kind == "image":
            return json_answer({"photos": {f"{upload.token}==": {"token": upload.token}}})
        if upload.kind == "file":
            return json_answer({"fileId": 1, "token": upload.token})
        return web.Response(body=_RETVAL, content_type="text/xml")

    async def _video(self, request: web.Request, _: Bot, __: Fault | None) -> web.StreamResponse:
        name = request.match_info["video"]
        return json_answer({"token": name, "urls": {"mp4_480": f"{self.url}/files/{name}", "hls": None}})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Any file that people sent; signed addresses take no token."""
        if "Authorization" in request.headers:
            return web.Response(status=400)
        return web.Response(body=f"bytes of {request.match_info['name']}".encode())


def _suspended(user: int) -> ApiError:
    return ApiError(403, "chat.denied", f"Key: error.dialog.suspended, args: [{user},].")


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = loads(await request.read())
    except ValueError:
        raise checks.bad("the body is no JSON") from None
    if not isinstance(body, dict):
        raise checks.bad("the body is no object")
    return body

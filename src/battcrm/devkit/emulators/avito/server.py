"""The emulated Avito API: tokens, chats, messages, pictures, webhook subscriptions."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from battcrm.devkit.emulators.avito import checks
from battcrm.devkit.emulators.avito.people import People
from battcrm.devkit.emulators.avito.state import Account, ApiError, Chat
from battcrm.devkit.emulators.base import Emulator, Fault, Received, cut_connection, json_answer
from battcrm.devkit.emulators.delivery import Target, WebhookQueue
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.kit.text import loads

ANSWER_IN: Final = 2.0
GIVE_UP: Final = 300.0
_LIMITS: Final = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"}

Answer = Callable[[web.Request, Account, Fault | None], Awaitable[web.StreamResponse]]


class AvitoEmulator(People, Emulator):
    """Avito on loopback. Faults by method (`token`, `self`, `messages`, `image`, `upload`, `chats`, `chat`, `history`,
    `read`, `voice`, `subscribe`), account id and chat: see devkit/emulators/base.py; also `unpaid` and `token_expired`.
    For deliveries the method is `webhook` with `duplicate`, `out_of_order` and `lost`.

    `open_registration`: an unknown numeric `client_id` becomes the account of that number. `open_chats`: anybody may be
    written to. `bare_history` answers histories as the documents show them, without the object around. A webhook has
    `answer_in` seconds.
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
        bare_history: bool = False,
        answer_in: float = ANSWER_IN,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self.accounts: dict[int, Account] = {}
        self._open_registration, self._open_chats = open_registration, open_chats
        self._time_factor, self._bare_history = time_factor, bare_history
        self._answer_in = answer_in
        self._http = AioHttp(allow_private=True)
        self._routes()

    def _routes(self) -> None:
        add, one = self.app.router.add_route, "/messenger/{v:v1}/accounts/{user}/chats/{chat}"
        add("POST", "/token", self._token)
        add("GET", "/files/{size}/{image}", self._file)
        for method, path, name, handler in (
            ("GET", "/core/v1/accounts/self", "self", self._self),
            ("POST", "/messenger/v3/webhook", "subscribe", self._subscribe),
            ("POST", "/messenger/v1/subscriptions", "subscriptions", self._subscriptions),
            ("POST", "/messenger/v1/webhook/unsubscribe", "unsubscribe", self._unsubscribe),
            ("GET", "/messenger/v2/accounts/{user}/chats", "chats", self._chats),
            ("GET", "/messenger/v2/accounts/{user}/chats/{chat}", "chat", self._chat),
            ("GET", "/messenger/v3/accounts/{user}/chats/{chat}/messages/", "history", self._history),
            ("POST", "/messenger/v1/accounts/{user}/uploadImages", "upload", self._upload),
            ("GET", "/messenger/v1/accounts/{user}/getVoiceFiles", "voice", self._voice),
            ("POST", one + "/messages", "messages", self._send_text),
            ("POST", one + "/messages/image", "image", self._send_image),
            ("POST", one + "/messages/{message}", "delete", self._delete),
            ("POST", one + "/read", "read", self._read),
        ):
            add(method, path, self._guarded(name, handler))

    async def stop(self) -> None:
        """Stop deliveries, then the server."""
        for account in self.accounts.values():
            for queue in account.queues.values():
                await queue.close()
        await self._http.close()
        await super().stop()

    def add_account(self, client_id: str, client_secret: str, account_id: int, **fields: Any) -> Account:
        """Register a seller by the personal key; with `refresh_token` the key is an OAuth application's."""
        account = Account(client_id, client_secret, account_id, fields.pop("name", "Сервис «Починим»"), **fields)
        self.accounts[account_id] = account
        return account

    def register(self, client_id: str, client_secret: str, account_id: int) -> dict[str, Any]:
        """`add_account` for the control API."""
        return {"id": self.add_account(client_id, client_secret, account_id).id}

    def _guarded(self, name: str, handler: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Authorisation, scripted faults and Avito's error bodies around a handler."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                account = self._who(request)
                chat = request.match_info.get("chat", "")
                fault = self.faults.take(name, str(account.id), chat)
                early = await self._before(account, fault, request)
                if early is not None:
                    return early
                answer = await handler(request, account, fault)
                return cut_connection(request) if fault and fault.kind == "lost_answer" else answer
            except ApiError as error:
                return json_answer(error.document(), error.status, error.headers)

        return guarded

    def _who(self, request: web.Request) -> Account:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        now = self.clock.monotonic()
        owner = next((a for a in self.accounts.values() if a.tokens.get(token, 0.0) > now), None)
        if scheme != "Bearer" or owner is None or owner.revoked:
            raise ApiError(401, "Unauthorized")
        if request.match_info.get("user", str(owner.id)) != str(owner.id):
            raise ApiError(403, "Forbidden")
        if not owner.paid and request.path.startswith("/messenger/"):
            raise ApiError(402, "Payment required")
        return owner

    async def _before(self, account: Account, fault: Fault | None, request: web.Request) -> web.Response | None:
        if fault is None or fault.kind == "lost_answer":
            return None
        if fault.kind == "server_error":
            return web.Response(status=fault.status, body=b"<html>Bad Gateway</html>", content_type="text/html")
        if fault.kind == "slow":
            await self.clock.sleep(fault.seconds)
            return None
        if fault.kind == "revoked":
            account.revoked = True
        if fault.kind == "token_expired":
            account.tokens.pop(request.headers["Authorization"].removeprefix("Bearer "), None)
        refusals = {
            "rate_limited": ApiError(429, "Too many requests", _LIMITS),
            "throttled": ApiError(429, "Too many requests", {"Retry-After": str(max(1, int(fault.seconds)))}),
            "revoked": ApiError(401, "Unauthorized"),
            "token_expired": ApiError(401, "Unauthorized"),
            "unpaid": ApiError(402, "Payment required"),
            "blocked": ApiError(403, "Forbidden"),
        }
        raise refusals.get(fault.kind) or ApiError(500, f"unknown fault {fault.kind}")

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {str(name): str(value) for name, value in (await request.post()).items()}
        found = (a for a in self.accounts.values() if a.client_id == form.get("client_id"))
        account = next(found, None)
        if account is None and self._open_registration and form.get("client_id", "").isdigit():
            account = self.add_account(form["client_id"], form.get("client_secret", ""), int(form["client_id"]))
        if account is None or account.client_secret != form.get("client_secret") or account.revoked:
            return json_answer({"error": "invalid_client", "error_description": "Bad client credentials"}, 401)
        try:
            fault = self.faults.take("token", str(account.id), "")
            early = await self._before(account, fault, request)
            return early or json_answer(self._grant(account, form))
        except ApiError as error:
            return json_answer(error.document(), error.status, error.headers)

    def _grant(self, account: Account, form: dict[str, str]) -> dict[str, Any]:
        """A token; a refresh token works once, and personal keys have none."""
        kind = form.get("grant_type", "")
        checks.only(dict(form), {"grant_type", "client_id", "client_secret", "refresh_token", "code"})
        account.grants.append(kind)
        token = secrets.token_hex(11)
        answer = {"access_token": token, "expires_in": account.life, "token_type": "Bearer"}
        if kind == "refresh_token":
            if account.refresh_token is None or form.get("refresh_token") != account.refresh_token:
                raise ApiError(400, "invalid refresh token")
            account.tokens.clear()
        elif kind == "authorization_code":
            if form.get("code") != f"code-{account.id}":
                raise ApiError(400, "invalid code")
        elif kind != "client_credentials":
            raise ApiError(400, "unknown grant_type")
        if kind != "client_credentials":
            account.refresh_token = secrets.token_hex(20)
            answer |= {"refresh_token": account.refresh_token, "scope": "messenger:read,messenger:write"}
        account.tokens[token] = self.clock.monotonic() + account.life
        return answer

    async def _self(self, _: web.Request, account: Account, __: Fault | None) -> web.StreamResponse:
        url = f"https://avito.ru/user/{account.id}/profile"
        return json_answer({"id": account.id, "name": account.name, "email": "shop@mail.example", "profile_url": url})

    async def _subscribe(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        """The address is probed with an empty object and must answer 200 in time, that is in two seconds."""
        body = await _json(request)
        checks.only(body, {"url"})
        url = str(body.get("url") or "")
        try:
            head = {"Content-Type": "application/json"}
            answer = await self._http.request("POST", url, raw=b"{}", headers=head, timeout=self._answer_in)
        except BattError:
            raise checks.bad("url is not reachable") from None
        if answer.status != 200:
            raise checks.bad(f"url answered {answer.status}")
        if url not in account.queues:
            account.queues[url] = WebhookQueue(
                self._http,
                self.clock,
                Target(url, timeout=self._answer_in),
                time_factor=self._time_factor,
                longest_pause=60.0,
                give_up=GIVE_UP,
                accepted=lambda got: got.status == 200,
            )
        return json_answer({"ok": True})

    async def _subscriptions(self, _: web.Request, account: Account, __: Fault | None) -> web.StreamResponse:
        return json_answer({"subscriptions": [{"url": url, "version": "3"} for url in account.queues]})

    async def _unsubscribe(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        body = await _json(request)
        checks.only(body, {"url"})
        queue = account.queues.pop(str(body.get("url")), None)
        if queue is None:
            raise checks.bad("no such subscription")
        await queue.close()
        return json_answer({"ok": True})

    async def _chats(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        query = dict(request.query)
        limit, offset = checks.paging(query, {"unread_only", "chat_types", "item_ids"})
        kinds = query.get("chat_types", "u2i").split(",")
        chats = [c for c in account.chats.values() if c.kind in kinds and c.messages]
        if query.get("unread_only") == "true":
            chats = [c for c in chats if c.unread]
        chats.sort(key=lambda c: int(c.messages[-1]["created"]), reverse=True)
        return json_answer({"chats": [_described(account, c) for c in chats[offset : offset + limit]]})

    async def _chat(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        return json_answer(_described(account, self._place(request, account)))

    async def _history(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        limit, offset = checks.paging(dict(request.query), set())
        chat = self._place(request, account)
        page = list(reversed(chat.messages))[offset : offset + limit]
        return json_answer(page if self._bare_history else {"messages": page})

    def _place(self, request: web.Request, account: Account) -> Chat:
        name = request.match_info["chat"]
        if "~" in request.raw_path.partition("?")[0]:
            # Avito knows a chat by its strictly encoded name only.
            raise ApiError(404, "Not found")
        chat = account.chats.get(name)
        if chat is None and self._open_chats:
            chat = self.make_chat(account, name, 187_654_321, "Игорь", None)
        if chat is None:
            raise ApiError(404, "Not found")
        return chat

    async def _send_text(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        text = checks.text_message(await _json(request))
        return self._shown(request, account, "text", {"text": text}, text, None)

    async def _send_image(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        body = await _json(request)
        checks.only(body, {"image_id"})
        image = str(body.get("image_id"))
        if image not in account.images:
            raise checks.bad("image not found")
        return self._shown(request, account, "image", {"image": {"sizes": self.sizes(image)}}, "", "photo")

    def _shown(
        self,
        request: web.Request,
        account: Account,
        kind: str,
        content: dict[str, Any],
        text: str,
        attached: str | None,
    ) -> web.Response:
        chat = self._place(request, account)
        if chat.blocked:
            raise ApiError(403, "Forbidden")
        number = self.add(account, chat, kind, content, account.id)
        at = self.clock.monotonic()
        self.log.add(
            Received(at, str(account.id), chat.id, "messages", number, text, attachment=attached, payload=content)
        )
        created = chat.messages[-1]["created"]
        return json_answer({"id": number, "content": content, "created": created, "direction": "out", "type": kind})

    async def _delete(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        chat = self._place(request, account)
        found = chat.named(request.match_info["message"])
        if found is None or found["author_id"] != account.id:
            raise ApiError(404, "Not found")
        self.delete(account.id, chat.id, found["id"])
        return json_answer({})

    async def _read(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        chat = self._place(request, account)
        chat.unread = False
        account.read.append(chat.id)
        return json_answer({"ok": True})

    async def _upload(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        parts = (await request.post()).getall("uploadfile[]", [])
        if len(parts) != 1 or not isinstance(parts[0], web.FileField):
            raise checks.bad("one uploadfile[] is required")
        content = parts[0].file.read()
        checks.image(content, parts[0].content_type)
        image = self.store_image(account, content)
        return json_answer({image: self.sizes(image)})

    async def _voice(self, request: web.Request, account: Account, _: Fault | None) -> web.StreamResponse:
        wanted = [part for value in request.query.getall("voice_ids", []) for part in value.split(",")]
        known = {voice: f"{self.url}/files/voice/{voice}" for voice in wanted if voice in account.voices}
        return json_answer({"voices_urls": known})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["image"]
        voice = request.match_info["size"] == "voice"
        if "Authorization" in request.headers:
            return web.Response(status=400)
        for account in self.accounts.values():
            content = (account.voices if voice else account.images).get(name)
            if content is not None:
                return web.Response(body=content, content_type="audio/mp4" if voice else "image/jpeg")
        return web.Response(status=404)


def _described(account: Account, chat: Chat) -> dict[str, Any]:
    """A chat as v2 shows it."""
    last = chat.messages[-1] if chat.messages else None
    people = [{"id": chat.user_id, "name": chat.name}, {"id": account.id, "name": account.name}]
    document: dict[str, Any] = {"id": chat.id, "created": chat.created, "users": people}
    document["updated"] = last["created"] if last else chat.created
    if chat.item:
        document["context"] = {"type": "item", "value": chat.item}
    if last:
        kept = ("author_id", "content", "created", "direction", "id", "type")
        document["last_message"] = {name: last[name] for name in kept}
    return document


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = loads(await request.read())
    except ValueError:
        raise checks.bad("the body is no JSON") from None
    if not isinstance(body, dict):
        raise checks.bad("the body is no object")
    return body

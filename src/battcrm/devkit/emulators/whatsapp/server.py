"""The emulated Graph API: messages, media, subscription; and the signed webhooks that follow."""

from __future__ import annotations

import secrets
from typing import Any, Final

from aiohttp import web

from battcrm.devkit.emulators.base import Emulator, Fault, Received, cut_connection, json_answer
from battcrm.devkit.emulators.delivery import Target, WebhookQueue
from battcrm.devkit.emulators.whatsapp import checks
from battcrm.devkit.emulators.whatsapp.people import DAY, People
from battcrm.devkit.emulators.whatsapp.state import GraphError, Number, Person
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.kit.text import loads

WEEK: Final = 7 * DAY
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "video/mp4")
_PAIR = "(Business Account, Consumer Account) pair rate limit hit"
_FAULTS: Final = {
    "rate_limited": GraphError(130429, "Rate limit hit", status=429, details="Too many messages from this number."),
    "pair_limited": GraphError(131056, _PAIR, status=429, details="Too many messages to the same number."),
    "spam_limited": GraphError(131048, "Spam rate limit hit", status=429),
    "temporary": GraphError(131000, "Something went wrong", status=500),
    "needs_phone": GraphError(131062, "Business-scoped user id is not supported here"),
    "unpaid": GraphError(131042, "Business eligibility payment issue"),
}
_UNDELIVERABLE: Final = GraphError(131026, "Message undeliverable", details="Unable to deliver message.")
_CLOSED: Final = GraphError(131047, "Re-engagement message", details="More than 24 hours have passed.")
_EXPIRED: Final = GraphError(190, "Error validating access token: Session has expired.", status=401)


class WhatsAppEmulator(People, Emulator):
    """Cloud API on loopback. Faults by method (`messages`, `media`, `get`), phone_number_id and recipient: see
    devkit/emulators/base.py and `_FAULTS`; for deliveries the method is `webhook` with `duplicate` and `out_of_order`. Name the
    method: a fault for any method is used up by whatever comes first, deliveries included.

    `late_errors`: a closed window or a blocked recipient is accepted and fails by status, as in reality; otherwise it is
    refused at once. `open_chats`: anybody has an open window. `receipts`: sent and delivered follow each message.
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
        late_errors: bool = True,
        receipts: bool = True,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self.numbers: dict[str, Number] = {}
        self._open = open_registration or open_chats
        self._time_factor = time_factor
        self._late_errors, self._receipts = late_errors, receipts
        self._http = AioHttp(allow_private=True)
        self.app.router.add_post("/{version}/{number}/messages", self._messages)
        self.app.router.add_post("/{version}/{number}/media", self._upload)
        self.app.router.add_route("*", "/{version}/{waba}/subscribed_apps", self._subscribed)
        self.app.router.add_get("/{version}/{object}", self._get)
        self.app.router.add_post("/{version}/{object}", self._configure)
        self.app.router.add_get("/media/{number}/{media}/file", self._file)

    async def stop(self) -> None:
        """Stop deliveries, then the server."""
        for number in self.numbers.values():
            await number.queue.close()
        await self._http.close()
        await super().stop()

    def add_number(
        self,
        token: str,
        number_id: str,
        app_secret: str,
        *,
        waba_id: str = "104567890123456",
        phone: str = "79000007788",
    ) -> Number:
        """Register a number with its application's secret and a system user's token."""
        queue = WebhookQueue(
            self._http,
            self.clock,
            Target(timeout=20.0),
            time_factor=self._time_factor,
            give_up=WEEK,
            longest_pause=3600.0,
        )
        number = self.numbers[number_id] = Number(token, number_id, waba_id, app_secret, phone, queue)
        return number

    def register(self, token: str, number_id: str, app_secret: str, **fields: str) -> dict[str, Any]:
        """`add_number` for the control API."""
        return {"id": self.add_number(token, number_id, app_secret, **fields).id}

    async def subscribe(self, number: Number, url: str, verify_token: str) -> None:
        """Point a number's webhook at an address, after the challenge. GraphError if the address fails it."""
        challenge = secrets.token_hex(8)
        params = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            answer = await self._http.request("GET", url, params=params, timeout=10.0)
        except BattError as error:
            raise GraphError(2200, f"Callback verification failed: {error.text}") from None
        if answer.status != 200 or answer.body.decode("utf-8", "replace") != challenge:
            raise GraphError(2200, f"Callback verification failed: HTTP {answer.status}")
        number.url = url
        number.queue.retarget(Target(url, timeout=20.0))

    def _who(self, request: web.Request, number_id: str) -> Number:
        number = self.numbers.get(number_id)
        given = request.headers.get("Authorization", "")
        known = [n for n in self.numbers.values() if given == f"Bearer {n.token}"]
        if not given:
            raise GraphError(0, "An access token is required to request this resource.", status=401)
        if not known or any(n.revoked for n in known):
            raise _EXPIRED.fresh()
        if number is None or number not in known:
            details = f"Object with ID '{number_id}' does not exist or cannot be loaded"
            raise GraphError(100, "Unsupported request", details=details)
        return number

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        try:
            number = self._who(request, request.match_info["number"])
            body = await _json(request)
            if body.get("messaging_product") != "whatsapp":
                raise checks.bad("The parameter messaging_product is required.")
            fault = self.faults.take("messages", number.id, str(body.get("recipient") or body.get("to") or ""))
            early = await self._before(number, fault)
            if early is not None:
                return early
            if body.get("status") == "read":
                return json_answer(self._seen(number, body))
            result = self._accept(number, body, fault)
            return cut_connection(request) if fault and fault.kind == "lost_answer" else json_answer(result)
        except GraphError as error:
            return json_answer(error.document(), error.status)

    async def _before(self, number: Number, fault: Fault | None) -> web.Response | None:
        if fault is None or fault.kind in ("lost_answer", "blocked"):
            return None
        if fault.kind == "server_error":
            return web.Response(status=fault.status, body=b"<html>Sorry</html>", content_type="text/html")
        if fault.kind == "revoked":
            number.revoked = True
            raise _EXPIRED.fresh()
        if fault.kind in _FAULTS:
            raise _FAULTS[fault.kind].fresh()
        if fault.kind != "slow":
            raise GraphError(1, f"unknown fault {fault.kind}", status=500)
        await self.clock.sleep(fault.seconds)
        return None

    def _seen(self, number: Number, body: dict[str, Any]) -> dict[str, Any]:
        if body.keys() - {"messaging_product", "status", "message_id", "typing_indicator"}:
            raise checks.bad("Unexpected key on param")
        if body.get("message_id") not in number.received:
            raise checks.value_error("message_id is unknown")
        if body.get("typing_indicator", {"type": "text"}) != {"type": "text"}:
            raise checks.value_error("typing_indicator.type is invalid")
        kind = "typing" if "typing_indicator" in body else "read"
        number.actions.append((self.clock.monotonic(), str(body["message_id"]), kind))
        return {"success": True}

    def _accept(self, number: Number, body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        if body.get("recipient_type", "individual") != "individual":
            raise checks.value_error("recipient_type is invalid")
        person = self._recipient(number, body)
        kind, text, titles, attachment = checks.message(number, body)
        refusal = self._refusal(person, kind, fault)
        if refusal is not None and (fault is not None or not self._late_errors):
            raise refusal.fresh()
        wamid = number.wamid()
        number.sent[wamid] = (person, body)
        if refusal is not None:
            self.status(number, wamid, "failed", refusal)
        else:
            self._show(number, person, wamid, body, (text, titles, attachment))
        address = {"input": str(body.get("recipient") or body.get("to"))}
        contact = address | {k: v for k, v in person.card().items() if k != "profile"}
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]}

    def _recipient(self, number: Number, body: dict[str, Any]) -> Person:
        """`to` takes phones, `recipient` business-scoped ids; exactly one of them."""
        to, recipient = body.get("to"), body.get("recipient")
        if (to is None) == (recipient is None):
            raise checks.missing("exactly one of to and recipient")
        address = str(to if to is not None else recipient)
        if address.isdigit() != (to is not None):
            raise checks.value_error("to is a phone, recipient a business-scoped user id")
        found = number.person(address)
        if found is None:
            if not (address.isdigit() and self._open):
                raise _UNDELIVERABLE.fresh()
            found = self._person(number, address)
        return found

    def _refusal(self, person: Person, kind: str, fault: Fault | None) -> GraphError | None:
        if person.blocked or (fault is not None and fault.kind == "blocked"):
            return _UNDELIVERABLE
        now = self.clock.monotonic()
        spoke = person.last_word is not None and now < person.last_word + DAY
        free = person.free_until is not None and now < person.free_until
        return None if kind == "template" or spoke or free or self._open else _CLOSED

    def _show(
        self,
        number: Number,
        person: Person,
        wamid: str,
        body: dict[str, Any],
        shown: tuple[str, tuple[str, ...], str | None],
    ) -> None:
        text, titles, attachment = shown
        item = Received(
            at=self.clock.monotonic(),
            account=number.id,
            chat=person.chat,
            method="messages",
            message_id=wamid,
            text=text,
            buttons=titles,
            attachment=attachment,
            payload=body,
        )
        self.log.add(item)
        if self._receipts:
            self.status(number, wamid, "sent")
            self.status(number, wamid, "delivered")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        try:
            number = self._who(request, request.match_info["number"])
            early = await self._before(number, self.faults.take("media", number.id, ""))
            if early is not None:
                return early
            form = await request.post()
            part, mime = form.get("file"), form.get("type")
            if form.get("messaging_product") != "whatsapp" or not isinstance(part, web.FileField):
                raise checks.bad("The parameter messaging_product is required.")
            family = mime.partition("/")[0] if isinstance(mime, str) else ""
            if part.content_type != mime or (family in ("image", "audio", "video") and mime not in MEDIA_TYPES):
                raise GraphError(131053, "Media upload error", details=f"{family} of this type is not supported")
            media_id = str(1_003_383_421_390_000 + len(number.media))
            number.media[media_id] = (str(mime), part.file.read())
            return json_answer({"id": media_id})
        except GraphError as error:
            return json_answer(error.document(), error.status)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        ident = request.match_info["object"]
        try:
            if ident in self.numbers:
                return await self._describe(request, self._who(request, ident))
            owner = next((n.id for n in self.numbers.values() if n.token == _bearer(request)), "")
            number = self._who(request, request.query.get("phone_number_id", owner))
            stored = number.media.get(ident)
            if stored is None:
                raise GraphError(100, "Unsupported get request", details=f"Object with ID '{ident}' does not exist")
            url = f"{self.url}/media/{number.id}/{ident}/file"
            described = {
                "url": url,
                "mime_type": stored[0],
                "sha256": "",
                "file_size": str(len(stored[1])),
                "id": ident,
            }
            return json_answer({"messaging_product": "whatsapp"} | described)
        except GraphError as error:
            return json_answer(error.document(), error.status)

    async def _describe(self, request: web.Request, number: Number) -> web.StreamResponse:
        early = await self._before(number, self.faults.take("get", number.id, ""))
        if early is not None:
            return early
        known = {
            "id": number.id,
            "display_phone_number": f"+{number.phone}",
            "verified_name": number.name,
            "quality_rating": "GREEN",
            "webhook_configuration": {"phone_number": number.url} if number.url else {},
        }
        wanted = {"id", *request.query.get("fields", "display_phone_number,verified_name").split(",")}
        return json_answer({key: value for key, value in known.items() if key in wanted})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            number = self._who(request, request.match_info["number"])
            mime, content = number.media[request.match_info["media"]]
            number.downloads.append(request.match_info["media"])
            return web.Response(body=content, content_type=mime)
        except (GraphError, KeyError):
            return web.Response(status=404)

    async def _configure(self, request: web.Request) -> web.StreamResponse:
        try:
            number = self._who(request, request.match_info["object"])
            configuration = (await _json(request)).get("webhook_configuration")
            if not isinstance(configuration, dict):
                raise checks.missing("webhook_configuration")
            url = str(configuration.get("override_callback_uri", ""))
            if url:
                await self.subscribe(number, url, str(configuration.get("verify_token", "")))
            else:
                number.url = ""
                number.queue.retarget(Target())
            return json_answer({"success": True})
        except GraphError as error:
            return json_answer(error.document(), error.status)

    async def _subscribed(self, request: web.Request) -> web.StreamResponse:
        numbers = [n for n in self.numbers.values() if n.waba_id == request.match_info["waba"]]
        try:
            if not numbers:
                raise GraphError(100, "Unsupported request")
            self._who(request, next((n.id for n in numbers if _bearer(request) == n.token), numbers[0].id))
            if request.method == "POST":
                for number in numbers:
                    number.subscribed = True
                return json_answer({"success": True})
            applications = [{"whatsapp_business_api_data": {"id": "670843887433847", "name": "BattCRM"}}]
            return json_answer({"data": applications if numbers[0].subscribed else []})
        except GraphError as error:
            return json_answer(error.document(), error.status)


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = loads(await request.read())
    except ValueError:
        raise checks.bad("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise checks.bad("The request body is not an object")
    return body

"""WhatsApp joins the channel contract."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from tests.contract.channels.harness import REQUIRED_FAULTS, Delivered, Inbound, sample

TOKEN: Final = "EAAdemoDemoDemoDemoDemoDemoDemoToken"
SECRET: Final = "4pp5ecretDemo0123456789"
VERIFY: Final = "demo-verify-token"
NUMBER: Final = "106540352242922"
WABA: Final = "104567890123456"
BSUID: Final = "RU.13491208655302741918"
CHAT: Final = {"id": BSUID, "type": "private"}
HEADER: Final = "x-hub-signature-256"


def _body(*values: dict[str, Any], field: str = "messages") -> bytes:
    metadata = {"display_phone_number": "79000007788", "phone_number_id": NUMBER}
    changes = [
        {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}} for value in values
    ]
    entry = [{"id": WABA, "changes": [change]} for change in changes]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}, ensure_ascii=False).encode()


def _message(number: int, **fields: Any) -> dict[str, Any]:
    return {"from": "79000009911", "from_user_id": BSUID, "id": f"wamid.{number}", "timestamp": "1795338100"} | fields


BATCH: Final = _body(
    {
        "messages": [
            _message(1, type="text", text={"body": "Один"}),
            _message(2, type="text", text={"body": "Два"}),
        ]
    },
    {"statuses": [{"id": "wamid.9", "status": "failed", "timestamp": "1795338101", "recipient_id": "79000009911"}]},
)
ECHO: Final = _body(
    {
        "message_echoes": [
            {
                "from": "79000007788",
                "to": "79000009911",
                "id": "wamid.7",
                "timestamp": "1795338102",
                "type": "text",
                "text": {"body": "Готово, приходите"},
            }
        ]
    },
    field="smb_message_echoes",
)

INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        sample("whatsapp", "text"),
        (
            {
                "kind": "message",
                "direction": "in",
                "conversation": CHAT,
                "sender": {"id": BSUID, "display_name": "Алексей П.", "phone": "+79000009911", "phone_verified": True},
                "message": {
                    "text": "Здравствуйте, треснуло заднее стекло на Samsung S23, сколько по деньгам и по времени?"
                },
                "window": {"expires_at": "2026-11-23T09:00:01.000Z"},
            },
        ),
    ),
    "media": Inbound(
        sample("whatsapp", "image"),
        ({"message": {"text": "Скол возле камеры", "attachments": [{"kind": "photo", "ref": "1003383421387256"}]}},),
    ),
    "edit": Inbound(
        sample("whatsapp", "edited"),
        ({"kind": "edit", "message": {"id": "wamid.HBgLNzkwMDAwMDk5MTEVAgASGBQzQTAw0001AA=="}},),
    ),
    "batch": Inbound(
        BATCH,
        (
            {"kind": "message", "message": {"text": "Один"}},
            {"kind": "message", "message": {"text": "Два"}},
            {"kind": "status", "status": {"state": "failed", "message_id": "wamid.9"}},
        ),
    ),
    "button": Inbound(
        sample("whatsapp", "interactive_button_reply"),
        ({"kind": "button", "conversation": CHAT, "button": {"payload": "order:813:approve", "title": "Согласен"}},),
    ),
    "status": Inbound(
        sample("whatsapp", "status_sent"),
        ({"kind": "status", "direction": "service", "status": {"state": "sent", "client_ref": "outbox:5f0c"}},),
    ),
    "echo": Inbound(
        ECHO,
        ({"kind": "message", "direction": "out", "conversation": {"id": "79000009911"}, "sender": {"is_us": True}},),
    ),
    "delete": Inbound(sample("whatsapp", "revoked"), ({"kind": "delete", "conversation": CHAT},)),
    "unknown": Inbound(_body({"event": "APPROVED"}, field="message_template_status_update"), ()),
}


class WhatsAppHarness:
    kind = "whatsapp"
    chat = BSUID
    remote = True
    secrets: tuple[str, ...] = (TOKEN, SECRET, VERIFY)
    inbound = INBOUND
    faults = REQUIRED_FAULTS

    def __init__(self) -> None:
        self._emulator: WhatsAppEmulator | None = None
        self._http: AioHttp | None = None

    @property
    def emulator(self) -> WhatsAppEmulator:
        assert self._emulator is not None
        return self._emulator

    @property
    def account(self) -> ChannelAccount:
        settings: dict[str, Any] = {"waba_id": WABA}
        if self._emulator is not None:
            settings["base_url"] = self._emulator.url
        secrets = {"token": TOKEN, "app_secret": SECRET, "verify_token": VERIFY}
        return ChannelAccount(UUID(int=1), UUID(int=2), "whatsapp", NUMBER, secrets, settings)

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(body, {HEADER: self._signed(body, SECRET)})

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        right = self._signed(body, SECRET)
        wrong: list[dict[str, str]] = [
            {},
            {HEADER: ""},
            {HEADER: self._signed(body, SECRET + "x")},
            {HEADER: self._signed(body + b" ", SECRET)},
            {HEADER: right[:-1]},
            {HEADER: right.removeprefix("sha256=")},
            {HEADER: "sha256=подпись"},
            {"x-hub-signature": right},
        ]
        return [self._request(body, headers) for headers in wrong]

    def _signed(self, body: bytes, secret: str) -> str:
        return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    def _request(self, body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
        return WebhookRequest("POST", "any", {}, headers, body)

    async def start(self) -> HttpClient:
        self._http = AioHttp(allow_private=True)
        self._emulator = await WhatsAppEmulator().start()
        self._emulator.add_number(TOKEN, NUMBER, SECRET, waba_id=WABA)
        self._emulator.add_person(NUMBER, "79000009911", BSUID)
        self._emulator.user_says(NUMBER, BSUID, "Здравствуйте")
        return self._http

    async def stop(self) -> None:
        if self._emulator is not None:
            await self._emulator.stop()
        if self._http is not None:
            await self._http.close()

    def fault(self, name: str) -> None:
        # `revoked` must also hit calls that are not messages; the emulator remembers it either way.
        for method in ("messages", "get") if name == "revoked" else ("messages",):
            self.emulator.faults.add(Fault(name, seconds=3.0 if name == "rate_limited" else 1.0), method=method)

    def delivered(self) -> list[Delivered]:
        shown = self.emulator.log.of(NUMBER, self.chat)
        return [Delivered(r.chat, r.text, r.buttons, r.attachment, r.message_id) for r in shown]


def make() -> WhatsAppHarness:
    return WhatsAppHarness()

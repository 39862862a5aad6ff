"""MAX joins the channel contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from tests.contract.channels.harness import REQUIRED_FAULTS, Delivered, Inbound, sample

TOKEN: Final = "demo-max-bot-token"
SECRET: Final = "demo_Max-secret_0123456789"
BOT: Final = 229229229
USER: Final = 5512345
CHAT: Final = {"id": "182182182", "type": "private"}
HEADER: Final = "x-max-bot-api-secret"


def _echo() -> bytes:
    update = json.loads(sample("max", "message_created_text"))
    message = update["message"]
    message["sender"] = {"user_id": BOT, "first_name": "Сервис", "is_bot": True}
    message["recipient"]["user_id"] = USER
    message["body"]["mid"] = "mid.000000000adf429c019d47d58f2c0001"
    return json.dumps(update).encode()


def _batch() -> bytes:
    """The long poll's answer with one more update behind."""
    answer = json.loads(sample("max", "updates_longpoll_response"))
    answer["updates"].append(json.loads(sample("max", "bot_started_plain")))
    return json.dumps(answer).encode()


INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        sample("max", "message_created_text"),
        (
            {
                "kind": "message",
                "direction": "in",
                "account_ref": "229229229",
                "conversation": CHAT,
                "sender": {"id": "5512345", "display_name": "Ольга Смирнова", "locale": "ru", "is_bot": False},
                "message": {
                    "id": "mid.000000000adf429c019d47d58f2b0001",
                    "seq": "116328147937082001",
                    "text": "Здравствуйте! Планшет Honor уронили, экран в паутину. Сколько стоит поменять?",
                },
            },
        ),
    ),
    "media": Inbound(
        sample("max", "message_created_image"),
        ({"message": {"text": "Вот фото", "attachments": [{"kind": "photo", "ref": "demoPhotoToken001"}]}},),
    ),
    "edit": Inbound(
        sample("max", "message_edited"),
        ({"kind": "edit", "message": {"id": "mid.000000000adf429c019d47d58f2b0001"}},),
    ),
    "batch": Inbound(
        _batch(),
        ({"kind": "message", "message": {"text": "А в выходные принимаете?"}}, {"kind": "start", "source": None}),
    ),
    "button": Inbound(
        sample("max", "message_callback"),
        (
            {
                "kind": "button",
                "conversation": CHAT,
                "sender": {"id": "5512345"},
                "button": {"payload": "q:813:orig", "ack_ref": "f9LHodD0cOJf4_DkJGeq8BkDgc5vgSwZdemo"},
            },
        ),
    ),
    "start": Inbound(sample("max", "bot_started_deeplink"), ({"kind": "start", "source": {"ref": "utm_2gis_card"}},)),
    "stop": Inbound(sample("max", "bot_stopped"), ({"kind": "stop", "conversation": CHAT},)),
    "echo": Inbound(_echo(), ({"kind": "message", "direction": "out", "sender": {"is_us": True}},)),
    "delete": Inbound(sample("max", "message_removed"), ({"kind": "delete", "conversation": CHAT},)),
    "unknown": Inbound(json.dumps({"update_type": "chat_title_changed", "chat_id": 1, "timestamp": 1}).encode(), ()),
}


class MaxHarness:
    kind = "max"
    remote = True
    secrets: tuple[str, ...] = (TOKEN, SECRET)
    inbound = INBOUND
    faults = REQUIRED_FAULTS

    def __init__(self) -> None:
        self._emulator: MaxEmulator | None = None
        self._http: AioHttp | None = None
        self.chat = "182182182"

    @property
    def emulator(self) -> MaxEmulator:
        assert self._emulator is not None
        return self._emulator

    @property
    def account(self) -> ChannelAccount:
        settings: dict[str, Any] = {"base_url": self._emulator.url} if self._emulator is not None else {}
        secrets = {"token": TOKEN, "webhook_secret": SECRET}
        return ChannelAccount(UUID(int=1), UUID(int=2), "max", str(BOT), secrets, settings)

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(body, {HEADER: SECRET})

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        wrong = [{}, *({HEADER: value} for value in ("", SECRET + "x", SECRET[:-1], SECRET.upper(), "секрет", TOKEN))]
        return [self._request(body, headers) for headers in wrong]

    def _request(self, body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
        return WebhookRequest("POST", "any", {}, headers, body)

    async def start(self) -> HttpClient:
        self._http = AioHttp(allow_private=True)
        self._emulator = await MaxEmulator().start()
        self._emulator.add_bot(TOKEN, BOT)
        self.chat = str(self._emulator.press_start(BOT, USER))
        return self._http

    async def stop(self) -> None:
        if self._emulator is not None:
            await self._emulator.stop()
        if self._http is not None:
            await self._http.close()

    def fault(self, name: str) -> None:
        self.emulator.faults.add(Fault(name), method="*" if name == "revoked" else "messages")

    def delivered(self) -> list[Delivered]:
        shown = self.emulator.log.of(str(BOT), self.chat)
        return [Delivered(r.chat, r.text, r.buttons, r.attachment, r.message_id) for r in shown]


def make() -> MaxHarness:
    return MaxHarness()

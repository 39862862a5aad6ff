"""Telegram joins the channel contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from tests.contract.channels.harness import REQUIRED_FAULTS, Delivered, Inbound, sample

TOKEN: Final = "7012345678:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"
SECRET: Final = "wh-3f1c9a7b52"
CHAT: Final = {"id": "507318842", "type": "private"}


def _update(**content: Any) -> bytes:
    return json.dumps({"update_id": 884120900, **content}).encode()


INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        sample("telegram", "text"),
        (
            {
                "kind": "message",
                "direction": "in",
                "conversation": CHAT,
                "sender": {"id": "507318842", "display_name": "Марина Кузнецова"},
                "message": {"text": "Здравствуйте, разбил экран на iPhone 13 Pro, сколько будет стоить?"},
            },
        ),
    ),
    "media": Inbound(
        sample("telegram", "photo_caption"),
        ({"kind": "message", "message": {"attachments": [{"kind": "photo", "ref": "AgACAgIAAxkBAAIBp1y"}]}},),
    ),
    "edit": Inbound(
        sample("telegram", "edited_message"), ({"kind": "edit", "conversation": CHAT, "message": {"id": "412"}},)
    ),
    "batch": Inbound(
        sample("telegram", "api_200_get_updates"),
        (
            {"kind": "message", "message": {"text": "Вы работаете в воскресенье?"}},
            {"kind": "message", "message": {"text": "И сколько стоит диагностика?"}},
        ),
    ),
    "button": Inbound(
        sample("telegram", "callback_query"),
        ({"kind": "button", "conversation": CHAT, "button": {"payload": "q:813:orig"}},),
    ),
    "start": Inbound(sample("telegram", "start_deeplink"), ({"kind": "start", "source": {"ref": "utm_avito_iphone"}},)),
    "stop": Inbound(sample("telegram", "bot_blocked_by_user"), ({"kind": "stop", "conversation": CHAT},)),
    "unknown": Inbound(_update(chat_join_request={"chat": {"id": 1}}), ()),
}


class TelegramHarness:
    kind = "telegram"
    chat = "507318842"
    remote = True
    secrets: tuple[str, ...] = (TOKEN, TOKEN.partition(":")[2], SECRET)
    inbound = INBOUND
    faults = REQUIRED_FAULTS

    def __init__(self) -> None:
        self._emulator: TelegramEmulator | None = None
        self._http: AioHttp | None = None

    @property
    def emulator(self) -> TelegramEmulator:
        assert self._emulator is not None
        return self._emulator

    @property
    def account(self) -> ChannelAccount:
        settings = {"base_url": self._emulator.url} if self._emulator else {}
        secrets = {"token": TOKEN, "webhook_secret": SECRET}
        return ChannelAccount(UUID(int=1), UUID(int=2), "telegram", "7012345678", secrets, settings)

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(body, {"x-telegram-bot-api-secret-token": SECRET})

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        name = "x-telegram-bot-api-secret-token"
        wrong: list[dict[str, str]] = [{}, {name: ""}, {name: SECRET + "x"}, {name: SECRET[:-1]}, {name: "секрет"}]
        return [self._request(body, headers) for headers in wrong]

    def _request(self, body: bytes, headers: Mapping[str, str]) -> WebhookRequest:
        return WebhookRequest("POST", "any", {}, headers, body)

    async def start(self) -> HttpClient:
        self._http = AioHttp(allow_private=True)
        self._emulator = await TelegramEmulator().start()
        self._emulator.add_bot(TOKEN)
        self._emulator.user_says(TOKEN, int(self.chat), "/start")
        return self._http

    async def stop(self) -> None:
        if self._emulator is not None:
            await self._emulator.stop()
        if self._http is not None:
            await self._http.close()

    def fault(self, name: str) -> None:
        seconds = 3.0 if name == "rate_limited" else 1.0
        self.emulator.faults.add(Fault(name, seconds=seconds))

    def delivered(self) -> list[Delivered]:
        shown = self.emulator.log.of("7012345678", self.chat)
        return [Delivered(r.chat, r.text, r.buttons, r.attachment, r.message_id) for r in shown]


def make() -> TelegramHarness:
    return TelegramHarness()

"""Avito joins the channel contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.devkit.emulators.base import Fault
from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from tests.contract.channels.harness import REQUIRED_FAULTS, Delivered, Inbound, sample
from tests.support.waiting import PATIENCE

CLIENT: Final = "demoClientId0123456789"
SECRET: Final = "demoClientSecret9876543210"
HOOK: Final = "hookKey-0123456789abcdefghijklmnop"
SELLER: Final = 94235311
CHAT_ID: Final = "u2i-xNG6BsZqGy6XaZaW0oZvlQ"
CHAT: Final = {"id": CHAT_ID, "type": "ad", "context": {"type": "ad", "id": "4341979279"}}


def _changed(case: str, **fields: Any) -> bytes:
    body = json.loads(sample("avito", case))
    body["payload"]["value"] |= fields
    return json.dumps(body, ensure_ascii=False).encode()


INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        sample("avito", "text"),
        (
            {
                "kind": "message",
                "direction": "in",
                "conversation": CHAT,
                "sender": {"id": "187654321", "is_us": False},
                "source": {"item_id": "4341979279"},
                "message": {
                    "id": "45d56167c52a1342116721b4ddf4b7d2",
                    "text": "Здравствуйте! Объявление ещё актуально? Разбил экран на iPhone 13 Pro, сколько выйдет с работой?",
                },
            },
        ),
    ),
    "media": Inbound(
        sample("avito", "image"),
        ({"message": {"attachments": [{"kind": "photo", "width": 1280, "height": 960}]}},),
    ),
    "echo": Inbound(
        _changed("text", author_id=SELLER, id="e" * 32),
        ({"kind": "message", "direction": "out", "conversation": CHAT, "sender": {"is_us": True}},),
    ),
    "delete": Inbound(
        sample("avito", "deleted"), ({"kind": "delete", "message": {"id": "9e922e3295c50b28919d2a7ccae1845b"}},)
    ),
    "probe": Inbound(sample("avito", "probe_empty_body"), ()),
    "unknown": Inbound(
        json.dumps({"id": "1", "version": "v3.0.0", "payload": {"type": "order", "value": {}}}).encode(), ()
    ),
}


class AvitoHarness:
    kind = "avito"
    chat = CHAT_ID
    remote = True
    secrets: tuple[str, ...] = (CLIENT, SECRET, HOOK)
    inbound = INBOUND
    faults = REQUIRED_FAULTS

    def __init__(self) -> None:
        self._emulator: AvitoEmulator | None = None
        self._http: AioHttp | None = None

    @property
    def emulator(self) -> AvitoEmulator:
        assert self._emulator is not None
        return self._emulator

    @property
    def account(self) -> ChannelAccount:
        settings: dict[str, Any] = {"base_url": self._emulator.url} if self._emulator is not None else {}
        secrets = {"client_id": CLIENT, "client_secret": SECRET, "hook_key": HOOK}
        return ChannelAccount(UUID(int=1), UUID(int=2), "avito", str(SELLER), secrets, settings)

    def authentic(self, body: bytes) -> WebhookRequest:
        return WebhookRequest("POST", HOOK, {}, {"x-avito-messenger-signature": "0" * 64}, body)

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        wrong = ["", HOOK + "x", HOOK[:-1], HOOK.upper(), "секрет", CLIENT]
        return [replace(self.authentic(body), path_secret=path) for path in wrong]

    async def start(self) -> HttpClient:
        self._http = AioHttp(allow_private=True)
        self._emulator = await AvitoEmulator(answer_in=PATIENCE).start()
        account = self._emulator.add_account(CLIENT, SECRET, SELLER)
        self._emulator.make_chat(account, CHAT_ID, 187654321, "Игорь", None)
        return self._http

    async def stop(self) -> None:
        if self._emulator is not None:
            await self._emulator.stop()
        if self._http is not None:
            await self._http.close()

    def fault(self, name: str) -> None:
        # Only a withdrawn key is felt by every call; the others belong to the send, not to the token before it.
        self.emulator.faults.add(Fault(name), method="*" if name == "revoked" else "messages")

    def delivered(self) -> list[Delivered]:
        shown = self.emulator.log.of(str(SELLER), self.chat)
        return [Delivered(r.chat, r.text, r.buttons, r.attachment, r.message_id) for r in shown]


def make() -> AvitoHarness:
    return AvitoHarness()

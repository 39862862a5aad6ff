"""VK joins the channel contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from tests.contract.channels.harness import REQUIRED_FAULTS, Delivered, Inbound, sample

TOKEN: Final = "vk1.a.demoDemoDemoDemoDemoDemoDemoKey"
SECRET: Final = "d3moSecretVk"
GROUP: Final = 221004567
USER: Final = 612345987
CHAT: Final = {"id": "612345987", "type": "private"}


def _event(kind: str, content: dict[str, Any], event_id: str) -> bytes:
    envelope = {"group_id": GROUP, "type": kind, "event_id": event_id, "v": "5.199", "object": content}
    return json.dumps(envelope | {"secret": SECRET}).encode()


def _edited() -> bytes:
    message = json.loads(sample("vk", "message_new_text"))["object"]["message"]
    changed = message | {"text": "Ноутбук Acer, я ошибся", "update_time": 1795339600, "version": 10003499}
    return _event("message_edit", changed, "e1")


def _echo() -> bytes:
    message = json.loads(sample("vk", "message_new_text"))["object"]["message"]
    ours = {"from_id": -GROUP, "out": 1, "admin_author_id": 901234, "text": "Возьмёмся", "id": 1482}
    return _event("message_reply", message | ours | {"conversation_message_id": 98}, "e2")


INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        sample("vk", "message_new_text"),
        (
            {
                "kind": "message",
                "direction": "in",
                "conversation": CHAT,
                "sender": {"id": "612345987"},
                "message": {
                    "id": "1481",
                    "seq": "81",
                    "text": "Добрый день! Ноутбук ASUS не включается после того как пролили чай. Возьмётесь?",
                },
            },
        ),
    ),
    "media": Inbound(
        sample("vk", "message_new_photo"),
        ({"message": {"attachments": [{"kind": "photo", "ref": "photo612345987_457240001_ac1f00d1e", "width": 960}]}},),
    ),
    "edit": Inbound(
        _edited(), ({"kind": "edit", "message": {"id": "1481", "seq": "81", "text": "Ноутбук Acer, я ошибся"}},)
    ),
    "batch": Inbound(
        sample("vk", "longpoll_response"), ({"kind": "message", "message": {"text": "А по выходным работаете?"}},)
    ),
    "button": Inbound(
        sample("vk", "message_event"),
        ({"kind": "button", "conversation": CHAT, "button": {"ack_ref": "c6a1d0f7e52b", "source_message_id": "95"}},),
    ),
    "start": Inbound(
        sample("vk", "message_new_ref"),
        ({"kind": "start", "source": {"ref": "utm_yandex_maps", "ref_source": "qr_vitrina"}},),
    ),
    "stop": Inbound(sample("vk", "message_deny"), ({"kind": "deny", "conversation": CHAT},)),
    "status": Inbound(
        sample("vk", "message_read"), ({"kind": "status", "status": {"state": "read", "up_to": "1600"}},)
    ),
    "echo": Inbound(
        _echo(), ({"kind": "message", "direction": "out", "sender": {"is_us": True, "agent_ref": "901234"}},)
    ),
    "unknown": Inbound(_event("wall_post_new", {"id": 7}, "e3"), ()),
}


class VkHarness:
    kind = "vk"
    chat = str(USER)
    remote = True
    secrets: tuple[str, ...] = (TOKEN, SECRET)
    inbound = INBOUND
    faults = REQUIRED_FAULTS

    def __init__(self) -> None:
        self._emulator: VkEmulator | None = None
        self._http: AioHttp | None = None

    @property
    def emulator(self) -> VkEmulator:
        assert self._emulator is not None
        return self._emulator

    @property
    def account(self) -> ChannelAccount:
        settings: dict[str, Any] = {"confirmation": "c0nf1rm"}
        if self._emulator is not None:
            settings["base_url"] = self._emulator.url
        secrets = {"token": TOKEN, "webhook_secret": SECRET}
        return ChannelAccount(UUID(int=1), UUID(int=2), "vk", str(GROUP), secrets, settings)

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(self._with(body, SECRET))

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        wrong: list[Any] = [None, "", SECRET + "x", SECRET[:-1], "секрет", 1, [SECRET], {"secret": SECRET}]
        bodies = [self._with(body, secret) for secret in wrong]
        bodies.append(self._with(body, SECRET, group_id=GROUP + 1))
        return [self._request(forged) for forged in bodies]

    def _with(self, body: bytes, secret: Any, **fields: Any) -> bytes:
        document = {"group_id": GROUP} | json.loads(body) | fields
        document.pop("secret", None)
        return json.dumps(document if secret is None else document | {"secret": secret}).encode()

    def _request(self, body: bytes) -> WebhookRequest:
        return WebhookRequest("POST", "any", {}, {}, body)

    async def start(self) -> HttpClient:
        self._http = AioHttp(allow_private=True)
        self._emulator = await VkEmulator().start()
        self._emulator.add_community(TOKEN, GROUP)
        self._emulator.user_says(TOKEN, USER, "Здравствуйте")
        return self._http

    async def stop(self) -> None:
        if self._emulator is not None:
            await self._emulator.stop()
        if self._http is not None:
            await self._http.close()

    def fault(self, name: str) -> None:
        self.emulator.faults.add(Fault(name, seconds=3.0 if name == "rate_limited" else 1.0))

    def delivered(self) -> list[Delivered]:
        shown = self.emulator.log.of(str(GROUP), self.chat)
        return [Delivered(r.chat, r.text, r.buttons, r.attachment, r.message_id) for r in shown]


def make() -> VkHarness:
    return VkHarness()

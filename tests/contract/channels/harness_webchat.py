"""The web chat joins the channel contract; there is no platform behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.infra.http import AioHttp
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest
from battcrm.transport.webchat import tokens
from tests.contract.channels.harness import Delivered, Inbound

VISITOR: Final = "qJ2x0VtF4mYw8sLbN1cD5eGh"
SECRET: Final = "chat-session-secret-for-tests"


def _body(**fields: Any) -> bytes:
    return json.dumps({"visitor_id": VISITOR, "client_message_id": "c-1", **fields}, ensure_ascii=False).encode()


INBOUND: Final[Mapping[str, Inbound]] = {
    "text": Inbound(
        _body(text="  Здравствуйте, треснул экран ", name="Анна", locale="ru", utm={"source": "site"}),
        (
            {
                "kind": "message",
                "direction": "in",
                "conversation": {"id": VISITOR, "type": "private"},
                "sender": {"id": VISITOR, "display_name": "Анна", "phone": None, "phone_verified": False},
                "message": {"id": "c-1", "text": "Здравствуйте, треснул экран"},
                "source": {"ref": None, "utm": {"source": "site"}},
            },
        ),
    ),
    "media": Inbound(
        _body(
            client_message_id="c-2", attachments=[{"kind": "photo", "ref": "up-1", "mime": "image/jpeg", "size": 10}]
        ),
        (
            {
                "kind": "message",
                "message": {"text": None, "attachments": [{"kind": "photo", "ref": "up-1", "size": 10}]},
            },
        ),
    ),
    "button": Inbound(
        _body(client_message_id="c-3", button={"payload": "q:1:orig", "title": "Оригинал"}),
        ({"kind": "button", "message": {"text": "Оригинал"}, "button": {"payload": "q:1:orig", "title": "Оригинал"}},),
    ),
    "unknown": Inbound(_body(type="typing"), ()),
}


class WebchatHarness:
    kind = "webchat"
    chat = VISITOR
    remote = False
    secrets: tuple[str, ...] = (SECRET,)
    inbound = INBOUND
    faults: frozenset[str] = frozenset()

    @property
    def account(self) -> ChannelAccount:
        return ChannelAccount(UUID(int=1), UUID(int=2), "webchat", "site", {"session_secret": SECRET})

    def authentic(self, body: bytes) -> WebhookRequest:
        return self._request(body, f"Bearer {tokens.issue(self.account, VISITOR)}")

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        good = tokens.issue(self.account, VISITOR)
        other = tokens.issue(self.account, "somebody-else-entirely")
        proofs = ("", "Bearer ", f"Bearer {good}x", f"Bearer {other}", f"Basic {good}", "Bearer v1.жетон.знак")
        return [self._request(body, proof) for proof in proofs]

    def _request(self, body: bytes, proof: str) -> WebhookRequest:
        return WebhookRequest("POST", "key", {}, {"authorization": proof} if proof else {}, body)

    async def start(self) -> HttpClient:
        return AioHttp()

    async def stop(self) -> None:
        """Nothing was started."""

    def fault(self, name: str) -> None:
        raise ValueError(f"the web chat has no platform that could suffer {name}")

    def delivered(self) -> list[Delivered]:
        return []


def make() -> WebchatHarness:
    return WebchatHarness()

"""What VK tests share: samples, bodies made from them, and whole wire documents to compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.models.unified import to_wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.vk.parse import parse

SAMPLES = Path(__file__).parents[2] / "data" / "messengers" / "vk"
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "vk", "221004567")
GROUP = 221004567

NOBODY: dict[str, Any] = {
    "id": "612345987",
    "alt_ids": [],
    "display_name": None,
    "username": None,
    "phone": None,
    "phone_verified": False,
    "locale": None,
    "is_bot": False,
    "is_us": False,
    "agent_ref": None,
}
WRITER = NOBODY | {"locale": "ru"}
CHAT = {"id": "612345987", "type": "private", "context": None}
NOTHING: dict[str, Any] = {
    "id": None,
    "seq": None,
    "text": None,
    "entities": [],
    "attachments": [],
    "group_id": None,
    "truncated": False,
}
START = '{"command":"start"}'

ATTACHMENT_FIELDS = [
    "kind", "ref", "url", "url_expires_at", "mime", "size", "filename", "width", "height", "duration", "thumb_url",
    "transcript", "sha256", "lat", "lon", "title", "address", "phones", "name", "vcard", "verified", "emoji", "price",
]  # fmt: skip


def attachment(**known: Any) -> dict[str, Any]:
    return {name: known.get(name, [] if name == "phones" else None) for name in ATTACHMENT_FIELDS}


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return loaded


def many(body: Any, account: ChannelAccount | None = ACCOUNT) -> list[dict[str, Any]]:
    return [to_wire(message) for message in parse(json.dumps(body).encode(), account)]


def one(body: Any) -> dict[str, Any]:
    (document,) = many(body)
    return document


def written(**fields: Any) -> dict[str, Any]:
    """A message_new with these fields of the message."""
    body = sample("message_new_text")
    body["object"]["message"].update(fields)
    return body


def said(number: int, text: str | None, **fields: Any) -> dict[str, Any]:
    return NOTHING | {"id": str(number), "seq": str(number - 1400), "text": text} | fields


def document(kind: str, key: str, **fields: Any) -> dict[str, Any]:
    """The whole wire document, without event_id and raw."""
    base: dict[str, Any] = {
        "umf": "1",
        "channel": "vk",
        "channel_id": "00000000-0000-0000-0000-000000000002",
        "account_ref": "221004567",
        "dedup_key": key,
        "kind": kind,
        "direction": "in",
        "occurred_at": None,
        "received_at": None,
        "conversation": CHAT,
        "sender": NOBODY,
        "message": NOTHING,
        "reply_to": None,
        "forwarded": None,
        "button": None,
        "source": None,
        "status": None,
        "window": None,
    }
    return base | fields


def button(**known: Any) -> dict[str, Any]:
    return dict.fromkeys(["payload", "title", "source_message_id", "ack_ref", "ack_deadline"]) | known


PHOTO = attachment(
    kind="photo",
    ref="photo612345987_457240001_ac1f00d1e",
    url="https://sun9-1.userapi.example/impg/w1.jpg?size=960x1280&quality=95&sign=cc1&type=album",
    width=960,
    height=1280,
    thumb_url="https://sun9-1.userapi.example/impg/s1.jpg?size=56x75&quality=95&sign=aa1&type=album",
)

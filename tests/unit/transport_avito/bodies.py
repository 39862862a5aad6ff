"""What Avito tests share: samples, bodies made from them, and whole wire documents to compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.models.unified import to_wire
from battcrm.transport.avito.parse import parse
from battcrm.transport.base import ChannelAccount

SAMPLES = Path(__file__).parents[2] / "data" / "messengers" / "avito"
SELLER = 94235311
BUYER = 187654321
ITEM = 4341979279
CHAT_ID = "u2i-xNG6BsZqGy6XaZaW0oZvlQ"
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "avito", str(SELLER))
AD: dict[str, Any] = {"type": "ad", "id": str(ITEM), "title": None, "url": None, "price": None}
CHAT: dict[str, Any] = {"id": CHAT_ID, "type": "ad", "context": AD}
IGOR: dict[str, Any] = {
    "id": str(BUYER),
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
SOURCE: dict[str, Any] = {"ref": str(ITEM), "ref_source": None, "utm": {}, "ad": None, "item_id": str(ITEM)}
NOTHING: dict[str, Any] = {
    "id": None,
    "seq": None,
    "text": None,
    "entities": [],
    "attachments": [],
    "group_id": None,
    "truncated": False,
}
ATTACHMENT_FIELDS = [
    "kind", "ref", "url", "url_expires_at", "mime", "size", "filename", "width", "height", "duration", "thumb_url",
    "transcript", "sha256", "lat", "lon", "title", "address", "phones", "name", "vcard", "verified", "emoji", "price",
]  # fmt: skip


def attachment(**known: Any) -> dict[str, Any]:
    return {name: known.get(name, [] if name == "phones" else None) for name in ATTACHMENT_FIELDS}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


def many(body: Any, account: ChannelAccount | None = ACCOUNT) -> list[dict[str, Any]]:
    return [to_wire(message) for message in parse(json.dumps(body).encode(), account)]


def one(body: Any) -> dict[str, Any]:
    (document,) = many(body)
    return document


def event(**value: Any) -> dict[str, Any]:
    """A text of the buyer's with these fields of `value` changed; None removes one."""
    known = {
        "id": "a" * 32,
        "chat_id": CHAT_ID,
        "user_id": SELLER,
        "author_id": BUYER,
        "created": 1795338001,
        "type": "text",
        "chat_type": "u2i",
        "content": {"text": "Привет"},
        "item_id": ITEM,
    } | value
    kept = {name: part for name, part in known.items() if part is not None}
    envelope = {"id": "d1", "version": "v3.0.0", "timestamp": 1795338001}
    return envelope | {"payload": {"type": "message", "value": kept}}


def document(kind: str, key: str, at: str | None, **fields: Any) -> dict[str, Any]:
    """The whole wire document, without event_id and raw."""
    base: dict[str, Any] = {
        "umf": "1",
        "channel": "avito",
        "channel_id": "00000000-0000-0000-0000-000000000002",
        "account_ref": str(SELLER),
        "dedup_key": key,
        "kind": kind,
        "direction": "in",
        "occurred_at": f"2026-11-22T{at}.000Z" if at else None,
        "received_at": None,
        "conversation": CHAT,
        "sender": IGOR,
        "message": NOTHING,
        "reply_to": None,
        "forwarded": None,
        "button": None,
        "source": SOURCE,
        "status": None,
        "window": None,
    }
    return base | fields

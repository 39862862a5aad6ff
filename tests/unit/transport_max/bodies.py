"""What MAX tests share: samples, updates made from them, and whole wire documents to compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.models.unified import to_wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.max.parse import parse

SAMPLES = Path(__file__).parents[2] / "data" / "messengers" / "max"
TOKEN = "demo-max-bot-token"
BOT = 229229229
OLGA_ID = 5512345
CHAT_ID = 182182182
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "max", str(BOT), {"token": TOKEN})
CHAT: dict[str, Any] = {"id": str(CHAT_ID), "type": "private", "context": None}
OLGA: dict[str, Any] = {
    "id": str(OLGA_ID),
    "alt_ids": [],
    "display_name": "Ольга Смирнова",
    "username": None,
    "phone": None,
    "phone_verified": False,
    "locale": "ru",
    "is_bot": False,
    "is_us": False,
    "agent_ref": None,
}
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


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return loaded


def many(body: Any, account: ChannelAccount | None = ACCOUNT) -> list[dict[str, Any]]:
    return [to_wire(message) for message in parse(json.dumps(body).encode(), account)]


def one(body: Any, account: ChannelAccount | None = ACCOUNT) -> dict[str, Any]:
    (document,) = many(body, account)
    return document


def mid(tail: str) -> str:
    """The mid of a sample's message."""
    return f"mid.000000000adf429c019d47d58f2b{tail}"


def created(
    kind: str = "message_created", /, *, sender: Any = None, recipient: Any = None, **body: Any
) -> dict[str, Any]:
    """A message of Olga's with this body; `link` goes beside it."""
    link = body.pop("link", None)
    known = {"mid": mid("0001"), "seq": 116328147937082001} | body
    message = {
        "recipient": recipient or {"chat_id": CHAT_ID, "chat_type": "dialog", "user_id": BOT},
        "timestamp": 1795338000000,
        "body": known,
        "sender": sender or {"user_id": OLGA_ID, "first_name": "Ольга", "last_name": "Смирнова", "is_bot": False},
    }
    if link is not None:
        message["link"] = link
    return {"update_type": kind, "timestamp": 1795338000000, "user_locale": "ru", "message": message}


def document(kind: str, key: str, at: str, **fields: Any) -> dict[str, Any]:
    """The whole wire document, without event_id and raw."""
    base: dict[str, Any] = {
        "umf": "1",
        "channel": "max",
        "channel_id": "00000000-0000-0000-0000-000000000002",
        "account_ref": str(BOT),
        "dedup_key": key,
        "kind": kind,
        "direction": "in",
        "occurred_at": f"2026-11-22T{at}Z",
        "received_at": None,
        "conversation": CHAT,
        "sender": OLGA,
        "message": NOTHING,
        "reply_to": None,
        "forwarded": None,
        "button": None,
        "source": None,
        "status": None,
        "window": None,
    }
    return base | fields

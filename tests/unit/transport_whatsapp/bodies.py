"""What WhatsApp tests share: samples, bodies made from them, and whole wire documents to compare with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.models.unified import to_wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.whatsapp.parse import parse

SAMPLES = Path(__file__).parents[2] / "data" / "messengers" / "whatsapp"
NUMBER = "106540352242922"
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "whatsapp", NUMBER)
PHONE = "79000009911"
BSUID = "RU.13491208655302741918"
CHAT = {"id": BSUID, "type": "private", "context": None}
ALEXEY: dict[str, Any] = {
    "id": BSUID,
    "alt_ids": [PHONE, BSUID],
    "display_name": "Алексей П.",
    "username": None,
    "phone": "+79000009911",
    "phone_verified": True,
    "locale": None,
    "is_bot": False,
    "is_us": False,
    "agent_ref": None,
}
NOBODY = ALEXEY | {"id": None, "alt_ids": [], "display_name": None, "phone": None, "phone_verified": False}
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


def wamid(tail: str) -> str:
    """The id of a sample's inbound message."""
    return f"wamid.HBgLNzkwMDAwMDk5MTEVAgASGBQzQTAw{tail}AA=="


OURS = "wamid.HBgLNzkwMDAwMDk5MTEVAgARGBI5OTk2AA=="


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return loaded


def many(body: Any, account: ChannelAccount | None = ACCOUNT) -> list[dict[str, Any]]:
    return [to_wire(message) for message in parse(json.dumps(body).encode(), account)]


def one(body: Any) -> dict[str, Any]:
    (document,) = many(body)
    return document


def value(number: str = NUMBER, **content: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "79000007788", "phone_number_id": number}
    return {"messaging_product": "whatsapp", "metadata": metadata, **content}


def body(*values: Any, field: str = "messages") -> dict[str, Any]:
    """A POST with one entry per value."""
    entries = [{"id": "104567890123456", "changes": [{"field": field, "value": item}]} for item in values]
    return {"object": "whatsapp_business_account", "entry": entries}


def message(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A message of Alexey's with these fields."""
    known = {"from": PHONE, "from_user_id": BSUID, "id": f"wamid.{number}", "timestamp": "1795338100"}
    return known | fields


def card(**fields: Any) -> dict[str, Any]:
    return {"profile": {"name": "Алексей П."}, "wa_id": PHONE, "user_id": BSUID} | fields


def document(kind: str, key: str, at: str | None, **fields: Any) -> dict[str, Any]:
    """The whole wire document, without event_id and raw. Messages of people renew the 24-hour window."""
    base: dict[str, Any] = {
        "umf": "1",
        "channel": "whatsapp",
        "channel_id": "00000000-0000-0000-0000-000000000002",
        "account_ref": NUMBER,
        "dedup_key": key,
        "kind": kind,
        "direction": "in",
        "occurred_at": f"2026-11-22T{at}.000Z" if at else None,
        "received_at": None,
        "conversation": CHAT,
        "sender": ALEXEY,
        "message": NOTHING,
        "reply_to": None,
        "forwarded": None,
        "button": None,
        "source": None,
        "status": None,
        "window": None,
    }
    return base | fields


def window(until: str) -> dict[str, Any]:
    return {"expires_at": f"2026-11-{until}.000Z", "template_required": False}

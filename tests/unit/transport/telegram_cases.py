"""Telegram updates for tests, and what they have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.models.unified import to_wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.telegram.parse import parse

SAMPLES = Path(__file__).parents[2] / "data" / "messengers" / "telegram"
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "telegram", "7012345678", {"token": "7012345678:x"})

MARINA: dict[str, Any] = {
    "id": "507318842",
    "alt_ids": [],
    "display_name": "Марина Кузнецова",
    "username": "marina_kzn",
    "phone": None,
    "phone_verified": False,
    "locale": "ru",
    "is_bot": False,
    "is_us": False,
    "agent_ref": None,
}
CHAT = {"id": "507318842", "type": "private", "context": None}


def one(body: dict[str, Any], account: ChannelAccount | None = ACCOUNT) -> dict[str, Any]:
    found = parse(json.dumps(body).encode(), account)
    assert len(found) == 1
    return to_wire(found[0])


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return loaded


def private(**fields: Any) -> dict[str, Any]:
    """A message update from Marina with these content fields."""
    base = sample("text")
    del base["message"]["text"]
    base["message"].update(fields)
    return base


def attachment(**known: Any) -> dict[str, Any]:
    names = [
        "kind",
        "ref",
        "url",
        "url_expires_at",
        "mime",
        "size",
        "filename",
        "width",
        "height",
        "duration",
        "thumb_url",
        "transcript",
        "sha256",
        "lat",
        "lon",
        "title",
        "address",
        "phones",
        "name",
        "vcard",
        "verified",
        "emoji",
        "price",
    ]
    return {name: known.get(name, [] if name == "phones" else None) for name in names}

"""What pywa sees in WhatsApp webhook files; runs in the oracles' own environment, not in ours.

Usage: python pywa_view.py FILE… → one JSON object {file name: view} on standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pywa import WhatsApp
from pywa.types import CallbackButton, DeletedMessage, EditedMessage, Message, MessageStatus
from pywa.utils import webhook_updates_validator

CLIENT = WhatsApp(phone_id="106540352242922", token="offline")
MEDIA = ("image", "video", "document", "audio", "sticker")
SECRET = "4pp5ecret"


def base(update: Any) -> dict[str, Any]:
    user = update.from_user
    return {
        "account": update.metadata.phone_number_id,
        "date": int(update.timestamp.timestamp()),
        "wa_id": user.wa_id,
        "user_id": user.bsuid,
        "name": user.name,
    }


def caption(message: Any) -> str | None:
    return next((c for kind in MEDIA if (c := getattr(getattr(message, kind), "caption", None))), None)


def attachment(message: Any) -> dict[str, Any] | None:
    for kind in MEDIA:
        item = getattr(message, kind, None)
        if item is not None:
            return {
                "kind": "voice" if getattr(item, "voice", False) else "photo" if kind == "image" else kind,
                "ref": item.id,
                "mime": item.mime_type,
                "sha256": item.sha256,
                "filename": getattr(item, "filename", None),
            }
    if message.location is not None:
        place = message.location
        return {
            "kind": "location",
            "lat": place.latitude,
            "lon": place.longitude,
            "title": place.name,
            "address": place.address,
        }
    if message.contacts:
        card = message.contacts[0]
        return {"kind": "contact", "name": card.name.formatted_name, "phones": [f"+{p.wa_id}" for p in card.phones]}
    return None


def said(message: Any) -> dict[str, Any]:
    reaction = getattr(message, "reaction", None)
    reply = message.reply_to_message
    advert = message.referral
    return {
        **base(message),
        "id": message.id,
        "text": reaction.emoji if reaction else message.text or caption(message),
        "reply": reaction.message_id if reaction else reply.id if reply else None,
        "attachment": attachment(message),
        "forwarded": message.forwarded,
        "ad": {"id": advert.source_id, "clid": advert.ctwa_clid, "headline": advert.headline} if advert else None,
    }


def view(update: dict[str, Any]) -> dict[str, Any]:
    value = update["entry"][0]["changes"][0]["value"]
    if "statuses" in value:
        status = MessageStatus.from_update(CLIENT, update)
        return {**base(status), "event": "status", "message_id": status.id, "state": status.status.value} | {
            "client_ref": status.tracker
        }
    kind = value["messages"][0]["type"]
    if kind == "interactive":
        pressed = CallbackButton.from_update(CLIENT, update)
        return {**base(pressed), "event": "button", "payload": pressed.data, "title": pressed.title} | {
            "source": pressed.reply_to_message.id
        }
    if kind == "edit":
        edited = said(EditedMessage.from_update(CLIENT, update).message)
        # Inside an edit `context` names nothing that was ever sent.
        return {"event": "edit"} | {key: value for key, value in edited.items() if key != "reply"}
    if kind == "revoke":
        deleted = DeletedMessage.from_update(CLIENT, update)
        return {**base(deleted), "event": "delete"}
    event = kind if kind in ("reaction", "unsupported") else "message"
    return {"event": event, **said(Message.from_update(CLIENT, update))}


def main() -> None:
    command, *rest = sys.argv[1:]
    if command == "verify":
        name, signature = rest
        sys.stdout.write(json.dumps(webhook_updates_validator(SECRET, Path(name).read_bytes(), signature)))
        return
    views = {Path(name).name: view(json.loads(Path(name).read_bytes())) for name in (command, *rest)}
    sys.stdout.write(json.dumps(views, ensure_ascii=False, default=str))


main()

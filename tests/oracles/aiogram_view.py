"""What aiogram's models see in Telegram update files; runs in the oracles' own environment, not in ours.

Usage: python aiogram_view.py FILE… → one JSON object {file name: view} on standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aiogram.types import Chat, Message, Update, User

FILES = ("voice", "video_note", "video", "animation", "audio", "sticker", "document")


def text_of(message: Message) -> str | None:
    return message.text if message.text is not None else message.caption


def attachment(message: Message) -> dict[str, object] | None:
    if message.photo:
        best = max(message.photo, key=lambda s: s.width * s.height)
        return {"kind": "photo", "ref": best.file_id, "size": best.file_size, "width": best.width}
    for kind in FILES:
        item = getattr(message, kind)
        if item is not None:
            return {
                "kind": "video" if kind == "animation" else kind,
                "ref": item.file_id,
                "size": item.file_size,
                "mime": getattr(item, "mime_type", None),
                "filename": getattr(item, "file_name", None),
                "duration": getattr(item, "duration", None),
            }
    if message.contact:
        card = message.contact
        own = card.user_id is not None and message.from_user is not None and card.user_id == message.from_user.id
        return {"kind": "contact", "phone": card.phone_number.lstrip("+"), "verified": own}
    if message.venue:
        place = message.venue.location
        return {"kind": "location", "lat": place.latitude, "lon": place.longitude, "title": message.venue.title}
    if message.location:
        return {"kind": "location", "lat": message.location.latitude, "lon": message.location.longitude}
    return None


def entities(message: Message) -> list[dict[str, object]]:
    found = message.entities if message.text is not None else message.caption_entities
    return [{"type": str(e.type), "offset": e.offset, "length": e.length} for e in found or []]


def people(user: User | None, chat: Chat) -> dict[str, object]:
    return {
        "sender": str(user.id) if user else None,
        "name": user.full_name if user else None,
        "username": user.username if user else None,
        "locale": user.language_code if user else None,
        "is_bot": user.is_bot if user else None,
        "chat": str(chat.id),
        "private": chat.type == "private",
    }


def said(message: Message) -> dict[str, object]:
    reply = message.reply_to_message
    return {
        "id": str(message.message_id),
        "text": text_of(message),
        "entities": entities(message),
        "attachment": attachment(message),
        "group_id": message.media_group_id,
        "date": int(message.edit_date or message.date.timestamp()),
        "reply": {"id": str(reply.message_id), "text": text_of(reply)} if reply else None,
        **people(message.from_user, message.chat),
    }


def view(update: Update) -> dict[str, object]:
    message = update.message or update.edited_message
    if message is not None:
        return {"event": update.event_type, **said(message)}
    if update.callback_query is not None:
        query = update.callback_query
        assert query.message is not None
        source = str(query.message.message_id)
        return {
            "event": update.event_type,
            "payload": query.data,
            "ack_ref": query.id,
            "source": source,
            **people(query.from_user, query.message.chat),
        }
    change = update.my_chat_member
    assert change is not None, update.event_type
    return {
        "event": update.event_type,
        "status": change.new_chat_member.status,
        "date": int(change.date.timestamp()),
        **people(change.from_user, change.chat),
    }


def main() -> None:
    views = {Path(name).name: view(Update.model_validate_json(Path(name).read_bytes())) for name in sys.argv[1:]}
    sys.stdout.write(json.dumps(views, ensure_ascii=False, default=str))


main()

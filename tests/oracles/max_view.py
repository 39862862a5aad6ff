"""What maxapi's models see in MAX update files; runs in the oracles' own environment, not in ours.

Usage: python max_view.py FILE… → one JSON object {file name: [view, …]} on standard output. The classes are called
directly: maxapi's own reader of updates makes network calls to enrich them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from maxapi.types.updates.bot_started import BotStarted
from maxapi.types.updates.bot_stopped import BotStopped
from maxapi.types.updates.message_callback import MessageCallback
from maxapi.types.updates.message_created import MessageCreated
from maxapi.types.updates.message_edited import MessageEdited
from maxapi.types.updates.message_removed import MessageRemoved

MODELS: dict[str, Any] = {
    "bot_started": BotStarted,
    "bot_stopped": BotStopped,
    "message_callback": MessageCallback,
    "message_created": MessageCreated,
    "message_edited": MessageEdited,
    "message_removed": MessageRemoved,
}


def person(user: Any) -> dict[str, Any]:
    names = [name for name in (user.first_name, user.last_name) if name]
    return {"sender": str(user.user_id), "name": " ".join(names), "is_bot": user.is_bot}


def attached(item: Any) -> dict[str, Any]:
    payload, kind = item.payload, str(item.type)
    if kind == "location":
        return {"lat": item.latitude, "lon": item.longitude}
    if kind == "contact":
        return {"vcard": payload.vcf_info, "phones": [f"+{phone}" for phone in payload.vcf.phones]}
    seen = {"url": payload.url, "ref": getattr(payload, "token", None) or getattr(payload, "code", None)}
    names = {"video": ("width", "height", "duration"), "sticker": ("width", "height"), "file": ("filename", "size")}
    seen |= {name: getattr(item, name) for name in names.get(kind, ())}
    if kind == "audio":
        seen["transcript"] = item.transcription
    return seen


def said(message: Any) -> dict[str, Any]:
    body, link = message.body, message.link
    quoted = link.message if link else None
    return {
        **person(message.sender),
        "account": str(message.recipient.user_id),
        "chat": str(message.recipient.chat_id),
        "private": str(message.recipient.chat_type) == "dialog",
        "id": body.mid,
        "seq": str(body.seq),
        "text": body.text or None,
        "attachments": [attached(item) for item in body.attachments or []],
        "reply": [quoted.mid, str(quoted.seq), quoted.text] if quoted and link.type == "reply" else None,
        "forward": [quoted.mid, quoted.text] if quoted and link.type == "forward" else None,
        "entities": [[m.from_, m.length, getattr(m, "url", None)] for m in body.markup or []],
    }


def view(update: dict[str, Any]) -> dict[str, Any]:
    kind = update["update_type"]
    event = MODELS[kind].model_validate(update)
    known: dict[str, Any] = {"event": kind, "date": event.timestamp}
    if kind == "message_created":
        return known | said(event.message) | {"date": event.message.timestamp, "locale": event.user_locale}
    if kind == "message_edited":
        return known | said(event.message)
    if kind == "message_removed":
        return known | {"id": event.message_id, "chat": str(event.chat_id), "sender": str(event.user_id)}
    if kind == "message_callback":
        press = event.callback
        return (
            known
            | person(press.user)
            | {
                "date": press.timestamp,
                "chat": str(event.message.recipient.chat_id),
                "account": str(event.message.sender.user_id),
                "ack_ref": press.callback_id,
                "payload": press.payload,
                "source": event.message.body.mid,
            }
        )
    ref = {"ref": event.payload} if kind == "bot_started" else {}
    return known | person(event.user) | {"chat": str(event.chat_id), "locale": event.user_locale} | ref


def main() -> None:
    views = {}
    for name in sys.argv[1:]:
        document = json.loads(Path(name).read_bytes())
        updates = document.get("updates", [document])
        views[Path(name).name] = [view(update) for update in updates]
    sys.stdout.write(json.dumps(views, ensure_ascii=False, default=str))


main()

"""What vkbottle-types' models see in VK event files; runs in the oracles' own environment, not in ours.

Usage: python vkbottle_view.py FILE… → one JSON object {file name: view} on standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vkbottle_types.events import bot_events

MODELS = {
    "message_new": bot_events.MessageNew,
    "message_event": bot_events.MessageEvent,
    "message_allow": bot_events.MessageAllow,
    "message_deny": bot_events.MessageDeny,
    "message_read": bot_events.MessageRead,
    "message_typing_state": bot_events.MessageTypingState,
}


def attachment(item: Any) -> dict[str, object]:
    kind = str(item.type.value)
    content = getattr(item, kind)
    if kind == "photo":
        best = max(content.sizes, key=lambda s: s.width)
        return {"kind": "photo", "url": best.url, "width": best.width, "height": best.height}
    if kind == "doc":
        return {"kind": "document", "url": content.url, "size": content.size, "filename": content.title}
    if kind == "audio_message":
        return {"kind": "voice", "url": content.link_ogg, "duration": content.duration}
    return {"kind": kind, "ref": str(content.sticker_id), "url": content.images[-1].url}


def said(message: Any) -> dict[str, object]:
    return {
        "id": str(message.id),
        "seq": str(message.conversation_message_id),
        "chat": str(message.peer_id),
        "sender": str(message.from_id),
        "text": message.text or None,
        "payload": message.payload,
        "ref": message.ref,
        "ref_source": message.ref_source,
        "date": int(message.date.timestamp()),
        "truncated": bool(message.is_cropped),
        "attachments": [attachment(item) for item in message.attachments or []],
    }


def view(envelope: dict[str, Any]) -> dict[str, object]:
    kind = envelope["type"]
    event = MODELS[kind].model_validate(envelope)
    known: dict[str, object] = {"event": kind, "account": str(event.group_id)}
    content = event.object
    if kind == "message_new":
        return known | said(content.message)
    if kind == "message_event":
        return known | {
            "chat": str(content.peer_id),
            "sender": str(content.user_id),
            "payload": json.dumps(content.payload, separators=(",", ":")),
            "ack_ref": content.event_id,
            "source": str(content.conversation_message_id),
        }
    if kind == "message_read":
        return known | {
            "chat": str(content.peer_id),
            "sender": str(content.from_id),
            "up_to": str(content.read_message_id),
            "seq": str(content.conversation_message_id),
        }
    if kind == "message_typing_state":
        return known | {"sender": str(content.from_id)}
    return known | {"sender": str(content.user_id)} | ({"ref": content.key} if kind == "message_allow" else {})


def main() -> None:
    views = {Path(name).name: view(json.loads(Path(name).read_bytes())) for name in sys.argv[1:]}
    sys.stdout.write(json.dumps(views, ensure_ascii=False, default=str))


main()

"""Commands → WhatsApp message bodies: pure functions, inside the platform's limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from battcrm.kit.errors import Permanent
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand
from battcrm.transport.base import Capabilities
from battcrm.transport.degrade import Piece, Rows, plan, split_text, with_numbered

BODY_LIMIT: Final = 1024
REPLY_BUTTONS: Final = 3
LIST_ROWS: Final = 10
MB: Final = 1024 * 1024
SIZES: Final = {"image": 5 * MB, "audio": 16 * MB, "document": 100 * MB}
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png"})
WORDS: Final = {
    "ru": {"choose": "Выбрать", "options": "Варианты", "corrected": "Исправлено:"},
    "en": {"choose": "Choose", "options": "Options", "corrected": "Corrected:"},
}

CAPABILITIES: Final = Capabilities(
    text_limit=4096,
    caption_limit=1024,
    buttons=LIST_ROWS,
    buttons_per_row=1,
    button_title_limit=20,
    button_payload_limit=200,
    url_buttons=True,
    ask_location=True,
    typing=True,
    mark_read=True,
    receipts=frozenset({"sent", "delivered", "read", "failed"}),
    attachments_out=frozenset({"photo", "document", "voice"}),
    max_file_out=100 * MB,
    # Larger files exist; they are left on the customer's phone rather than in our memory.
    max_file_in=16 * MB,
    per_second=80.0,
    per_chat_interval=6.0,
    reply_window=24 * 3600.0,
)


def pieces_of(command: OutgoingCommand) -> tuple[Piece, ...]:
    """The messages of a command: buttons only in combinations that exist, captions only where they are shown."""
    return tuple(part for piece in plan(_separable(command), CAPABILITIES) for part in _fitting(piece))


def _separable(command: OutgoingCommand) -> OutgoingCommand:
    """A link or a request for the place stands alone or not at all; beside other buttons it becomes a line of text."""
    buttons = [button for row in command.buttons for button in row]
    choices = [button for button in buttons if button.kind in ("reply", "callback")]
    if len(buttons) <= 1 or len(choices) == len(buttons):
        distinct = {button.title for button in choices}, {_id(button) for button in choices}
        if all(len(values) == len(choices) for values in distinct):
            return command
        return replace(command, text=with_numbered(command.text, command.buttons), buttons=())
    others = tuple(button for button in buttons if button not in choices)
    return replace(command, text=with_numbered(command.text, (others,)), buttons=tuple((b,) for b in choices))


def _fitting(piece: Piece) -> Iterator[Piece]:
    if piece.attachment is not None and piece.attachment.kind == "voice" and piece.text:
        yield Piece(attachment=piece.attachment)
        yield Piece(text=piece.text)
    elif piece.buttons and len(piece.text) > BODY_LIMIT:
        tail = split_text(piece.text, BODY_LIMIT)[-1]
        yield Piece(text=piece.text.strip().removesuffix(tail).rstrip())
        yield Piece(text=tail, buttons=piece.buttons)
    else:
        yield piece


def text_body(piece: Piece, locale: str) -> dict[str, Any]:
    """A text message, with buttons as interactive message."""
    if piece.buttons:
        return {"type": "interactive", "interactive": _interactive(piece.text, piece.buttons, locale)}
    return {"type": "text", "text": {"body": piece.text, "preview_url": "http" in piece.text}}


def _interactive(text: str, rows: Rows, locale: str) -> dict[str, Any]:
    buttons = [button for row in rows for button in row]
    first, body = buttons[0], {"text": text}
    if first.kind == "url":
        parameters = {"display_text": first.title, "url": first.url}
        return {"type": "cta_url", "body": body, "action": {"name": "cta_url", "parameters": parameters}}
    if first.kind == "location":
        return {"type": "location_request_message", "body": body, "action": {"name": "send_location"}}
    if len(buttons) <= REPLY_BUTTONS:
        replies = [{"type": "reply", "reply": {"id": _id(button), "title": button.title}} for button in buttons]
        return {"type": "button", "body": body, "action": {"buttons": replies}}
    words = WORDS.get(locale, WORDS["ru"])
    lines = [{"id": _id(button), "title": button.title} for button in buttons]
    action = {"button": words["choose"], "sections": [{"title": words["options"], "rows": lines}]}
    return {"type": "list", "body": body, "action": action}


def _id(button: OutButton) -> str:
    return button.payload or button.title


def media_body(kind: str, source: dict[str, str], piece: Piece) -> dict[str, Any]:
    """A media message; `source` is {"id": …} of an upload or {"link": …}."""
    media: dict[str, str] = dict(source)
    if piece.text:
        media["caption"] = piece.text
    if kind == "document" and piece.attachment is not None and piece.attachment.filename:
        media["filename"] = piece.attachment.filename
    return {"type": kind, kind: media}


def media_kind(attachment: OutAttachment, mime: str, size: int) -> str:
    """The platform's kind for a file; a photo that is none to WhatsApp goes as document. Permanent if too large."""
    kind = {"photo": "image", "voice": "audio"}.get(attachment.kind, "document")
    if kind == "image" and (mime not in IMAGE_TYPES or size > SIZES["image"]):
        kind = "document"
    if size > SIZES[kind]:
        raise Permanent(f"the file is over {SIZES[kind] // MB} MB", code="file_too_big")
    return kind


def template_body(template: dict[str, Any]) -> dict[str, Any]:
    """A template message from {name, lang, params | components, button_payloads?}.

    `params` are the body's texts: a list in order, or a dict of named ones. Invalid names raise Permanent.
    """
    name = template.get("name")
    if not isinstance(name, str) or not name:
        raise Permanent("the template has no name", code="template_refused")
    components = template.get("components")
    if not isinstance(components, list):
        components = [*_body_component(template.get("params")), *_buttons(template.get("button_payloads"))]
    document: dict[str, Any] = {"name": name, "language": {"code": str(template.get("lang") or "ru")}}
    if components:
        document["components"] = components
    return {"type": "template", "template": document}


def _body_component(params: Any) -> list[dict[str, Any]]:
    if isinstance(params, dict):
        values = [{"type": "text", "parameter_name": str(k), "text": str(v)} for k, v in params.items()]
    else:
        values = [{"type": "text", "text": str(v)} for v in params or ()]
    return [{"type": "body", "parameters": values}] if values else []


def _buttons(payloads: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": str(index),
            "parameters": [{"type": "payload", "payload": str(payload)}],
        }
        for index, payload in enumerate(payloads or ())
    ]

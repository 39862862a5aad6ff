"""The inbox's compact form of a Unified Message: written at the door, read once by the processor."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from battcrm.kit.text import dumps
from battcrm.models.unified import (
    Ad,
    Attachment,
    Button,
    Content,
    Context,
    Conversation,
    Direction,
    Entity,
    Forwarded,
    Kind,
    ReplyTo,
    Sender,
    Source,
    Status,
    StatusError,
    UnifiedMessage,
    Window,
)


def encode(message: UnifiedMessage) -> bytes:
    """JSON without the raw object, which is stored beside it as bytes."""
    return dumps(replace(message, raw={}))


def decode(payload: bytes) -> UnifiedMessage:
    """The message again. ValueError, KeyError or TypeError for bytes that `encode` did not write."""
    d: dict[str, Any] = orjson.loads(payload)
    return UnifiedMessage(
        channel=d["channel"],
        account_ref=d["account_ref"],
        dedup_key=d["dedup_key"],
        kind=Kind(d["kind"]),
        conversation=_conversation(d["conversation"]),
        direction=Direction(d["direction"]),
        occurred_at=_time(d["occurred_at"]),
        sender=_sender(d["sender"]),
        message=_content(d["message"]),
        reply_to=ReplyTo(**d["reply_to"]) if d["reply_to"] else None,
        forwarded=Forwarded(**d["forwarded"]) if d["forwarded"] else None,
        button=_button(d["button"]) if d["button"] else None,
        source=_source(d["source"]) if d["source"] else None,
        status=_status(d["status"]) if d["status"] else None,
        window=_window(d["window"]) if d["window"] else None,
        channel_id=UUID(d["channel_id"]) if d["channel_id"] else None,
        received_at=_time(d["received_at"]),
    )


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _conversation(d: dict[str, Any]) -> Conversation:
    return Conversation(d["id"], d["type"], Context(**d["context"]) if d["context"] else None)


def _sender(d: dict[str, Any]) -> Sender:
    return Sender(**{**d, "alt_ids": tuple(d["alt_ids"])})


def _content(d: dict[str, Any]) -> Content:
    return Content(
        id=d["id"],
        seq=d["seq"],
        text=d["text"],
        entities=tuple(Entity(**e) for e in d["entities"]),
        attachments=tuple(_attachment(a) for a in d["attachments"]),
        group_id=d["group_id"],
        truncated=d["truncated"],
    )


def _attachment(d: dict[str, Any]) -> Attachment:
    return Attachment(**{**d, "phones": tuple(d["phones"]), "url_expires_at": _time(d["url_expires_at"])})


def _button(d: dict[str, Any]) -> Button:
    return Button(**{**d, "ack_deadline": _time(d["ack_deadline"])})


def _source(d: dict[str, Any]) -> Source:
    return Source(**{**d, "ad": Ad(**d["ad"]) if d["ad"] else None})


def _status(d: dict[str, Any]) -> Status:
    return Status(**{**d, "error": StatusError(**d["error"]) if d["error"] else None})


def _window(d: dict[str, Any]) -> Window:
    return Window(**{**d, "expires_at": _time(d["expires_at"])})

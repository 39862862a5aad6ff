"""What we say: the outgoing command handed to a channel, and what the channel answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class OutState(StrEnum):
    """States of an outgoing row (PROTOCOL E1). `pending` and `sending` block the chat."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OutButton:
    """A button of any channel; kinds a channel lacks are degraded to numbered text."""

    title: str
    payload: str = ""
    kind: str = "reply"  # reply | callback | url | contact | location
    url: str | None = None


@dataclass(frozen=True, slots=True)
class OutAttachment:
    """A file to send: `path` is a local file of the media store, `url` a public address."""

    kind: str  # photo | document | voice
    path: str | None = None
    url: str | None = None
    filename: str | None = None
    mime: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingCommand:
    """One message to one chat. `idempotency_key` is the outgoing row's id, stable over retries."""

    idempotency_key: str
    conversation_id: str
    text: str = ""
    buttons: tuple[tuple[OutButton, ...], ...] = ()
    attachments: tuple[OutAttachment, ...] = ()
    reply_to: str | None = None
    template: dict[str, Any] | None = None
    edit_of: str | None = None
    silent: bool = False
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """Accepted by the platform. One command may become several platform messages (split text)."""

    message_id: str | None
    seq: str | None = None
    extra_ids: tuple[str, ...] = ()

"""Unified Message Format: one inbound event of any channel, in one shape (docs/reference/unified-message.md)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from battcrm.kit.ids import derived_id

UMF_VERSION: Final = "1"


class Kind(StrEnum):
    """What happened."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"
    BUTTON = "button"
    START = "start"
    STOP = "stop"
    ALLOW = "allow"
    DENY = "deny"
    REACTION = "reaction"
    STATUS = "status"
    TYPING = "typing"
    CALL = "call"
    UNSUPPORTED = "unsupported"


class Direction(StrEnum):
    """in = from the customer, out = echo of something sent elsewhere, service = from the platform itself."""

    IN = "in"
    OUT = "out"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is not text. `ref` is what the platform needs to fetch it again."""

    kind: str
    ref: str | None = None
    url: str | None = None
    url_expires_at: datetime | None = None
    mime: str | None = None
    size: int | None = None
    filename: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    thumb_url: str | None = None
    transcript: str | None = None
    sha256: str | None = None
    lat: float | None = None
    lon: float | None = None
    title: str | None = None
    address: str | None = None
    phones: tuple[str, ...] = ()
    name: str | None = None
    vcard: str | None = None
    verified: bool | None = None
    emoji: str | None = None
    price: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A formatted stretch of the text; offset and length in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the conversation is about on the platform's side (an ad, a listing)."""

    type: str
    id: str | None = None
    title: str | None = None
    url: str | None = None
    price: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The chat: `id` is the reply address."""

    id: str
    type: str = "private"
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the platform tells it."""

    id: str | None = None
    alt_ids: tuple[str, ...] = ()
    display_name: str | None = None
    username: str | None = None
    phone: str | None = None
    phone_verified: bool = False
    locale: str | None = None
    is_bot: bool = False
    is_us: bool = False
    agent_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The message itself. `seq` is the platform's order inside the chat where it has one."""

    id: str | None = None
    seq: str | None = None
    text: str | None = None
    entities: tuple[Entity, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    group_id: str | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """The message this one answers."""

    id: str | None = None
    seq: str | None = None
    text: str | None = None
    from_us: bool | None = None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Where a forwarded message came from."""

    from_: str | None = None
    id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A pressed button. `ack_ref` answers the platform so that the button stops spinning."""

    payload: str | None = None
    title: str | None = None
    source_message_id: str | None = None
    ack_ref: str | None = None
    ack_deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ad:
    """The advertisement that brought the person."""

    id: str | None = None
    clid: str | None = None
    url: str | None = None
    headline: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How the person came: deep link payload, ad, listing."""

    ref: str | None = None
    ref_source: str | None = None
    utm: dict[str, str] = field(default_factory=dict)
    ad: Ad | None = None
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class StatusError:
    """Why the platform did not deliver."""

    code: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Delivery state of one of our messages (or, with `up_to`, of all up to one)."""

    message_id: str | None = None
    state: str = "delivered"
    up_to: str | None = None
    error: StatusError | None = None
    client_ref: str | None = None
    pricing: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """WhatsApp's customer service window."""

    expires_at: datetime | None = None
    template_required: bool = False


@dataclass(frozen=True, slots=True)
class UnifiedMessage:
    """One inbound event. `raw` is the platform's own object, untouched."""

    channel: str
    account_ref: str | None
    dedup_key: str
    kind: Kind
    conversation: Conversation
    direction: Direction = Direction.IN
    occurred_at: datetime | None = None
    sender: Sender = field(default_factory=Sender)
    message: Content = field(default_factory=Content)
    reply_to: ReplyTo | None = None
    forwarded: Forwarded | None = None
    button: Button | None = None
    source: Source | None = None
    status: Status | None = None
    window: Window | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    channel_id: UUID | None = None
    received_at: datetime | None = None

    @property
    def words(self) -> str | None:
        """What was said, wherever the platform puts it: the text, else what was forwarded, else what was heard."""
        forwarded = self.forwarded.text if self.forwarded else None
        heard = next((a.transcript for a in self.message.attachments if a.transcript), None)
        return self.message.text or forwarded or heard

    @property
    def event_id(self) -> UUID:
        """Stable id of the event, derived from channel and dedup key."""
        return derived_id("event", str(self.channel_id or self.channel), self.dedup_key)


def rfc3339(value: datetime | None) -> str | None:
    """UTC with milliseconds and `Z`, or None."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_wire(message: UnifiedMessage) -> dict[str, Any]:
    """The document of `battcrm parse --json` and of the inbox: every key present, null where unknown."""
    document: dict[str, Any] = {"umf": UMF_VERSION, "event_id": str(message.event_id)}
    for item in fields(message):
        document[item.name] = _plain(getattr(message, item.name))
    document["raw"] = message.raw
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name.rstrip("_"): _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value

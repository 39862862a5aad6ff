"""docs/reference/unified-message.md from the types of models/unified.py. A field without a meaning here fails the test."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints
from uuid import UUID

from battcrm.models import unified
from battcrm.models.unified import Direction, Kind, UnifiedMessage

_HEAD: Final = """# Unified Message Format

Made from `src/battcrm/models/unified.py` by `make docs`; a test compares. Do not edit.

One inbound event of any channel is one document of this shape: in the inbox, and in `battcrm parse CHANNEL FILE --json`,
which prints a list of them (`[]` = authentic, and nothing in it for us). Every key is always there; `null` = not known.
Times are RFC 3339 in UTC with milliseconds. Identifiers are text, whatever the platform makes of them.

`umf` is the version of the format, `"1"`; `event_id` is derived from the channel and `dedup_key`, so that the same event
always has the same id.
"""
_OBJECTS: Final = (
    ("", UnifiedMessage),
    ("conversation", unified.Conversation),
    ("conversation.context", unified.Context),
    ("sender", unified.Sender),
    ("message", unified.Content),
    ("message.entities[]", unified.Entity),
    ("message.attachments[]", unified.Attachment),
    ("reply_to", unified.ReplyTo),
    ("forwarded", unified.Forwarded),
    ("button", unified.Button),
    ("source", unified.Source),
    ("source.ad", unified.Ad),
    ("status", unified.Status),
    ("status.error", unified.StatusError),
    ("window", unified.Window),
)
_KINDS: Final[dict[Kind, str]] = {
    Kind.MESSAGE: "something was said: text, files, a card, a place",
    Kind.EDIT: "the message `message.id` now says this",
    Kind.DELETE: "the message `message.id` was taken back",
    Kind.BUTTON: "a button of ours was pressed, or a form of ours filled in",
    Kind.START: "the chat was begun, perhaps by a link: `source.ref`",
    Kind.STOP: "the person blocked us or left; nothing can be sent",
    Kind.ALLOW: "the person lets us write",
    Kind.DENY: "the person forbids us to write",
    Kind.REACTION: "the reaction on `reply_to`; no text = taken back",
    Kind.STATUS: "what became of a message of ours",
    Kind.TYPING: "the person is writing",
    Kind.CALL: "a call, answered or missed; `raw` has the rest",
    Kind.UNSUPPORTED: "the platform does not show it, or we cannot read it: an operator sees that it is there",
}
_DIRECTIONS: Final[dict[Direction, str]] = {
    Direction.IN: "from the customer",
    Direction.OUT: "an echo of what we, or a human of ours in another application, sent",
    Direction.SERVICE: "from the platform itself; answered by nobody",
}
_ATTACHMENTS: Final = {
    "photo": "a picture, the largest size there is",
    "video": "a video, an animation",
    "video_note": "a round video",
    "voice": "a recorded voice; `transcript` where the platform gives one",
    "audio": "music",
    "document": "a file",
    "sticker": "a sticker",
    "location": "a place: `lat`, `lon`, perhaps `title` and `address`",
    "contact": "a card: `phones`, `name`; `verified` = the sender's own, vouched for by the platform",
    "link": "an address with a preview; a post, a story or an article of the platform's own",
    "item": "goods: `title`, `price`",
    "unknown": "something else; `name` or `title` says what",
}
_MEANING: Final = {
    "channel": "kind of the channel",
    "account_ref": "the account's own id: bot, community, number, seller",
    "dedup_key": "the same for the same event, however often it is delivered; unique within a channel",
    "kind": "what happened, see below",
    "direction": "who speaks, see below",
    "occurred_at": "when, as the platform says",
    "raw": "the platform's own object, untouched",
    "channel_id": "the connected account here; null on the command line",
    "received_at": "when it was stored; null on the command line",
    "Conversation.id": "the reply address",
    "Conversation.type": "`private`, `ad` (one buyer, one advertisement), `group`, `channel`; the last two are never answered",
    "Context.type": "`ad`",
    "Context.id": "the advertisement's number",
    "Sender.id": "the person's id on the platform",
    "Sender.alt_ids": "other ids of the same person (WhatsApp: phone and business-scoped id, also new ones)",
    "Sender.phone": "in E.164, where given; `phone_verified` = by the platform",
    "Sender.locale": "language of the person's application",
    "Sender.is_us": "the account itself, or a human of ours",
    "Sender.agent_ref": "which human of ours, where the platform tells (VK)",
    "Content.id": "the message's id on the platform; of an edit or a deletion, the message it is about",
    "Content.seq": "the platform's order inside the chat, where there is one",
    "Content.text": "text or caption; of a reaction, the reaction",
    "Content.group_id": "the album it belongs to",
    "Content.truncated": "the platform kept something back; read again where that is possible",
    "Entity.offset": "in UTF-16 code units, as `length`",
    "Entity.url": "of links and mentions",
    "Attachment.kind": "see below",
    "Attachment.ref": "what the platform needs to fetch it or to send it again",
    "Attachment.url": "where it can be fetched, until `url_expires_at`",
    "Attachment.size": "bytes",
    "Attachment.width": "pixels, as `height`",
    "Attachment.duration": "seconds",
    "Attachment.lat": "degrees, as `lon`",
    "Attachment.verified": "of a card: true = the sender's own, false = not, null = cannot be told here",
    "Attachment.price": "as it is shown",
    "Attachment.name": "of a person, a performer, or of the kind that cannot be read",
    "ReplyTo.id": "the message that is answered",
    "ReplyTo.from_us": "whether it is ours, where that can be told",
    "Forwarded.from_": "who said it first: an id, or a name where the id is hidden",
    "Forwarded.id": "its id there",
    "Button.payload": "what we gave the button",
    "Button.ack_ref": "what stops the button's spinner, until `ack_deadline`",
    "Source.ref": "payload of the link that brought the person, or the advertisement's number",
    "Source.ref_source": "where the link was",
    "Source.utm": "marks of the link",
    "Source.item_id": "the goods or the listing",
    "Ad.clid": "the click's id",
    "Status.message_id": "the message of ours",
    "Status.state": "`sent`, `delivered`, `read`, `failed`",
    "Status.up_to": "this and all earlier ones (VK)",
    "Status.client_ref": "what we gave the send, where the platform returns it",
    "Status.pricing": "what WhatsApp charges",
    "StatusError.code": "the platform's code",
    "Window.expires_at": "until when free text may be sent (WhatsApp)",
    "Window.template_required": "only an approved template will be delivered",
}
# Names that say all there is to say.
_PLAIN: Final = frozenset(
    [
        "Context.title",
        "Context.url",
        "Context.price",
        "Sender.display_name",
        "Sender.username",
        "Sender.phone_verified",
        "Sender.is_bot",
        "Content.entities",
        "Content.attachments",
        "Entity.type",
        "Entity.length",
        "Attachment.url_expires_at",
        "Attachment.mime",
        "Attachment.filename",
        "Attachment.height",
        "Attachment.thumb_url",
        "Attachment.transcript",
        "Attachment.sha256",
        "Attachment.lon",
        "Attachment.title",
        "Attachment.address",
        "Attachment.phones",
        "Attachment.vcard",
        "Attachment.emoji",
        "ReplyTo.seq",
        "ReplyTo.text",
        "Forwarded.text",
        "Button.title",
        "Button.source_message_id",
        "Button.ack_deadline",
        "Source.ad",
        "Ad.id",
        "Ad.url",
        "Ad.headline",
        "Status.error",
        "StatusError.text",
        "Conversation.context",
        "conversation",
        "sender",
        "message",
        "reply_to",
        "forwarded",
        "button",
        "source",
        "status",
        "window",
    ]
)


def render() -> str:
    """The whole page. KeyError names a field, kind or direction whose meaning is not written down."""
    parts = [_HEAD, _table("## Kinds", ((k.value, _KINDS[k]) for k in Kind))]
    parts.append(_table("## Directions", ((d.value, _DIRECTIONS[d]) for d in Direction)))
    parts += [_section(path, schema) for path, schema in _OBJECTS]
    parts.append(_table("## Kinds of attachments", _ATTACHMENTS.items()))
    return "\n".join(parts)


def _table(title: str, rows: Any) -> str:
    lines = [title, "", "| value | meaning |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning in rows)]
    return "\n".join(lines) + "\n"


def _section(path: str, schema: type) -> str:
    hints = get_type_hints(schema)
    lines = [f"## `{path}`" if path else "## The document", "", " ".join((schema.__doc__ or "").split()), ""]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    for item in fields(schema):
        named = item.name if schema is UnifiedMessage else f"{schema.__name__}.{item.name}"
        meaning = "" if named in _PLAIN else _MEANING[named]
        lines.append(f"| `{item.name.rstrip('_')}` | {_type(hints[item.name])} | {meaning} |")
    return "\n".join(lines) + "\n"


def _type(hint: Any) -> str:
    if get_origin(hint) is UnionType:
        return ", ".join(_type(part) for part in get_args(hint) if part is not type(None)) + " or null"
    if get_origin(hint) is tuple:
        return f"list of {_type(get_args(hint)[0])}"
    if get_origin(hint) is dict or is_dataclass(hint):
        return "object"
    names = {str: "text", int: "integer", float: "number", bool: "true or false", datetime: "time", UUID: "uuid"}
    return names.get(hint, "text")

"""VK events → unified messages. The same envelopes come by Callback API (with `secret`) and by long poll (without)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps
from battcrm.models.unified import (
    Button,
    Content,
    Conversation,
    Direction,
    Kind,
    ReplyTo,
    Sender,
    Source,
    Status,
    UnifiedMessage,
)
from battcrm.transport.base import ChannelAccount
from battcrm.transport.vk import content as read
from battcrm.transport.vk.attachments import of_message, ordered, poll_of
from battcrm.transport.wire import (
    decode_object,
    dedup_key,
    digest,
    e164,
    ident,
    moment,
    obj,
    objects,
    phone_in,
    text,
    whole,
)

CHANNEL: Final = "vk"
GROUP_CHAT_BASE: Final = 2_000_000_000
_LOCALES: Final = {0: "ru", 1: "uk", 2: "be", 3: "en"}
# VK numbers its reactions; others are shown by number.
_REACTIONS: Final = dict(enumerate("❤🔥😂👍💩❓😭😡👎👌😃🤔🙏😘😍🎉", 1))


@dataclass(frozen=True, slots=True)
class _Event:
    """One envelope, its parts checked for type."""

    type: str
    group: str
    event_id: str
    object: dict[str, Any]
    raw: dict[str, Any]
    channel_id: UUID | None


def parse(body: bytes, account: ChannelAccount | None) -> list[UnifiedMessage]:
    """The event of one callback, or all of one long-poll answer. `[]` where nothing is about a dialogue.

    Raises Invalid for a body without VK's `type` and `group_id`.
    """
    document = decode_object(body, "VK")
    if "type" not in document and isinstance(document.get("updates"), list):
        return [message for update in objects(document["updates"]) for message in parse_event(update, account)]
    return parse_event(document, account)


def parse_event(envelope: dict[str, Any], account: ChannelAccount | None) -> list[UnifiedMessage]:
    """As `parse`, for one decoded envelope."""
    kind = text(envelope.get("type"))
    group = ident(envelope.get("group_id")) or (account.account_ref if account else None)
    if kind is None or group is None:
        raise Invalid("a VK event has type and group_id", field="type", code="malformed")
    handler = _HANDLERS.get(kind)
    if handler is None:
        return []
    # The secret authenticates the delivery; it is no part of what happened.
    raw = {key: value for key, value in envelope.items() if key != "secret"}
    event = _Event(
        type=kind,
        group=group,
        event_id=ident(envelope.get("event_id")) or _fingerprint(raw),
        object=obj(envelope.get("object")),
        raw=raw,
        channel_id=account.channel_id if account else None,
    )
    return [handler(event)]


def _fingerprint(raw: dict[str, Any]) -> str:
    try:
        return digest(dumps(raw))
    except TypeError:
        raise Invalid("a VK event nested too deeply", field="object", code="malformed") from None


def from_history(item: dict[str, Any], account: ChannelAccount) -> UnifiedMessage:
    """A message as `messages.getById` returns it, complete where the event was cropped; same dedup key as its event."""
    group = account.account_ref
    kind = "message_reply" if item.get("out") == 1 else "message_new"
    return _message(_Event(kind, group, "", {"message": item}, item, account.channel_id))


def _unified(event: _Event, peer: str, key: str, kind: Kind, **fields: Any) -> UnifiedMessage:
    number = whole(peer.removeprefix("-"))
    group_chat = number is not None and number >= GROUP_CHAT_BASE
    return UnifiedMessage(
        channel=CHANNEL,
        account_ref=event.group,
        dedup_key=key,
        kind=kind,
        conversation=Conversation(peer, "group" if group_chat else "private"),
        raw=event.raw,
        channel_id=event.channel_id,
        **fields,
    )


def _nowhere(event: _Event) -> UnifiedMessage:
    """An authentic event that names no chat: kept visible, or VK would repeat it until it pauses the server."""
    key = dedup_key(event.event_id)
    return _unified(event, f"-{event.group}", key, Kind.UNSUPPORTED, direction=Direction.SERVICE)


def _message(event: _Event) -> UnifiedMessage:
    """message_new (wrapped in `message`), message_edit and message_reply (the object is the message)."""
    item = obj(event.object.get("message")) or event.object
    author = ident(item.get("from_id"))
    peer = ident(item.get("peer_id")) or author
    if peer is None:
        return _nowhere(event)
    number, seq = ident(item.get("id")), ident(item.get("conversation_message_id"))
    ours = author == f"-{event.group}" or event.type == "message_reply" or item.get("out") == 1
    body = text(item.get("text")) or poll_of(item)
    payload = read.said_by_button(item.get("payload"))
    content = Content(number, seq, body, attachments=of_message(item), truncated=item.get("is_cropped") is True)
    quoted, forwarded = read.reply_to(item, event.group), read.forwarded(item)
    service = bool(obj(item.get("action")))
    empty = not (body or content.attachments or payload or content.truncated or quoted or forwarded)
    revision = _revision(item, event) if event.type == "message_edit" else None
    named = seq or number
    kind = _kind(event, item, ours=ours, unreadable=service or empty)
    return _unified(
        event,
        peer,
        _message_key(event, peer, named, revision),
        kind,
        direction=Direction.SERVICE if service else Direction.OUT if ours else Direction.IN,
        occurred_at=moment(item.get("update_time")) if revision else moment(item.get("date")),
        sender=_sender(item, event, ours=ours, body=body),
        message=content,
        reply_to=quoted,
        forwarded=forwarded,
        button=Button(payload=payload, title=body) if payload and not ours else None,
        source=read.source(item),
        status=read.echo_of(item, number) if ours else None,
    )


def _message_key(event: _Event, peer: str, named: str | None, revision: str | None) -> str:
    if named is None:
        return dedup_key(event.event_id)
    return dedup_key(peer, named, "edit", revision) if revision else dedup_key(peer, named, "message")


def _revision(item: dict[str, Any], event: _Event) -> str:
    """Seconds alone cannot tell two quick edits apart; the version counter alone may be missing."""
    parts = (ident(item.get("update_time")), ident(item.get("version")))
    return "-".join(part for part in parts if part) or event.event_id


def _kind(event: _Event, item: dict[str, Any], *, ours: bool, unreadable: bool) -> Kind:
    if event.type == "message_edit":
        return Kind.EDIT
    if unreadable:
        return Kind.UNSUPPORTED
    if read.is_call(item):
        return Kind.CALL
    payload = item.get("payload")
    if ours or not payload:
        return Kind.MESSAGE
    return Kind.START if read.is_start(payload) else Kind.BUTTON


def _sender(item: dict[str, Any], event: _Event, *, ours: bool, body: str | None) -> Sender:
    author = ident(item.get("from_id"))
    language = whole(obj(event.object.get("client_info")).get("lang_id"))
    return Sender(
        id=author,
        phone=phone_in(body) if body and not ours else None,
        locale=_LOCALES.get(language) if language is not None else None,
        is_bot=bool(author and author.startswith("-")) and not ours,
        is_us=ours,
        agent_ref=ident(item.get("admin_author_id")),
    )


def _pressed(event: _Event) -> UnifiedMessage:
    item = event.object
    user = ident(item.get("user_id"))
    peer = ident(item.get("peer_id")) or user
    if peer is None:
        return _nowhere(event)
    press, seq = ident(item.get("event_id")), ident(item.get("conversation_message_id"))
    answer_to = f"{press}:{user}" if press and user and user != peer else press
    return _unified(
        event,
        peer,
        dedup_key(peer, seq, "button", press or event.event_id),
        Kind.BUTTON,
        sender=Sender(id=user),
        button=Button(payload=read.unwrapped(item.get("payload")), source_message_id=seq, ack_ref=answer_to),
    )


def _permission(event: _Event) -> UnifiedMessage:
    user = ident(event.object.get("user_id"))
    if user is None:
        return _nowhere(event)
    key = text(event.object.get("key"))
    kind = Kind.ALLOW if event.type == "message_allow" else Kind.DENY
    return _unified(
        event,
        user,
        dedup_key(event.event_id),
        kind,
        sender=Sender(id=user),
        source=Source(ref=key) if key else None,
    )


def _read(event: _Event) -> UnifiedMessage:
    reader = ident(event.object.get("from_id"))
    peer = ident(event.object.get("peer_id")) or reader
    if peer is None:
        return _nowhere(event)
    number, seq = ident(event.object.get("read_message_id")), ident(event.object.get("conversation_message_id"))
    named = number or seq
    return _unified(
        event,
        peer,
        dedup_key(peer, named, "status", "read") if named else dedup_key(event.event_id),
        Kind.STATUS,
        direction=Direction.SERVICE,
        sender=Sender(id=reader),
        message=Content(seq=seq),
        status=Status(state="read", up_to=named),
    )


def _reaction(event: _Event) -> UnifiedMessage:
    """The reaction a person now has on a message; no text = it was taken back."""
    person, target = ident(event.object.get("reacted_id")), ident(event.object.get("cmid"))
    peer = ident(event.object.get("peer_id")) or person
    if peer is None:
        return _nowhere(event)
    number = whole(event.object.get("reaction_id"))
    return _unified(
        event,
        peer,
        dedup_key(event.event_id),
        Kind.REACTION,
        sender=Sender(id=person),
        message=Content(text=None if number is None else _REACTIONS.get(number, f"#{number}")),
        reply_to=ReplyTo(seq=target) if target else None,
    )


def _order(event: _Event) -> UnifiedMessage:
    """An order in the community's shop, with what the buyer wrote to it."""
    order = event.object
    buyer, number, recipient = ident(order.get("user_id")), ident(order.get("id")), obj(order.get("recipient"))
    if buyer is None:
        return _nowhere(event)
    return _unified(
        event,
        buyer,
        dedup_key(buyer, number, "order") if number else dedup_key(event.event_id),
        Kind.MESSAGE,
        occurred_at=moment(order.get("date")),
        sender=Sender(id=buyer, display_name=text(recipient.get("name")), phone=e164(recipient.get("phone"))),
        message=Content(text=text(order.get("comment")), attachments=ordered(order)),
    )


def _typing(event: _Event) -> UnifiedMessage:
    user = ident(event.object.get("from_id"))
    if user is None:
        return _nowhere(event)
    return _unified(event, user, dedup_key(event.event_id), Kind.TYPING, sender=Sender(id=user))


_HANDLERS: Final[dict[str, Callable[[_Event], UnifiedMessage]]] = {
    "message_new": _message,
    "message_edit": _message,
    "message_reply": _message,
    "message_event": _pressed,
    "message_allow": _permission,
    "message_deny": _permission,
    "message_read": _read,
    "message_typing_state": _typing,
    "message_reaction_event": _reaction,
    "market_order_new": _order,
}

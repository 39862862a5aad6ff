"""Parts of a Telegram message: people, chats, text with entities, attachments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from battcrm.models.unified import Attachment, Content, Conversation, Entity, Forwarded, ReplyTo, Sender
from battcrm.transport import wire
from battcrm.transport.telegram.structured import structured

_CHAT_TYPES: Final = {"private": "private", "group": "group", "supergroup": "group", "channel": "channel"}

# Joined, left, renamed, pinned…: the chat's own bookkeeping, nothing a person said.
SERVICE_KEYS: Final = frozenset(
    [
        "boost_added",
        "channel_chat_created",
        "chat_background_set",
        "chat_owner_changed",
        "chat_owner_left",
        "checklist_tasks_added",
        "checklist_tasks_done",
        "community_chat_added",
        "community_chat_joined",
        "community_chat_removed",
        "connected_website",
        "delete_chat_photo",
        "direct_message_price_changed",
        "forum_topic_closed",
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_reopened",
        "general_forum_topic_hidden",
        "general_forum_topic_unhidden",
        "gift_upgrade_sent",
        "giveaway_completed",
        "giveaway_created",
        "group_chat_created",
        "left_chat_member",
        "managed_bot_created",
        "message_auto_delete_timer_changed",
        "migrate_from_chat_id",
        "migrate_to_chat_id",
        "new_chat_members",
        "new_chat_photo",
        "new_chat_title",
        "paid_message_price_changed",
        "passport_data",
        "pinned_message",
        "poll_option_added",
        "poll_option_deleted",
        "proximity_alert_triggered",
        "suggested_post_approval_failed",
        "suggested_post_approved",
        "suggested_post_declined",
        "suggested_post_paid",
        "suggested_post_refunded",
        "supergroup_chat_created",
        "video_chat_ended",
        "video_chat_participants_invited",
        "video_chat_scheduled",
        "video_chat_started",
    ]
)


_FORWARD_KEYS: Final = frozenset({"forward_origin", "forward_from", "forward_from_chat", "forward_sender_name"})


def person(user: dict[str, Any], bot_id: str | None) -> Sender:
    """A user (or the chat in whose name somebody writes) as sender."""
    ident = wire.ident(user.get("id"))
    names = (wire.text(user.get("first_name")), wire.text(user.get("last_name")))
    return Sender(
        id=ident,
        display_name=" ".join(n for n in names if n) or wire.text(user.get("title")),
        username=wire.text(user.get("username")),
        locale=wire.text(user.get("language_code")),
        is_bot=user.get("is_bot") is True,
        is_us=ident is not None and ident == bot_id,
    )


def conversation(chat: dict[str, Any]) -> Conversation | None:
    """The chat, or None without an id. An unknown type counts as a group: those are never answered automatically."""
    ident = wire.ident(chat.get("id"))
    if ident is None:
        return None
    kind = chat.get("type")
    if kind is None:
        return Conversation(ident, "group" if ident.startswith("-") else "private")
    return Conversation(ident, _CHAT_TYPES.get(kind, "group") if isinstance(kind, str) else "group")


def words(message: dict[str, Any]) -> tuple[str | None, tuple[Entity, ...]]:
    """Text or caption, and its entities."""
    text = wire.text(message.get("text"))
    if text is not None:
        return text, _entities(message.get("entities"))
    caption = wire.text(message.get("caption"))
    if caption is not None:
        return caption, _entities(message.get("caption_entities"))
    return structured(message), ()


def _entities(value: Any) -> tuple[Entity, ...]:
    found: list[Entity] = []
    for item in wire.objects(value):
        kind, offset, length = wire.text(item.get("type")), wire.size(item.get("offset")), wire.size(item.get("length"))
        if kind is None or offset is None or length is None:
            continue
        mentioned = wire.ident(wire.obj(item.get("user")).get("id"))
        url = wire.text(item.get("url")) or (f"tg://user?id={mentioned}" if mentioned else None)
        found.append(Entity(kind, offset, length, url))
    return tuple(found)


def content(message: dict[str, Any], ident: str, sender: Sender) -> Content:
    """Everything said in one message."""
    text, entities = words(message)
    return Content(
        id=ident,
        seq=ident,
        text=text,
        entities=entities,
        attachments=_attachments(message, sender),
        group_id=wire.ident(message.get("media_group_id")),
    )


def _attachments(message: dict[str, Any], sender: Sender) -> tuple[Attachment, ...]:
    """One of a kind in practice; the order of the table decides where Telegram sends the same file under two names.

    Paid media and shared people come as lists.
    """
    for key, read in _READERS.items():
        if message.get(key) is not None:
            found = read(message[key], sender)
            if found is not None:
                return (found,)
    paid = wire.objects(wire.obj(message.get("paid_media")).get("paid_media"))
    opened = tuple(part for item in paid for part in _attachments(item, sender))
    return opened or tuple(map(_person, wire.objects(wire.obj(message.get("users_shared")).get("users"))))


def _person(user: dict[str, Any]) -> Attachment:
    """Somebody picked from a list of contacts: a card without a phone."""
    names = (wire.text(user.get("first_name")), wire.text(user.get("last_name")))
    name = " ".join(n for n in names if n) or wire.text(user.get("username"))
    return Attachment(kind="contact", ref=wire.ident(user.get("user_id")), name=name, verified=False)


def _file(kind: str) -> Callable[[Any, Sender], Attachment | None]:
    def read(value: Any, _: Sender) -> Attachment | None:
        item = wire.obj(value)
        ref = wire.text(item.get("file_id"))
        if ref is None:
            return None
        side = wire.size(item.get("length")) if kind == "video_note" else None
        return Attachment(
            kind=kind,
            ref=ref,
            mime=wire.text(item.get("mime_type")),
            size=wire.size(item.get("file_size")),
            filename=wire.text(item.get("file_name")),
            width=wire.size(item.get("width")) or side,
            height=wire.size(item.get("height")) or side,
            duration=wire.size(item.get("duration")),
            title=wire.text(item.get("title")),
            name=wire.text(item.get("performer")),
            emoji=wire.text(item.get("emoji")),
        )

    return read


def _photo(value: Any, sender: Sender) -> Attachment | None:
    """The largest size. Telegram lists them ascending, but nothing promises that."""
    sizes = [s for s in wire.objects(value) if wire.text(s.get("file_id"))]
    if not sizes:
        return None

    def area(size: dict[str, Any]) -> int:
        return (wire.size(size.get("width")) or 0) * (wire.size(size.get("height")) or 0)

    best = max(reversed(sizes), key=area)
    found = _file("photo")(best, sender)
    return replace(found, mime="image/jpeg") if found else None


def _contact(value: Any, sender: Sender) -> Attachment | None:
    item = wire.obj(value)
    phone = wire.e164(item.get("phone_number"))
    names = (wire.text(item.get("first_name")), wire.text(item.get("last_name")))
    owner = wire.ident(item.get("user_id"))
    return Attachment(
        kind="contact",
        ref=owner,
        phones=(phone,) if phone else (),
        name=" ".join(n for n in names if n) or None,
        vcard=wire.text(item.get("vcard")),
        verified=owner is not None and owner == sender.id,
    )


def _location(value: Any, _: Sender) -> Attachment | None:
    item = wire.obj(value)
    lat, lon = wire.real(item.get("latitude")), wire.real(item.get("longitude"))
    return None if lat is None or lon is None else Attachment(kind="location", lat=lat, lon=lon)


def _venue(value: Any, sender: Sender) -> Attachment | None:
    item = wire.obj(value)
    place = _location(item.get("location"), sender) or Attachment(kind="location")
    return replace(place, title=wire.text(item.get("title")), address=wire.text(item.get("address")))


def _poll(value: Any, _: Sender) -> Attachment:
    """Says that the words, which are the message's text, came as a poll."""
    return Attachment(kind="unknown", name="poll", title=wire.text(wire.obj(value).get("question")))


_READERS: Final[dict[str, Callable[[Any, Sender], Attachment | None]]] = {
    "live_photo": _file("video"),
    "photo": _photo,
    "voice": _file("voice"),
    "video_note": _file("video_note"),
    "video": _file("video"),
    "animation": _file("video"),
    "audio": _file("audio"),
    "sticker": _file("sticker"),
    "document": _file("document"),
    "contact": _contact,
    "venue": _venue,
    "location": _location,
    "poll": _poll,
}


def reply_to(message: dict[str, Any], bot_id: str | None) -> ReplyTo | None:
    """The message this one answers; Telegram sends a copy of it."""
    original = wire.obj(message.get("reply_to_message"))
    ident = wire.ident(original.get("message_id"))
    if ident is None:
        return _elsewhere(message)
    if "forum_topic_created" in original:
        # Every message of a topic "answers" the message that opened the topic.
        return None
    author = wire.obj(original.get("from"))
    ours = author.get("is_bot") is True and (bot_id is None or wire.ident(author.get("id")) == bot_id)
    return ReplyTo(id=ident, seq=ident, text=words(original)[0], from_us=ours if author else None)


def _elsewhere(message: dict[str, Any]) -> ReplyTo | None:
    """An answer to a story, or to a message of another chat, of which only the quoted words are shown."""
    story = wire.ident(wire.obj(message.get("reply_to_story")).get("id"))
    if story is not None:
        return ReplyTo(id=f"story:{story}")
    external = wire.obj(message.get("external_reply"))
    quoted = wire.text(wire.obj(message.get("quote")).get("text"))
    ident = wire.ident(external.get("message_id"))
    return ReplyTo(id=ident, text=quoted, from_us=False) if external or quoted else None


def forwarded(message: dict[str, Any]) -> Forwarded | None:
    """Where it was forwarded from: `forward_origin` since Bot API 7.0, flat fields before."""
    if not _FORWARD_KEYS & message.keys():
        return None
    origin = wire.obj(message.get("forward_origin"))
    people = (
        origin.get("sender_user"),
        origin.get("sender_chat"),
        origin.get("chat"),
        message.get("forward_from"),
        message.get("forward_from_chat"),
    )
    ident = next((i for p in people if (i := wire.ident(wire.obj(p).get("id")))), None)
    source = ident or wire.text(origin.get("sender_user_name")) or wire.text(message.get("forward_sender_name"))
    if source is None and not origin:
        return None
    original = wire.ident(origin.get("message_id")) or wire.ident(message.get("forward_from_message_id"))
    return Forwarded(from_=source, id=original, text=words(message)[0])

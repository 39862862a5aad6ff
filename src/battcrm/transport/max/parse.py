"""MAX updates → unified messages. The same updates come by webhook (one a body) and by long poll (a list)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.unified import (
    Attachment,
    Button,
    Content,
    Conversation,
    Direction,
    Entity,
    Forwarded,
    Kind,
    ReplyTo,
    Sender,
    Source,
    UnifiedMessage,
)
from battcrm.transport.base import ChannelAccount
from battcrm.transport.max import attachments
from battcrm.transport.max.attachments import Card
from battcrm.transport.wire import decode_object, dedup_key, digest, ident, obj, objects, size, text, whole

CHANNEL: Final = "max"
# A press on a deleted message names no chat; the person can still be written to, by `user_id`.
BY_USER: Final = "user:"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
_TYPES: Final = {"dialog": "private", "chat": "group", "channel": "channel"}
_STYLES: Final = {
    "strong": "bold",
    "emphasized": "italic",
    "monospaced": "code",
    "link": "text_link",
    "user_mention": "text_mention",
    "quote": "blockquote",
}


@dataclass(frozen=True, slots=True)
class _Update:
    """One update, with what every reader needs."""

    type: str
    raw: dict[str, Any]
    account: ChannelAccount | None

    @property
    def bot(self) -> str | None:
        return self.account.account_ref if self.account and self.account.account_ref else None

    @property
    def at(self) -> datetime | None:
        return milliseconds(self.raw.get("timestamp"))

    @property
    def stamp(self) -> str | None:
        return ident(self.raw.get("timestamp"))

    def key(self, *parts: str | None) -> str:
        """The parts as a key; an update that carries no identifier is known by its fingerprint."""
        if parts[0] is not None:
            return dedup_key(*parts)
        try:
            # The standard encoder: an update may hold integers that no 64-bit one takes.
            return dedup_key(digest(json.dumps(self.raw, sort_keys=True).encode()), self.type)
        except RecursionError:
            raise Invalid("a MAX update nested too deeply", field="update", code="malformed") from None

    def unified(self, kind: Kind, chat: Conversation | None, key: str, **fields: Any) -> UnifiedMessage:
        """An update that names no chat is kept visible under the bot itself."""
        if chat is None:
            chat, kind = Conversation(f"bot-{self.bot or 'unknown'}"), Kind.UNSUPPORTED
            fields["direction"] = Direction.SERVICE
        fields.setdefault("account_ref", self.bot)
        fields.setdefault("occurred_at", self.at)
        channel_id = self.account.channel_id if self.account else None
        return UnifiedMessage(
            channel=CHANNEL, dedup_key=key, kind=kind, conversation=chat, raw=self.raw, channel_id=channel_id, **fields
        )


def parse(body: bytes, account: ChannelAccount | None) -> list[UnifiedMessage]:
    """The update of one webhook, or all of one long-poll answer. `[]` where nothing is about a dialogue.

    Raises Invalid for a body without MAX's `update_type`.
    """
    document = decode_object(body, "MAX")
    if "update_type" not in document and isinstance(document.get("updates"), list):
        return [message for update in objects(document["updates"]) for message in parse_update(update, account)]
    return parse_update(document, account)


def parse_update(update: dict[str, Any], account: ChannelAccount | None) -> list[UnifiedMessage]:
    """As `parse`, for one decoded update."""
    kind = text(update.get("update_type"))
    if kind is None:
        raise Invalid("a MAX update has update_type", field="update_type", code="malformed")
    handler = _HANDLERS.get(kind)
    return [handler(_Update(kind, update, account))] if handler else []


def milliseconds(value: Any) -> datetime | None:
    """Unix milliseconds as aware UTC time; None outside years 1970–9999."""
    given = whole(value)
    return _EPOCH + timedelta(milliseconds=given) if given is not None and 0 < given <= _LAST_MS else None


def _message(update: _Update) -> UnifiedMessage:
    """message_created and message_edited."""
    item = obj(update.raw.get("message"))
    author, recipient, body = obj(item.get("sender")), obj(item.get("recipient")), obj(item.get("body"))
    author_id, number = ident(author.get("user_id")), ident(body.get("mid"))
    bot = update.bot or _addressee(author, recipient)
    # A dialogue has one bot: whatever a bot says in it comes from us.
    by_bot = author.get("is_bot") is True and recipient.get("chat_type") == "dialog"
    ours = author_id is not None and (author_id == bot or by_bot)
    linked = obj(item.get("link"))
    content = _content(body, linked, Card(_token(update.account), author_id))
    edited = update.type == "message_edited"
    empty = not (content.text or content.attachments or linked)
    key = update.key(number, update.type, update.stamp) if edited else update.key(number, update.type)
    return update.unified(
        Kind.EDIT if edited else Kind.UNSUPPORTED if empty else Kind.MESSAGE,
        _conversation(recipient, author_id, ours=ours),
        key,
        account_ref=bot,
        direction=Direction.OUT if ours else Direction.IN,
        occurred_at=update.at if edited else milliseconds(item.get("timestamp")) or update.at,
        sender=_sender(author, update, card=content.attachments, is_us=ours),
        message=content,
        reply_to=_reply_to(linked, bot),
        forwarded=_forwarded(linked),
    )


def _token(account: ChannelAccount | None) -> str | None:
    return account.secrets.get("token") if account else None


def _addressee(author: dict[str, Any], recipient: dict[str, Any]) -> str | None:
    """Without an account the bot is who a dialogue's message is addressed to, or the bot who wrote it."""
    if author.get("is_bot") is True:
        return ident(author.get("user_id"))
    return ident(recipient.get("user_id")) if recipient.get("chat_type") == "dialog" else None


def _conversation(recipient: dict[str, Any], person: str | None, *, ours: bool = False) -> Conversation | None:
    named = text(recipient.get("chat_type"))
    kind = _TYPES.get(named, "group") if named else "private"
    chat = ident(recipient.get("chat_id"))
    if chat is not None:
        return Conversation(chat, kind)
    other = ident(recipient.get("user_id")) if ours else person
    return Conversation(BY_USER + other) if other else None


def _content(body: dict[str, Any], linked: dict[str, Any], card: Card) -> Content:
    """The body; what a forwarded message shows is shown to us too."""
    found = attachments.read(body.get("attachments"), card)
    if linked.get("type") == "forward":
        found += attachments.read(obj(linked.get("message")).get("attachments"), Card(card.token))
    return Content(
        ident(body.get("mid")),
        _seq(body.get("seq")),
        text(body.get("text")),
        _entities(body.get("markup")),
        found,
    )


def _seq(value: Any) -> str | None:
    """Order inside the chat: a number beyond 2^53, kept digit by digit."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**30:
        return str(value)
    return text(value)


def _entities(markup: Any) -> tuple[Entity, ...]:
    found: list[Entity] = []
    for item in objects(markup):
        kind, offset, length = text(item.get("type")), size(item.get("from")), size(item.get("length"))
        if kind is not None and offset is not None and length:
            url = text(item.get("url")) or text(item.get("user_link"))
            found.append(Entity(_STYLES.get(kind, kind), offset, length, url))
    return tuple(found)


def _sender(
    person: dict[str, Any], update: _Update, *, card: tuple[Attachment, ...] = (), is_us: bool = False
) -> Sender:
    own = next((item for item in card if item.kind == "contact" and item.verified and item.phones), None)
    names = (text(person.get("first_name")), text(person.get("last_name")))
    return Sender(
        id=ident(person.get("user_id")),
        display_name=" ".join(name for name in names if name) or text(person.get("name")),
        username=text(person.get("username")),
        phone=own.phones[0] if own else None,
        phone_verified=own is not None,
        locale=text(update.raw.get("user_locale")),
        is_bot=person.get("is_bot") is True,
        is_us=is_us,
    )


def _reply_to(linked: dict[str, Any], bot: str | None) -> ReplyTo | None:
    if linked.get("type") != "reply":
        return None
    quoted, author = obj(linked.get("message")), ident(obj(linked.get("sender")).get("user_id"))
    return ReplyTo(
        id=ident(quoted.get("mid")),
        seq=_seq(quoted.get("seq")),
        text=text(quoted.get("text")),
        from_us=author == bot if author and bot else None,
    )


def _forwarded(linked: dict[str, Any]) -> Forwarded | None:
    if linked.get("type") != "forward":
        return None
    original = obj(linked.get("message"))
    origin = ident(obj(linked.get("sender")).get("user_id")) or ident(linked.get("chat_id"))
    return Forwarded(from_=origin, id=ident(original.get("mid")), text=text(original.get("text")))


def _removed(update: _Update) -> UnifiedMessage:
    number, chat, person = (ident(update.raw.get(name)) for name in ("message_id", "chat_id", "user_id"))
    ours = person is not None and person == update.bot
    return update.unified(
        Kind.DELETE,
        _conversation({"chat_id": chat}, person),
        update.key(number, update.type),
        direction=Direction.OUT if ours else Direction.IN,
        sender=Sender(id=person, is_us=ours),
        message=Content(id=number),
    )


def _pressed(update: _Update) -> UnifiedMessage:
    """A callback; `message` is ours, and missing once it was deleted."""
    press, item = obj(update.raw.get("callback")), obj(update.raw.get("message"))
    person, body = obj(press.get("user")), obj(item.get("body"))
    number, payload = ident(press.get("callback_id")), text(press.get("payload"))
    person_id = ident(person.get("user_id"))
    stamp = ident(press.get("timestamp")) or update.stamp
    return update.unified(
        Kind.BUTTON,
        _conversation(obj(item.get("recipient")), person_id),
        update.key(number, update.type, stamp),
        account_ref=update.bot or ident(obj(item.get("sender")).get("user_id")),
        occurred_at=milliseconds(press.get("timestamp")) or update.at,
        sender=_sender(person, update),
        button=Button(
            payload=payload,
            title=_title(body, payload),
            source_message_id=ident(body.get("mid")),
            ack_ref=number,
        ),
    )


def _title(body: dict[str, Any], payload: str | None) -> str | None:
    """What stood on the pressed button: the one of the message's keyboard with this payload."""
    for keyboard in objects(body.get("attachments")):
        rows = obj(keyboard.get("payload")).get("buttons")
        for row in rows if isinstance(rows, list) else ():
            for button in objects(row):
                if payload is not None and button.get("payload") == payload:
                    return text(button.get("text"))
    return None


def _life(update: _Update) -> UnifiedMessage:
    """bot_started (with the deep link's payload), bot_stopped, dialog_removed."""
    person = obj(update.raw.get("user"))
    if ident(person.get("user_id")) is None:
        person = {**person, "user_id": update.raw.get("user_id")}
    person_id, ref = ident(person.get("user_id")), text(update.raw.get("payload"))
    started = update.type == "bot_started"
    return update.unified(
        Kind.START if started else Kind.STOP,
        _conversation({"chat_id": update.raw.get("chat_id")}, person_id),
        update.key(person_id and update.stamp and update.type, person_id, update.stamp),
        sender=_sender(person, update),
        source=Source(ref=ref) if started and ref else None,
    )


_HANDLERS: Final[dict[str, Callable[[_Update], UnifiedMessage]]] = {
    "message_created": _message,
    "message_edited": _message,
    "message_removed": _removed,
    "message_callback": _pressed,
    "bot_started": _life,
    "bot_stopped": _life,
    "dialog_removed": _life,
}

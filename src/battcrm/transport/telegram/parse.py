"""Telegram updates to unified messages (Bot API `Update`, one per webhook call)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.models.unified import (
    Attachment,
    Button,
    Content,
    Conversation,
    Direction,
    Kind,
    ReplyTo,
    Sender,
    Source,
    UnifiedMessage,
)
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.telegram import content as read

ALLOWED_UPDATES: Final = ("message", "edited_message", "callback_query", "my_chat_member", "message_reaction")

_START: Final = re.compile(r"/start(?:@\w+)?(?:\s+(?P<ref>\S.*))?\s*", re.DOTALL)
_GONE: Final = frozenset({"kicked", "left"})


def parse(body: bytes, account: ChannelAccount | None = None) -> list[UnifiedMessage]:
    """The messages of one update (or of a whole getUpdates answer); `[]` for kinds that do not concern us.

    Raises Invalid for a body that is not an update, and for a message without chat or id.
    """
    document = wire.decode_object(body, "Telegram")
    if "update_id" not in document and document.get("ok") is True and isinstance(document.get("result"), list):
        return [found for update in wire.objects(document["result"]) for found in parse_update(update, account)]
    return parse_update(document, account)


@dataclass(frozen=True, slots=True)
class _Update:
    """What all kinds of updates share."""

    number: str
    raw: dict[str, Any]
    bot_id: str | None
    channel_id: UUID | None

    def unified(self, key: str, kind: Kind, conversation: Conversation, **fields: Any) -> UnifiedMessage:
        return UnifiedMessage(
            channel="telegram",
            account_ref=self.bot_id,
            dedup_key=key,
            kind=kind,
            conversation=conversation,
            raw=self.raw,
            channel_id=self.channel_id,
            **fields,
        )


def parse_update(update: dict[str, Any], account: ChannelAccount | None) -> list[UnifiedMessage]:
    """`parse` for an update that is decoded already (long polling)."""
    number = wire.ident(update.get("update_id"))
    if number is None:
        raise Invalid("not a Telegram update", field="update_id", code="not_an_update")
    for kind, handle in _HANDLERS.items():
        value = update.get(kind)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise Invalid("not an object", field=kind, code="not_an_update")
        shared = _Update(
            number, update, account.account_ref if account else None, account.channel_id if account else None
        )
        found = handle(value, shared)
        return found if isinstance(found, list) else [] if found is None else [found]
    return []


def _message(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """Something said: an ordinary message, a pressed Start, or content that we cannot read but keep visible."""
    chat, ident = _address(value)
    if read.SERVICE_KEYS & value.keys():
        return None
    for key, special in _SPECIAL.items():
        if isinstance(value.get(key), dict):
            return special(value, chat, ident, update)
    kind, source, said = Kind.MESSAGE, None, _said(value, ident, update)
    text = said["message"].text
    start = _START.fullmatch(text) if text and text[0] == "/" and said["forwarded"] is None else None
    if start is not None:
        kind = Kind.START
        source = Source(ref=start["ref"].strip()) if start["ref"] else None
    elif text is None and not said["message"].attachments:
        kind = Kind.UNSUPPORTED
        said["message"] = replace(said["message"], attachments=_unknown(value))
    key = _key(value, chat, ident, kind)
    return update.unified(key, kind, chat, occurred_at=wire.moment(value.get("date")), source=source, **said)


def _key(value: dict[str, Any], chat: Conversation, ident: str, *parts: str) -> str:
    """A business account's chats number their messages apart from the bot's own chat with the same person."""
    connection = wire.text(value.get("business_connection_id"))
    return wire.dedup_key(chat.id, *((f"business-{connection}",) if connection else ()), ident, *parts)


def _filled_in(value: dict[str, Any], chat: Conversation, ident: str, update: _Update) -> UnifiedMessage:
    """A web application that was opened by a button of ours sent its result: a press with data."""
    given, said = value["web_app_data"], _said(value, ident, update)
    button = Button(payload=wire.text(given.get("data")), title=wire.text(given.get("button_text")))
    key = _key(value, chat, ident, Kind.BUTTON)
    return update.unified(key, Kind.BUTTON, chat, occurred_at=wire.moment(value.get("date")), button=button, **said)


def _allowed(value: dict[str, Any], chat: Conversation, ident: str, update: _Update) -> UnifiedMessage:
    """The person lets the bot write first."""
    sender = read.person(wire.obj(value.get("from")), update.bot_id)
    key = _key(value, chat, ident, Kind.ALLOW)
    return update.unified(key, Kind.ALLOW, chat, occurred_at=wire.moment(value.get("date")), sender=sender)


def _paid(value: dict[str, Any], chat: Conversation, ident: str, update: _Update) -> UnifiedMessage:
    """Money moved inside Telegram: shown to the operator, answered by nobody."""
    name = "successful_payment" if "successful_payment" in value else "refunded_payment"
    payment = wire.obj(value.get(name))
    parts = (wire.ident(payment.get("total_amount")), wire.text(payment.get("currency")))
    attached = Attachment(kind="unknown", name=name, price=" ".join(p for p in parts if p) or None)
    said = _said(value, ident, update)
    said |= {"direction": Direction.SERVICE, "message": replace(said["message"], attachments=(attached,))}
    key = _key(value, chat, ident, Kind.UNSUPPORTED)
    return update.unified(key, Kind.UNSUPPORTED, chat, occurred_at=wire.moment(value.get("date")), **said)


_SPECIAL: Final = {
    "web_app_data": _filled_in,
    "write_access_allowed": _allowed,
    "successful_payment": _paid,
    "refunded_payment": _paid,
}


def _edited(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """A new revision. Two edits within one second share `edit_date`, so the content takes part in the key.

    A shared position that moves is an edit every few seconds, and nothing that anybody said.
    """
    chat, ident = _address(value)
    if "live_period" in wire.obj(value.get("location")):
        return None
    said = _said(value, ident, update)
    revision = wire.ident(value.get("edit_date")) or update.number
    digest = zlib.crc32(repr((said["message"].text, said["message"].attachments)).encode("utf-8", "replace"))
    key = _key(value, chat, ident, "edit", revision, f"{digest:08x}")
    moment = wire.moment(value.get("edit_date")) or wire.moment(value.get("date"))
    return update.unified(key, Kind.EDIT, chat, occurred_at=moment, **said)


def _address(value: dict[str, Any]) -> tuple[Conversation, str]:
    """Chat and message id; a message without them cannot be kept."""
    chat = read.conversation(wire.obj(value.get("chat")))
    ident = wire.ident(value.get("message_id"))
    if chat is None or ident is None:
        raise Invalid("message without chat or id", field="chat.id" if chat is None else "message_id")
    return chat, ident


def _said(value: dict[str, Any], ident: str, update: _Update) -> dict[str, Any]:
    """Fields of a unified message that come from the Message object."""
    sender = read.person(wire.obj(value.get("from") or value.get("sender_chat")), update.bot_id)
    said = read.content(value, ident, sender)
    own = next((a for a in said.attachments if a.kind == "contact" and a.verified and a.phones), None)
    if own is not None:
        sender = replace(sender, phone=own.phones[0], phone_verified=True)
    return {
        "direction": Direction.OUT if sender.is_us else Direction.IN,
        "sender": sender,
        "message": said,
        "reply_to": read.reply_to(value, update.bot_id),
        "forwarded": read.forwarded(value),
    }


_NAMED: Final = (
    "dice",
    "game",
    "story",
    "paid_media",
    "invoice",
    "giveaway",
    "giveaway_winners",
    "gift",
    "unique_gift",
    "chat_shared",
    "rich_message",
)


def _unknown(value: dict[str, Any]) -> tuple[Attachment, ...]:
    """Dice, stories, games and what Telegram invents next: kept visible, with what can be named."""
    for key in _NAMED:
        item = wire.obj(value.get(key))
        if item:
            title = wire.text(item.get("title")) or wire.text(item.get("prize_description"))
            return (Attachment(kind="unknown", title=title, name=key, emoji=wire.text(item.get("emoji"))),)
    return (Attachment(kind="unknown"),)


def _callback(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """A pressed button. The message may be missing (inline mode) or inaccessible (only chat and id)."""
    sender = read.person(wire.obj(value.get("from")), update.bot_id)
    message = wire.obj(value.get("message"))
    chat = read.conversation(wire.obj(message.get("chat")))
    if chat is None and sender.id is None:
        raise Invalid("callback without a chat or a user", field="callback_query.from.id")
    payload = wire.text(value.get("data"))
    return update.unified(
        f"update:{update.number}",
        Kind.BUTTON,
        chat or Conversation(str(sender.id)),
        sender=sender,
        button=Button(
            payload=payload,
            title=_title(message, payload),
            source_message_id=wire.ident(message.get("message_id")) or wire.ident(value.get("inline_message_id")),
            ack_ref=wire.ident(value.get("id")),
        ),
    )


def _title(message: dict[str, Any], payload: str | None) -> str | None:
    rows = wire.obj(message.get("reply_markup")).get("inline_keyboard")
    for row in rows if isinstance(rows, list) else ():
        for button in wire.objects(row):
            if payload is not None and button.get("callback_data") == payload:
                return wire.text(button.get("text"))
    return None


def _membership(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """The bot was blocked or unblocked by a person, or removed from or added to a group."""
    chat = read.conversation(wire.obj(value.get("chat")))
    if chat is None:
        raise Invalid("membership change without a chat", field="my_chat_member.chat.id")
    before, after = _gone(value.get("old_chat_member")), _gone(value.get("new_chat_member"))
    if after is None or before == after:
        return None
    return update.unified(
        f"update:{update.number}",
        Kind.STOP if after else Kind.ALLOW,
        chat,
        occurred_at=wire.moment(value.get("date")),
        sender=read.person(wire.obj(value.get("from")), update.bot_id),
    )


def _gone(member: Any) -> bool | None:
    """Whether such a member is outside; None if nothing is said. The restricted may be either."""
    status = wire.text(wire.obj(member).get("status"))
    if status == "restricted":
        return wire.obj(member).get("is_member") is False
    return status in _GONE if status else None


def _reaction(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """All reactions the person now has on a message; no text = the last one was taken back."""
    chat, target = read.conversation(wire.obj(value.get("chat"))), wire.ident(value.get("message_id"))
    if chat is None or target is None:
        raise Invalid("reaction without a chat or a message", field="message_reaction.message_id")
    emoji = [
        wire.text(r.get("emoji")) or wire.text(r.get("type")) or "" for r in wire.objects(value.get("new_reaction"))
    ]
    sender: Sender = read.person(wire.obj(value.get("user") or value.get("actor_chat")), update.bot_id)
    return update.unified(
        f"update:{update.number}",
        Kind.REACTION,
        chat,
        occurred_at=wire.moment(value.get("date")),
        sender=sender,
        message=Content(text="".join(emoji) or None),
        reply_to=ReplyTo(id=target, seq=target),
    )


def _business(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    """A chat of the shop's own account: the chat is the customer, whoever else writes in it is the shop."""
    return _as_shop(_message(value, update), value)


def _business_edited(value: dict[str, Any], update: _Update) -> UnifiedMessage | None:
    return _as_shop(_edited(value, update), value)


def _as_shop(found: UnifiedMessage | None, value: dict[str, Any]) -> UnifiedMessage | None:
    if found is None or (found.sender.id == found.conversation.id and "sender_business_bot" not in value):
        return found
    return replace(found, direction=Direction.OUT, sender=replace(found.sender, is_us=True))


def _business_deleted(value: dict[str, Any], update: _Update) -> list[UnifiedMessage]:
    """Each deletion is an event of its own."""
    chat = read.conversation(wire.obj(value.get("chat")))
    if chat is None:
        raise Invalid("deletion without a chat", field="deleted_business_messages.chat.id")
    given = value.get("message_ids")
    numbers = [n for item in (given if isinstance(given, list) else ()) if (n := wire.ident(item))]
    return [
        update.unified(_key(value, chat, n, Kind.DELETE), Kind.DELETE, chat, message=Content(id=n, seq=n))
        for n in dict.fromkeys(numbers)
    ]


_Handler = Callable[[dict[str, Any], _Update], UnifiedMessage | list[UnifiedMessage] | None]
_HANDLERS: Final[dict[str, _Handler]] = {
    "message": _message,
    "edited_message": _edited,
    "callback_query": _callback,
    "my_chat_member": _membership,
    "message_reaction": _reaction,
    "channel_post": _message,
    "edited_channel_post": _edited,
    "business_message": _business,
    "edited_business_message": _business_edited,
    "deleted_business_messages": _business_deleted,
}

"""Avito webhooks (v3) and history → unified messages; both give the same dedup keys."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.unified import (
    Content,
    Context,
    Conversation,
    Direction,
    Kind,
    ReplyTo,
    Sender,
    Source,
    UnifiedMessage,
)
from battcrm.transport.avito import content
from battcrm.transport.base import ChannelAccount
from battcrm.transport.wire import decode_object, dedup_key, digest, ident, moment, obj, objects, phone_in, text

CHANNEL: Final = "avito"
ABOUT_AD: Final = "u2i"
FROM_AVITO: Final = "a2u"


def parse(body: bytes, account: ChannelAccount | None) -> list[UnifiedMessage]:
    """The message of one webhook; `[]` for Avito's probe (`{}`) and for payloads that are no messages.

    Raises Invalid for a body without `payload.type` and, for a message, `payload.value`.
    """
    envelope = decode_object(body, "Avito")
    if not envelope:
        return []
    payload = obj(envelope.get("payload"))
    kind = text(payload.get("type"))
    if kind is None:
        raise Invalid("an Avito webhook has payload.type", field="payload", code="malformed")
    if kind != "message":
        return []
    value = payload.get("value")
    if not isinstance(value, dict):
        raise Invalid("an Avito message has payload.value", field="payload.value", code="malformed")
    return [_message(value, {}, account, raw=envelope)]


def from_history(item: dict[str, Any], chat: dict[str, Any], account: ChannelAccount) -> UnifiedMessage:
    """A message of the REST history, completed by what the chat (v2) knows of its ad and of its people."""
    known = {
        "user_id": account.account_ref,
        "chat_id": chat.get("id"),
        "chat_type": ABOUT_AD if obj(chat.get("context")).get("type") == "item" else None,
    }
    value = {**item, **{name: item.get(name) or fill for name, fill in known.items()}}
    return _message(value, chat, account, raw=item)


def context_of(chat: dict[str, Any], item_id: str | None = None) -> Context | None:
    """The ad of a chat (v2 document), or what is left of it: its number."""
    described = obj(chat.get("context"))
    advert = obj(described.get("value")) if described.get("type") == "item" else {}
    number = ident(advert.get("id")) or item_id
    if number is None:
        return None
    return Context(
        "ad",
        id=number,
        title=text(advert.get("title")),
        url=text(advert.get("url")),
        price=text(advert.get("price_string")),
    )


def name_of(chat: dict[str, Any], user_id: str | None) -> str | None:
    """The name a person has in a chat (v2 document)."""
    people = objects(chat.get("users"))
    return next((text(p.get("name")) for p in people if user_id and ident(p.get("id")) == user_id), None)


def _message(
    value: dict[str, Any], chat: dict[str, Any], account: ChannelAccount | None, *, raw: dict[str, Any]
) -> UnifiedMessage:
    ours = ident(value.get("user_id")) or (account.account_ref if account else None)
    author, number = ident(value.get("author_id")), ident(value.get("id"))
    place = _conversation(value, chat, ours)
    named = ident(value.get("chat_id")) is not None
    kind = text(value.get("type")) or ""
    direction = _direction(value, author, ours) if named else Direction.SERVICE
    said = content.read(kind, obj(value.get("content")))
    inbound = direction is Direction.IN
    item = place.context.id if place.context else None
    return UnifiedMessage(
        channel=CHANNEL,
        account_ref=ours,
        dedup_key=_key(number, said.kind, raw),
        kind=said.kind if named else Kind.UNSUPPORTED,
        conversation=place,
        direction=direction,
        occurred_at=moment(value.get("created")) or _rfc3339(value.get("published_at")),
        sender=Sender(
            id=author,
            display_name=name_of(chat, author),
            phone=phone_in(said.text) if inbound and said.text else None,
            is_bot=kind == "system" or value.get("chat_type") == FROM_AVITO,
            is_us=direction is Direction.OUT,
        ),
        message=Content(id=number, text=said.text, attachments=said.attachments, truncated=said.truncated),
        reply_to=_reply_to(obj(value.get("quote")), ours),
        source=Source(ref=item, item_id=item) if inbound and item else None,
        raw=raw,
        channel_id=account.channel_id if account else None,
    )


def _conversation(value: dict[str, Any], chat: dict[str, Any], ours: str | None) -> Conversation:
    """The chat; a message that names none is kept visible under the account itself."""
    kind, item = value.get("chat_type"), ident(value.get("item_id"))
    about_ad = kind == ABOUT_AD or (kind is None and item is not None)
    context = context_of(chat, item) if about_ad else None
    return Conversation(ident(value.get("chat_id")) or f"account-{ours or 'unknown'}", _type(about_ad), context)


def _type(about_ad: bool) -> str:
    return "ad" if about_ad else "private"


def _direction(value: dict[str, Any], author: str | None, ours: str | None) -> Direction:
    """Our own words come back as events, whoever of us wrote them; what Avito itself says is service."""
    if value.get("type") == "system" or author is None:
        return Direction.SERVICE
    if author == ours:
        return Direction.OUT
    return Direction.SERVICE if value.get("chat_type") == FROM_AVITO else Direction.IN


def _key(number: str | None, kind: Kind, raw: dict[str, Any]) -> str:
    """A deletion has the number of the message it deletes."""
    named = number or _fingerprint(raw)
    return dedup_key(named, "deleted") if kind is Kind.DELETE else dedup_key(named)


def _fingerprint(raw: dict[str, Any]) -> str:
    try:
        # The standard encoder: a body may hold integers that no 64-bit one takes.
        return digest(json.dumps(raw, sort_keys=True).encode())
    except RecursionError:
        raise Invalid("an Avito message nested too deeply", field="payload", code="malformed") from None


def _reply_to(quote: dict[str, Any], ours: str | None) -> ReplyTo | None:
    """What a message quotes; only the history tells."""
    number = ident(quote.get("id"))
    if number is None:
        return None
    author = ident(quote.get("author_id"))
    words = text(obj(quote.get("content")).get("text"))
    return ReplyTo(id=number, text=words, from_us=author == ours if author else None)


def _rfc3339(value: Any) -> datetime | None:
    stamp = text(value)
    if stamp is None or len(stamp) > 40:
        return None
    try:
        found = datetime.fromisoformat(stamp)
        return moment(int(found.timestamp())) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None

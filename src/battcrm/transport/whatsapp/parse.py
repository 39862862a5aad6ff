"""WhatsApp webhook bodies → unified messages. One POST may hold many entries × changes × messages, each read by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.unified import (
    Ad,
    Content,
    Context,
    Conversation,
    Direction,
    Forwarded,
    Kind,
    ReplyTo,
    Sender,
    Source,
    UnifiedMessage,
    Window,
)
from battcrm.transport.base import ChannelAccount
from battcrm.transport.whatsapp import content, service
from battcrm.transport.whatsapp.scope import Person, Scope, scope_of
from battcrm.transport.wire import decode_object, dedup_key, digest, ident, moment, obj, objects, text

OBJECT: Final = "whatsapp_business_account"
FIELDS: Final = frozenset({"messages", "smb_message_echoes", "message_echoes", "calls"})
WINDOW: Final = timedelta(hours=24)
AD_WINDOW: Final = timedelta(hours=72)
_RENEWS_WINDOW: Final = frozenset({Kind.MESSAGE, Kind.BUTTON, Kind.START, Kind.UNSUPPORTED})
# wa.me links carry no payload, only prefilled text: "код 2ГИС-14". The hyphen and digit keep error codes out.
_TEXT_REF: Final = re.compile(r"\bкод\s*[:№#]?\s*((?=[\w-]*\d)\w{2,32}(?:-\w{1,32}){1,3})", re.IGNORECASE)


def parse(body: bytes, account: ChannelAccount | None) -> list[UnifiedMessage]:
    """Every event of one POST, in the order of the body; `[]` where nothing is about a dialogue of this number.

    With an account, events of other numbers of the same Meta application are left out: they belong to other channels.
    Raises Invalid for a body that is not a Graph webhook.
    """
    document = decode_object(body, "WhatsApp")
    if "object" not in document or "entry" not in document:
        raise Invalid("a WhatsApp webhook has object and entry", field="object", code="malformed")
    if document["object"] != OBJECT:
        return []
    found: list[UnifiedMessage] = []
    for position, value in enumerate(_values(document)):
        scope = scope_of(value, account.channel_id if account else None, f"{digest(body)}-{position}")
        if account is None or scope.account_ref in (None, account.account_ref):
            found.extend(_events(scope, value))
    return found


def _values(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in objects(document.get("entry")):
        for change in objects(entry.get("changes")):
            if text(change.get("field")) in FIELDS:
                yield obj(change.get("value"))


def _events(scope: Scope, value: dict[str, Any]) -> Iterator[UnifiedMessage]:
    for index, item in enumerate(objects(value.get("messages"))):
        yield _incoming(scope, item, f"{scope.fallback}-m{index}")
    for index, item in enumerate(objects(value.get("message_echoes"))):
        yield _echo(scope, item, f"{scope.fallback}-e{index}")
    for item in objects(value.get("statuses")):
        state = service.status(scope, item)
        if state is not None:
            yield state
    for index, item in enumerate(objects(value.get("calls"))):
        yield service.call(scope, item, f"{scope.fallback}-c{index}")
    for index, item in enumerate(objects(value.get("errors"))):
        yield service.account_error(scope, item, f"{scope.fallback}-x{index}")


def _incoming(scope: Scope, item: dict[str, Any], position: str) -> UnifiedMessage:
    if item.get("type") == "system":
        return service.system(scope, item, position)
    person = scope.person(item.get("from"), item.get("from_user_id"), item.get("from_parent_user_id"))
    direction = Direction.IN if person.id else Direction.SERVICE
    return _message(scope, item, position, person, person.as_sender(), direction)


def _echo(scope: Scope, item: dict[str, Any], position: str) -> UnifiedMessage:
    """A message somebody sent from the phone app of a shared number."""
    person = scope.person(item.get("to"), item.get("to_user_id"), item.get("to_parent_user_id"))
    return _message(scope, item, position, person, Sender(id=scope.account_ref, is_us=True), Direction.OUT)


def _message(
    scope: Scope, item: dict[str, Any], position: str, person: Person, sender: Sender, direction: Direction
) -> UnifiedMessage:
    group = ident(item.get("group_id"))
    chat = group or person.id
    number = ident(item.get("id"))
    occurred_at = moment(item.get("timestamp"))
    kind, target, said = _what(item, person, occurred_at)
    context = obj(item.get("context"))
    advert = _advert(item) if direction is Direction.IN else None
    source = _source(item, context, said.text) if direction is Direction.IN else None
    own = kind not in (Kind.EDIT, Kind.DELETE)
    key = (chat, number or position, kind) if own else (chat, target, kind, number or position)
    pressed = said.button and replace(said.button, source_message_id=ident(context.get("id")))
    return scope.unified(
        chat,
        dedup_key(*key),
        kind,
        raw=item,
        direction=direction,
        occurred_at=occurred_at,
        conversation=Conversation(chat or scope.nowhere, "group" if group else "private", advert),
        sender=sender,
        message=Content(id=number if own else target, text=said.text, attachments=said.attachments),
        reply_to=_reply_to(scope, context, target if kind is Kind.REACTION else None),
        forwarded=Forwarded() if context.get("forwarded") or context.get("frequently_forwarded") else None,
        button=pressed,
        source=source,
        window=_window(kind, direction, occurred_at, advert),
    )


def _what(item: dict[str, Any], person: Person, occurred_at: datetime | None) -> tuple[Kind, str | None, content.Body]:
    """What happened, to which earlier message, and what was said. An edit or delete without a target cannot be applied."""
    kind = text(item.get("type"))
    part = obj(item.get(kind or ""))
    if kind == "reaction" and (target := ident(part.get("message_id"))):
        return Kind.REACTION, target, content.Body(text=text(part.get("emoji")))
    if kind in ("edit", "revoke") and (target := ident(part.get("original_message_id"))):
        if kind == "revoke":
            return Kind.DELETE, target, content.Body()
        inner = content.read(obj(part.get("message")), author=person.wa_id, occurred_at=occurred_at)
        return Kind.EDIT, target, inner
    said = content.read(item, author=person.wa_id, occurred_at=occurred_at)
    return said.kind, None, said


def _reply_to(scope: Scope, context: dict[str, Any], reacted_to: str | None) -> ReplyTo | None:
    quoted = reacted_to or ident(context.get("id"))
    return ReplyTo(id=quoted, from_us=scope.is_ours(context.get("from"))) if quoted else None


def _advert(item: dict[str, Any]) -> Context | None:
    referral = obj(item.get("referral"))
    if referral.get("source_type") != "ad":
        return None
    return Context(
        "ad",
        id=ident(referral.get("source_id")),
        title=text(referral.get("headline")),
        url=text(referral.get("source_url")),
    )


def _source(item: dict[str, Any], context: dict[str, Any], said: str | None) -> Source | None:
    referral = obj(item.get("referral"))
    product = ident(obj(context.get("referred_product")).get("product_retailer_id"))
    if referral:
        ad = Ad(
            id=ident(referral.get("source_id")),
            clid=text(referral.get("ctwa_clid")),
            url=text(referral.get("source_url")),
            headline=text(referral.get("headline")),
        )
        return Source(ref=ad.id, ref_source=text(referral.get("source_type")), ad=ad, item_id=product)
    code = _TEXT_REF.search(said) if said else None
    if code is None and product is None:
        return None
    return Source(ref=code.group(1) if code else None, ref_source="text" if code else None, item_id=product)


def _window(kind: Kind, direction: Direction, occurred_at: datetime | None, advert: Context | None) -> Window | None:
    if direction is not Direction.IN or kind not in _RENEWS_WINDOW or occurred_at is None:
        return None
    try:
        return Window(expires_at=occurred_at + (AD_WINDOW if advert else WINDOW))
    except OverflowError:
        return None

"""What WhatsApp itself reports: delivery states, calls, number changes, errors of the account."""

from __future__ import annotations

from typing import Any, Final

from battcrm.models.unified import Content, Direction, Kind, Sender, Status, StatusError, UnifiedMessage, Window
from battcrm.transport.whatsapp.scope import Scope
from battcrm.transport.wire import dedup_key, e164, ident, moment, obj, objects, text

WINDOW_CLOSED: Final = "131047"
_STATES: Final = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}


def status(scope: Scope, item: dict[str, Any]) -> UnifiedMessage | None:
    """A delivery state of one of our messages; None for states that say nothing about delivery."""
    given, message_id = text(item.get("status")), ident(item.get("id"))
    state = _STATES.get(given or "")
    if state is None or message_id is None:
        return None
    person = scope.person(item.get("recipient_id"), item.get("recipient_user_id"))
    error = _first_error(item)
    closed = error is not None and error.code == WINDOW_CLOSED
    return scope.unified(
        person.id,
        dedup_key(message_id, "status", given),
        Kind.STATUS,
        raw=item,
        direction=Direction.SERVICE,
        occurred_at=moment(item.get("timestamp")),
        status=Status(
            message_id=message_id,
            state=state,
            error=error,
            client_ref=text(item.get("biz_opaque_callback_data")),
            pricing=obj(item.get("pricing")) or None,
        ),
        window=Window(template_required=True) if closed else None,
    )


def call(scope: Scope, item: dict[str, Any], position: str) -> UnifiedMessage:
    """A voice call to or from the number; the raw object tells how it ended."""
    outgoing = scope.is_ours(item.get("from")) is True
    side = ("to", "to_user_id") if outgoing else ("from", "from_user_id")
    person = scope.person(item.get(side[0]), item.get(side[1]))
    number = ident(item.get("id"))
    return scope.unified(
        person.id,
        dedup_key(person.id, number or position, "call", text(item.get("event"))),
        Kind.CALL,
        raw=item,
        direction=Direction.OUT if outgoing else Direction.IN if person.id else Direction.SERVICE,
        occurred_at=moment(item.get("timestamp")),
        sender=Sender(id=scope.account_ref, is_us=True) if outgoing else person.as_sender(),
        message=Content(id=number),
    )


def system(scope: Scope, item: dict[str, Any], position: str) -> UnifiedMessage:
    """A changed phone number or user id: `sender.id` is the old address, `alt_ids` hold the new one (client continuity)."""
    change = obj(item.get("system"))
    person = scope.person(item.get("from") or change.get("customer"), item.get("from_user_id"))
    old_id = ident(change.get("previous_user_id"))
    new_phone = ident(change.get("wa_id")) or ident(change.get("new_wa_id"))
    new_id = ident(change.get("user_id"))
    address = person.id or old_id or new_id or new_phone
    known = (person.wa_id, person.user_id, old_id, new_phone, new_id)
    phone = e164("+" + new_phone) if new_phone else None
    number = ident(item.get("id"))
    return scope.unified(
        address,
        dedup_key(address, number or position, "message"),
        Kind.MESSAGE,
        raw=item,
        direction=Direction.SERVICE,
        occurred_at=moment(item.get("timestamp")),
        sender=Sender(
            id=address,
            alt_ids=tuple(dict.fromkeys(value for value in known if value)),
            display_name=person.name,
            phone=phone,
            phone_verified=phone is not None,
        ),
        message=Content(id=number, text=text(change.get("body"))),
    )


def account_error(scope: Scope, item: dict[str, Any], position: str) -> UnifiedMessage:
    """An error of the account itself, outside any chat."""
    return scope.unified(
        None,
        dedup_key(position, "error"),
        Kind.UNSUPPORTED,
        raw=item,
        direction=Direction.SERVICE,
        status=Status(state="failed", error=_error(item)),
    )


def _first_error(item: dict[str, Any]) -> StatusError | None:
    errors = objects(item.get("errors"))
    return _error(errors[0]) if errors else None


def _error(item: dict[str, Any]) -> StatusError:
    details = text(obj(item.get("error_data")).get("details"))
    return StatusError(ident(item.get("code")), details or text(item.get("message")) or text(item.get("title")))

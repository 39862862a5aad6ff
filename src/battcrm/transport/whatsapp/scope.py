"""What all events of one `value` share: the number they came to, and who is who (phones, business-scoped ids, names)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.models.unified import Conversation, Direction, Kind, Sender, UnifiedMessage
from battcrm.transport.wire import e164, ident, obj, objects, text

CHANNEL: Final = "whatsapp"


@dataclass(frozen=True, slots=True)
class Person:
    """A customer. Either identifier may be missing: users with a username come without a phone."""

    wa_id: str | None = None
    user_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    username: str | None = None

    @property
    def id(self) -> str | None:
        """The reply address: the business-scoped id where there is one, else the phone."""
        return self.user_id or self.wa_id

    def as_sender(self) -> Sender:
        """The person as author. WhatsApp has verified the phone it gives."""
        phone = e164("+" + self.wa_id) if self.wa_id else None
        known = dict.fromkeys(value for value in (self.wa_id, self.user_id, self.parent_id) if value)
        return Sender(
            id=self.id,
            alt_ids=tuple(known),
            display_name=self.name,
            username=self.username,
            phone=phone,
            phone_verified=phone is not None,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """One `value` of a body. `fallback` names events that carry no id of their own."""

    account_ref: str | None
    our_phone: str | None
    contacts: tuple[dict[str, Any], ...]
    channel_id: UUID | None
    fallback: str

    def person(self, phone: Any, user_id: Any, parent_id: Any = None) -> Person:
        """The person behind these ids, completed from `contacts`."""
        number, scoped = _digits(phone), ident(user_id)
        card = self._card(number, scoped)
        profile = obj(card.get("profile"))
        return Person(
            wa_id=number or _digits(card.get("wa_id")),
            user_id=scoped or ident(card.get("user_id")),
            parent_id=ident(parent_id) or ident(card.get("parent_user_id")),
            name=text(profile.get("name")),
            username=text(profile.get("username")),
        )

    def _card(self, number: str | None, scoped: str | None) -> dict[str, Any]:
        for card in self.contacts:
            ids = (_digits(card.get("wa_id")), ident(card.get("user_id")))
            if (number and number == ids[0]) or (scoped and scoped == ids[1]):
                return card
        alone = self.contacts[0] if len(self.contacts) == 1 else {}
        return {} if number or scoped else alone

    @property
    def nowhere(self) -> str:
        """The conversation of events that name no chat: the account itself."""
        return self.account_ref or "unknown"

    def is_ours(self, phone: Any) -> bool | None:
        """Whether a phone is this account's number; None where it cannot be told."""
        number, own = _digits(phone), _digits(self.our_phone)
        return number == own if number and own else None

    def unified(
        self,
        conversation_id: str | None,
        key: str,
        kind: Kind,
        *,
        raw: dict[str, Any],
        direction: Direction = Direction.IN,
        occurred_at: datetime | None = None,
        group: bool = False,
        **fields: Any,
    ) -> UnifiedMessage:
        """An event of this account. One that names no chat is the platform talking about the account itself."""
        fields.setdefault("conversation", Conversation(conversation_id or self.nowhere, _type(group)))
        return UnifiedMessage(
            channel=CHANNEL,
            account_ref=self.account_ref,
            dedup_key=key,
            kind=kind,
            direction=direction,
            occurred_at=occurred_at,
            raw=raw,
            channel_id=self.channel_id,
            **fields,
        )


def scope_of(value: dict[str, Any], channel_id: UUID | None, fallback: str) -> Scope:
    """The shared part of one `value`."""
    metadata = obj(value.get("metadata"))
    return Scope(
        account_ref=ident(metadata.get("phone_number_id")),
        our_phone=ident(metadata.get("display_phone_number")),
        contacts=tuple(objects(value.get("contacts"))),
        channel_id=channel_id,
        fallback=fallback,
    )


def _type(group: bool) -> str:
    return "group" if group else "private"


def _digits(phone: Any) -> str | None:
    """A phone as WhatsApp addresses it: digits without plus. Anything else stays as it is, an address all the same."""
    given = ident(phone)
    number = e164("+" + given.removeprefix("+")) if given else None
    return number.removeprefix("+") if number else given

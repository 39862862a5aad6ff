"""What a batch of arrivals means for dialogs: a pure plan that the store then writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Event, MessageReceived
from battcrm.kit.ids import IdFactory
from battcrm.kit.text import storable
from battcrm.models.unified import Direction, Kind, UnifiedMessage
from battcrm.pipeline.debounce import due_at, extended_by_typing, is_bare_thanks
from battcrm.pipeline.settings import DialogSettings
from battcrm.resolution.directory import Arrival, DialogState, Resolved

HOLD: Final = timedelta(seconds=6)
SPOKEN: Final = frozenset({Kind.MESSAGE, Kind.BUTTON, Kind.START, Kind.UNSUPPORTED, Kind.CALL})
STATUS_ORDER: Final = ("pending", "sent", "delivered", "read", "failed")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A row of `message` to insert."""

    message_id: UUID
    dialog: DialogState
    identity_id: UUID
    seq: int
    direction: str
    author: str
    kind: str
    external_id: str | None
    platform_seq: str | None
    text: str
    content: dict[str, Any]
    occurred_at: datetime | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """Something that refers to a stored message: an edit, a deletion, a status, a reaction."""

    arrival: Arrival
    dialog: DialogState
    external_id: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A stored message of which something is still to be fetched: files, or content that its event left out."""

    tenant_id: UUID
    dialog_id: UUID
    channel_id: UUID
    message_id: UUID
    content: dict[str, Any]
    hydrate: bool = False
    wanted_at: datetime | None = None


@dataclass(slots=True)
class IntakePlan:
    """Everything one transaction will write."""

    messages: list[NewMessage] = field(default_factory=list)
    edits: list[Change] = field(default_factory=list)
    deletes: list[Change] = field(default_factory=list)
    statuses: list[Change] = field(default_factory=list)
    echoes: list[Change] = field(default_factory=list)
    reach: list[tuple[DialogState, bool]] = field(default_factory=list)
    phones: list[tuple[DialogState, str, bool]] = field(default_factory=list)
    orphans: list[Arrival] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    began: datetime | None = None
    due: Sequence[Any] = ()
    """The rows of `client_work` that became due, once written."""

    @property
    def changes(self) -> bool:
        """Does it change what is stored?"""
        return bool(self.edits or self.deletes or self.statuses or self.echoes)

    @property
    def leaves_more(self) -> bool:
        """Is there more to write than messages, dialogs and events?"""
        return bool(self.reach or self.phones or self.orphans or self.follow_ups)


class IntakePlanner:
    """Turns resolved arrivals into a plan. Keeps no state between batches.

    `hydrated` are the channel kinds whose cropped messages can be read again: a turn waits for that (PROTOCOL B5).
    """

    def __init__(
        self,
        ids: IdFactory,
        settings_of: Callable[[UUID], DialogSettings],
        hydrated: frozenset[str] = frozenset(),
    ) -> None:
        self._ids = ids
        self._settings_of = settings_of
        self._hydrated = hydrated

    def plan(self, arrivals: Sequence[Arrival], resolved: Resolved, now: datetime) -> IntakePlan:
        """`arrivals` in the order in which they are to be stored."""
        plan = IntakePlan(events=list(resolved.events))
        for arrival in arrivals:
            dialog = resolved.dialogs.get(arrival.chat_key)
            if dialog is None:
                self._unresolved(plan, arrival)
            elif arrival.message.direction is Direction.OUT:
                self._refer(plan.echoes, arrival, dialog, arrival.message.message.id)
            else:
                self._inbound(plan, arrival, dialog, resolved, now)
        return plan

    def _unresolved(self, plan: IntakePlan, arrival: Arrival) -> None:
        if arrival.message.kind in (Kind.EDIT, Kind.DELETE, Kind.STATUS, Kind.REACTION):
            plan.orphans.append(arrival)

    def _inbound(
        self, plan: IntakePlan, arrival: Arrival, dialog: DialogState, resolved: Resolved, now: datetime
    ) -> None:
        message = arrival.message
        settings = self._settings_of(arrival.tenant_id)
        if message.kind in SPOKEN:
            self._spoken(plan, arrival, dialog, resolved, now)
        elif message.kind is Kind.EDIT:
            self._refer(plan.edits, arrival, dialog, message.message.id)
        elif message.kind is Kind.DELETE:
            self._refer(plan.deletes, arrival, dialog, message.message.id)
        elif message.kind is Kind.STATUS:
            status = message.status
            self._refer(plan.statuses, arrival, dialog, (status.message_id or status.up_to) if status else None)
            if message.window is not None and message.window.template_required:
                # The platform found the window closed earlier than we did: no more free text until they write.
                dialog.window_expires_at = now
                dialog.dirty = True
        elif message.kind is Kind.TYPING and dialog.due_at is not None and dialog.first_unanswered_at is not None:
            dialog.due_at = extended_by_typing(dialog.due_at, settings, now, dialog.first_unanswered_at)
            dialog.dirty = True
        elif message.kind in (Kind.STOP, Kind.DENY, Kind.ALLOW):
            plan.reach.append((dialog, message.kind is Kind.ALLOW))
            self._store(plan, arrival, dialog, resolved)
        elif message.kind is Kind.REACTION:
            self._store(plan, arrival, dialog, resolved)

    @staticmethod
    def _refer(target: list[Change], arrival: Arrival, dialog: DialogState, external: str | None) -> None:
        if external is not None:
            target.append(Change(arrival, dialog, storable(external)))

    def _spoken(
        self, plan: IntakePlan, arrival: Arrival, dialog: DialogState, resolved: Resolved, now: datetime
    ) -> None:
        message = arrival.message
        row = self._store(plan, arrival, dialog, resolved)
        plan.events.append(
            MessageReceived(
                tenant_id=dialog.tenant_id,
                client_id=dialog.client_id,
                message_id=row.message_id,
                dialog_id=dialog.dialog_id,
                channel_id=dialog.channel_id,
                seq=row.seq,
            )
        )
        self._note_phones(plan, message, dialog)
        dialog.last_inbound_at = arrival.received_at
        if message.window is not None and message.window.expires_at is not None:
            dialog.window_expires_at = message.window.expires_at
        answers = message.direction is not Direction.SERVICE and dialog.type in ("private", "ad")
        wanted = self._touch(dialog, message, now) if answers else None
        self.follow_up(plan, row.message_id, dialog, message, row.content, wanted)

    def follow_up(
        self,
        plan: IntakePlan,
        message_id: UUID,
        dialog: DialogState,
        message: UnifiedMessage,
        content: dict[str, Any],
        wanted: datetime | None = None,
    ) -> None:
        """Note what is still to be fetched of a message. `wanted` is when its turn would start without waiting."""
        hydrate = message.message.truncated and message.channel in self._hydrated
        if message.direction is Direction.IN and (hydrate or message.message.attachments):
            ids = (dialog.tenant_id, dialog.dialog_id, dialog.channel_id, message_id)
            plan.follow_ups.append(FollowUp(*ids, content, hydrate, wanted))

    def _touch(self, dialog: DialogState, message: UnifiedMessage, now: datetime) -> datetime:
        """Make the dialog due. A bare thank-you gets its decision too, but does not disturb a turn under way.

        Returns when the turn would start if nothing had to be waited for.
        """
        if not is_bare_thanks(message.words or "") or message.message.attachments:
            dialog.version += 1
        if dialog.first_unanswered_at is None:
            dialog.first_unanswered_at = now
        wanted = due_at(message, self._settings_of(dialog.tenant_id), now, dialog.first_unanswered_at)
        if message.message.truncated and message.channel in self._hydrated:
            dialog.hold_until = now + HOLD
        held = dialog.hold_until is not None and dialog.hold_until > wanted
        dialog.due_at = dialog.hold_until if held else wanted
        return wanted

    def _note_phones(self, plan: IntakePlan, message: UnifiedMessage, dialog: DialogState) -> None:
        if message.sender.phone:
            plan.phones.append((dialog, message.sender.phone, message.sender.phone_verified))
        for attachment in message.message.attachments:
            if attachment.kind == "contact" and attachment.verified:
                plan.phones.extend((dialog, phone, True) for phone in attachment.phones)

    def _store(self, plan: IntakePlan, arrival: Arrival, dialog: DialogState, resolved: Resolved) -> NewMessage:
        message = arrival.message
        person = message.sender.id or message.conversation.id
        known = resolved.identities.get((dialog.tenant_id, dialog.channel_id, storable(person)[:200]))
        dialog.last_seq += 1
        dialog.dirty = True
        row = NewMessage(
            message_id=self._ids.new(),
            dialog=dialog,
            identity_id=known[0] if known else dialog.identity_id,
            seq=dialog.last_seq,
            direction="in",
            author="platform" if message.direction is Direction.SERVICE else "client",
            kind=message.kind.value,
            external_id=message.message.id,
            platform_seq=message.message.seq,
            text=storable(message.words or ""),
            content=content_of(message),
            occurred_at=message.occurred_at,
            received_at=arrival.received_at,
        )
        plan.messages.append(row)
        return row


def content_of(message: UnifiedMessage) -> dict[str, Any]:
    """What is stored beside the text: only the parts that are there."""
    parts: dict[str, Any] = {
        "attachments": [_compact(a) for a in message.message.attachments],
        "entities": [_compact(e) for e in message.message.entities],
        "reply_to": _compact(message.reply_to),
        "forwarded": _compact(message.forwarded),
        "button": _compact(message.button),
        "source": _compact(message.source),
        "group_id": message.message.group_id,
        "truncated": message.message.truncated,
        "note": _note(message),
    }
    return {name: value for name, value in parts.items() if value}


def _note(message: UnifiedMessage) -> str | None:
    """A code for what the operator has to know: some platforms keep content to themselves."""
    return f"withheld_by_{message.channel}" if message.message.truncated else None


def _compact(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, _compact(getattr(value, f.name))) for f in fields(value))
        return {name: item for name, item in items if item not in (None, "", [], {}, ())}
    if isinstance(value, tuple | list):
        return [_compact(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def late_edit(
    change: Change, content: dict[str, Any], message_id: UUID, settings: DialogSettings, now: datetime
) -> NewMessage:
    """The row of an edit that came after its message was answered: something new to answer, in order of arrival."""
    dialog, arrival = change.dialog, change.arrival
    message = arrival.message
    dialog.last_seq += 1
    if dialog.first_unanswered_at is None:
        dialog.first_unanswered_at = now
    dialog.due_at = due_at(message, settings, now, dialog.first_unanswered_at)
    return NewMessage(
        message_id=message_id,
        dialog=dialog,
        identity_id=dialog.identity_id,
        seq=dialog.last_seq,
        direction="in",
        author="client",
        kind=message.kind.value,
        external_id=message.message.id,
        platform_seq=message.message.seq,
        text=storable(message.words or ""),
        content=content,
        occurred_at=message.occurred_at,
        received_at=arrival.received_at,
    )

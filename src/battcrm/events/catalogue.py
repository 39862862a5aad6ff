"""The event catalogue. Events carry ids and versions, never personal data; readers re-read state (PROTOCOL F2).

docs/reference/events.md is generated from this module (`python -m battcrm.events.reference`) and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from battcrm.kit.ids import bucket_of


@dataclass(frozen=True, slots=True)
class Event:
    """Base: every event belongs to one client, whose events are ordered."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    tenant_id: UUID
    client_id: UUID

    def data(self) -> dict[str, Any]:
        """The body: every field but the tenant, ids as text."""
        result: dict[str, Any] = {}
        for item in fields(self):
            if item.name != "tenant_id":
                value = getattr(self, item.name)
                result[item.name] = str(value) if isinstance(value, UUID) else value
        return result


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A customer's message was stored."""

    TYPE: ClassVar[str] = "message.received"
    message_id: UUID
    dialog_id: UUID
    channel_id: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class MessageEdited(Event):
    """A customer changed a message; `revision` counts its texts."""

    TYPE: ClassVar[str] = "message.edited"
    message_id: UUID
    dialog_id: UUID
    revision: int


@dataclass(frozen=True, slots=True)
class MessageDeleted(Event):
    """A customer deleted a message."""

    TYPE: ClassVar[str] = "message.deleted"
    message_id: UUID
    dialog_id: UUID


@dataclass(frozen=True, slots=True)
class MessageSent(Event):
    """A messenger accepted a message of ours. `author` is bot, operator or automation."""

    TYPE: ClassVar[str] = "message.sent"
    message_id: UUID
    dialog_id: UUID
    channel_id: UUID
    outgoing_id: UUID
    author: str


@dataclass(frozen=True, slots=True)
class MessageFailed(Event):
    """A message of ours will not be sent, or nobody can know (`state` = failed, unknown, expired)."""

    TYPE: ClassVar[str] = "message.failed"
    message_id: UUID
    dialog_id: UUID
    outgoing_id: UUID
    state: str
    code: str


@dataclass(frozen=True, slots=True)
class MessageStatusChanged(Event):
    """The platform reported delivered, read or failed for a message of ours."""

    TYPE: ClassVar[str] = "message.status_changed"
    message_id: UUID
    dialog_id: UUID
    state: str


@dataclass(frozen=True, slots=True)
class ClientCreated(Event):
    """A person wrote for the first time."""

    TYPE: ClassVar[str] = "client.created"
    version: int


@dataclass(frozen=True, slots=True)
class ClientUpdated(Event):
    """A person's name, phones, consent or reachability changed."""

    TYPE: ClassVar[str] = "client.updated"
    version: int


@dataclass(frozen=True, slots=True)
class ClientMerged(Event):
    """The client was merged into `survivor_id`, or separated again (`survivor_id` equals the client)."""

    TYPE: ClassVar[str] = "client.merged"
    survivor_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class AppealCreated(Event):
    """A new problem of a client."""

    TYPE: ClassVar[str] = "appeal.created"
    appeal_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class AppealUpdated(Event):
    """Facts of an appeal changed."""

    TYPE: ClassVar[str] = "appeal.updated"
    appeal_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class AppealStageChanged(Event):
    """`appeal.status` moved."""

    TYPE: ClassVar[str] = "appeal.stage_changed"
    appeal_id: UUID
    version: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AppealControlChanged(Event):
    """Who may speak changed: bot, human, paused, off."""

    TYPE: ClassVar[str] = "appeal.control_changed"
    appeal_id: UUID
    version: int
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class HandoverRequested(Event):
    """The bot handed an appeal to the operators."""

    TYPE: ClassVar[str] = "handover.requested"
    appeal_id: UUID | None
    dialog_id: UUID
    turn_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class HandoverReminded(Event):
    """Nobody has taken an appeal that the bot handed over; `waited` seconds so far."""

    TYPE: ClassVar[str] = "handover.reminded"
    appeal_id: UUID
    dialog_id: UUID
    waited: int


@dataclass(frozen=True, slots=True)
class AttentionAsked(Event):
    """The bot has taken up an appeal that a person should know of; `reason` = vip. Who may speak did not change.

    Comes once: when the appeal is opened, and again when it is reopened.
    """

    TYPE: ClassVar[str] = "attention.asked"
    appeal_id: UUID
    dialog_id: UUID
    turn_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class SuggestionMade(Event):
    """A draft waits for an operator."""

    TYPE: ClassVar[str] = "suggestion.made"
    appeal_id: UUID | None
    dialog_id: UUID
    suggestion_id: UUID


@dataclass(frozen=True, slots=True)
class RepairRecorded(Event):
    """A past or finished repair was recorded or changed."""

    TYPE: ClassVar[str] = "repair.recorded"
    repair_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class PriceChanged(Event):
    """A line of the price list was added or changed. The ordering key is the price item."""

    TYPE: ClassVar[str] = "price.changed"
    price_item_id: UUID
    version: int


EVENTS: Final[tuple[type[Event], ...]] = (
    MessageReceived,
    MessageEdited,
    MessageDeleted,
    MessageSent,
    MessageFailed,
    MessageStatusChanged,
    ClientCreated,
    ClientUpdated,
    ClientMerged,
    AppealCreated,
    AppealUpdated,
    AppealStageChanged,
    AppealControlChanged,
    HandoverRequested,
    HandoverReminded,
    AttentionAsked,
    SuggestionMade,
    RepairRecorded,
    PriceChanged,
)
BY_TYPE: Final = {event.TYPE: event for event in EVENTS}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as the bus carries it. `key` orders: events of one key arrive in the order of `seq`."""

    event_id: UUID
    tenant_id: UUID
    type: str
    version: int
    key: UUID
    data: dict[str, Any]
    occurred_at: datetime
    seq: int = 0

    @property
    def bucket(self) -> int:
        """The tenant's work bucket; shards are groups of buckets."""
        return bucket_of(self.tenant_id)

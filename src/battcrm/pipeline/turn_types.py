"""The values of one turn between loading and committing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from battcrm.events.catalogue import Event
from battcrm.infra.due import Claim
from battcrm.models.facts import Hypothesis, Reading
from battcrm.models.situation import AppealStatus, AppealView, Control, Draft, GraphFacts, Plan, Routing, TurnMessage
from battcrm.pipeline.configs import Tenancy


class TurnState(StrEnum):
    """How a turn ended."""

    POSTED = "posted"
    SILENT = "silent"
    SUPERSEDED = "superseded"
    LOST = "lost"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DialogView:
    """A due dialog as it was when the turn began."""

    tenant_id: UUID
    dialog_id: UUID
    channel_id: UUID
    channel_kind: str
    chat: str
    type: str
    identity_id: UUID
    version: int
    last_seq: int
    answered_seq: int
    window_expires_at: datetime | None = None
    human_until: datetime | None = None

    def held_at(self, now: datetime) -> bool:
        """Does a person of the shop talk in this chat, whatever the appeals say?"""
        return self.human_until is not None and self.human_until > now


@dataclass(frozen=True, slots=True)
class TurnInput:
    """Everything loaded for the turn over one dialog."""

    claim: Claim
    client_id: UUID
    client_name: str | None
    locale: str
    do_not_contact: bool
    merged: bool
    known_since: datetime
    dialog: DialogView
    messages: tuple[TurnMessage, ...]
    appeals: tuple[AppealView, ...]
    tenancy: Tenancy
    due_since: datetime | None = None
    vip: bool = False


@dataclass(frozen=True, slots=True)
class ClientInput:
    """A claimed client with its due dialogs, oldest first. Empty `turns` = nothing is due any more."""

    claim: Claim
    turns: tuple[TurnInput, ...]


@dataclass(frozen=True, slots=True)
class AppealChange:
    """What a turn does to an appeal."""

    appeal_id: UUID
    episode_id: UUID
    new: bool
    reopened_as: str | None
    before: AppealView | None
    status: AppealStatus
    control: Control
    known: Hypothesis
    asked: tuple[str, ...]
    expecting: str | None
    options: tuple[str, ...]
    misunderstood: int
    quoted: tuple[int, int] | None
    parent_id: UUID | None
    handover: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Branch:
    """The understanding of one device of the turn and what is to be done about it.

    `raised`: the bot comes back to it by itself; the turn's words are about another.
    """

    routing: Routing
    reading: Reading
    known: Hypothesis
    change: AppealChange | None
    graph: GraphFacts
    plan: Plan
    drafts: tuple[Draft, ...]
    raised: bool = False


@dataclass(slots=True)
class TurnOutcome:
    """The result to commit. `final` releases the client's lease; `taken`: a sender already has what it says."""

    input: TurnInput
    turn_id: UUID
    started_at: datetime
    branches: tuple[Branch, ...]
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    cost_microrub: int = 0
    model_calls: int = 0
    model_steps: tuple[str, ...] = ()
    final: bool = True
    taken: bool = False
    events: list[Event] = field(default_factory=list)

    @property
    def main(self) -> Branch | None:
        """The branch the turn is about: the device spoken of last."""
        return next((b for b in reversed(self.branches) if not b.raised), None)

    @property
    def hands_over(self) -> bool:
        """True if the turn carries a handover, which is never discarded."""
        return any(b.plan.handover is not None for b in self.branches)

    @property
    def speaks(self) -> bool:
        """True if the turn has something to say to the client."""
        return any(b.drafts and b.plan.action.value != "suggest" for b in self.branches)

"""The values that travel through one turn: what is known, what the graph adds, what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from battcrm.models.facts import Hypothesis, Reading
from battcrm.models.outgoing import OutButton

VIP_FLAG: Final = "vip"
"""Among a plan's flags: operators are told of this turn of an important client."""


class AppealStatus(StrEnum):
    """The core's own stages of an appeal; a tenant's funnel maps onto them."""

    NEW = "new"
    COLLECTING = "collecting"
    QUOTED = "quoted"
    AGREED = "agreed"
    IN_REPAIR = "in_repair"
    DONE = "done"
    LOST = "lost"
    SPAM = "spam"


class Control(StrEnum):
    """Who may speak in an appeal."""

    BOT = "bot"
    HUMAN = "human"
    PAUSED = "paused"
    OFF = "off"


class Action(StrEnum):
    """What a turn does."""

    AUTO = "auto"
    SUGGEST = "suggest"
    CLARIFY = "clarify"
    OPERATOR = "operator"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class TurnMessage:
    """One message of the episode as a turn sees it. `fresh` = arrived since the last turn."""

    message_id: UUID
    seq: int
    direction: str
    kind: str
    text: str
    at: datetime
    fresh: bool
    attachment_kinds: tuple[str, ...] = ()
    button_payload: str | None = None
    reply_to: str | None = None
    external_id: str | None = None
    appeal_id: UUID | None = None
    author: str = "client"  # client | bot | operator | automation | platform
    ack_ref: str | None = None
    plain: str | None = None  # of a message of ours that a model had worded: what the template said

    @property
    def wording(self) -> str:
        """What tells two answers of ours apart: the template's words, however they were said."""
        return self.plain or self.text


@dataclass(frozen=True, slots=True)
class AppealView:
    """One appeal of the client, with the facts it has now. Money in kopecks."""

    appeal_id: UUID
    number: int
    status: AppealStatus
    control: Control
    control_until: datetime | None
    opened_at: datetime
    touched_at: datetime
    closed_at: datetime | None
    known: Hypothesis
    asked: tuple[str, ...] = ()
    expecting: str | None = None
    options: tuple[str, ...] = ()
    misunderstood: int = 0
    quoted_low: int | None = None
    quoted_high: int | None = None
    episode_id: UUID | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Routing:
    """Which appeal the turn belongs to. `action` is existing | new | reopen | ask | none."""

    action: str
    appeal_id: UUID | None
    reason: str
    confidence: float
    hypothesis: int = -1
    alternatives: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source row behind a number."""

    kind: str  # repair | price
    ref: str
    amount: int
    at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price estimate for one repair type, or the reason why there is none (`refusal`). Kopecks."""

    repair_type: str
    brand: str
    model: str
    low: int = 0
    high: int = 0
    median: int = 0
    n: int = 0
    days: int = 0
    part_price: int | None = None
    part_stock: int | None = None
    part_priced_at: datetime | None = None
    labour_only: bool = False
    sibling_model: str | None = None
    refusal: str | None = None
    evidence: tuple[Evidence, ...] = ()
    currency: str = "RUB"


@dataclass(frozen=True, slots=True)
class PastAppeal:
    """A line of the client's history or a similar appeal of somebody else."""

    ref: str
    brand: str | None
    model: str | None
    repair_types: tuple[str, ...]
    status: str
    at: datetime
    amount: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A cross-sell suggestion with the numbers behind it."""

    repair_type: str
    support: int
    lift: float
    price: int | None = None


@dataclass(frozen=True, slots=True)
class ContextQuery:
    """What a turn asks the graph, in one round trip."""

    tenant_id: UUID
    client_id: UUID
    brand: str | None
    model: str | None
    repair_types: tuple[str, ...]
    part_owner: str | None
    now: datetime
    min_repairs: int = 5
    window_days: int = 180
    price_max_age_days: int = 60
    newcomer: bool = False  # wrote for the first time just now: there is no history to look for


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What the graph knew. `unavailable` names the reason when the turn had to go on without it."""

    history: tuple[PastAppeal, ...] = ()
    similar: tuple[PastAppeal, ...] = ()
    quotes: tuple[Quote, ...] = ()
    offers: tuple[Offer, ...] = ()
    unavailable: str | None = None
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientView:
    """The person, as far as an answer needs it."""

    client_id: UUID
    name: str | None
    locale: str
    do_not_contact: bool
    open_orders: tuple[PastAppeal, ...] = ()
    vip: bool = False


@dataclass(frozen=True, slots=True)
class ChannelView:
    """What the chat can show."""

    channel_id: UUID
    kind: str
    buttons: bool
    text_limit: int
    conversation_type: str = "private"


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a response decision may depend on; the decision is a pure function of it."""

    now: datetime
    timezone: str
    client: ClientView
    channel: ChannelView
    messages: tuple[TurnMessage, ...]
    reading: Reading
    routing: Routing
    appeal: AppealView | None
    known: Hypothesis
    graph: GraphFacts
    bot_turns_recent: int = 0  # bot's turns in the chat within the anti-loop window
    last_bot_texts: tuple[str, ...] = ()  # newest last
    model_failed: str | None = None
    shop: dict[str, Any] = field(default_factory=dict)
    appeals: tuple[AppealView, ...] = ()  # what the appeal router saw: titles for "which one do you mean?"
    human_talks: bool = False  # a person of the shop wrote in this chat while no appeal was open


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the field it settles and the choices offered (value, title)."""

    field: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """A structured handover: never hidden in a reply's text."""

    reason: str
    wants: str
    known: str
    missing: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do and why. `template` and `variables` are what the composer renders."""

    action: Action
    reason: str
    template: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    question: Question | None = None
    handover: Handover | None = None
    status: AppealStatus | None = None
    control: Control | None = None
    do_not_contact: bool = False
    rejected: tuple[tuple[str, str], ...] = ()
    version: str = ""
    flags: tuple[str, ...] = ()  # for the operator's eye; changes nothing by itself


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to send (or to suggest to the operator)."""

    text: str
    buttons: tuple[tuple[OutButton, ...], ...] = ()
    plain: str | None = None  # the template's own words, where a model said them in others


@dataclass(frozen=True, slots=True)
class ChipPayload:
    """What a chip carries: the appeal's number (0 = not known yet), the field it settles, the option (from 1; 0 = other)."""

    number: int
    field: str
    option: int

    def encode(self) -> str:
        """Wire form, at most 64 bytes (the tightest channel's limit)."""
        return f"ap:{self.number}:{self.field}:{self.option}"


def read_chip(payload: str | None) -> ChipPayload | None:
    """The payload of one of our chips; None for anything else."""
    parts = (payload or "").split(":")
    if len(parts) != 4 or parts[0] != "ap" or not (_digits(parts[1]) and _digits(parts[3])):
        return None
    return ChipPayload(int(parts[1]), parts[2], int(parts[3]))


def chip_answer(payload: str | None, appeals: Sequence[AppealView]) -> str | None:
    """The value of the option a chip stands for, for channels that return a payload without the title."""
    chip = read_chip(payload)
    for appeal in appeals if chip is not None else ():
        if chip is not None and appeal.number == chip.number and 0 < chip.option <= len(appeal.options):
            return appeal.options[chip.option - 1] if appeal.expecting == chip.field else None
    return None


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18

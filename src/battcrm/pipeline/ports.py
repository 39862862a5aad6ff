"""The seams of the core: what a turn needs from each layer. Layers implement these and never import each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from battcrm.models.calls import CallScope
from battcrm.models.facts import Completion, Hypothesis, Reading
from battcrm.models.situation import (
    AppealView,
    ContextQuery,
    Draft,
    GraphFacts,
    Plan,
    Routing,
    Situation,
    TurnMessage,
)


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What the shop last asked and what is known, so that "2", "да" or "12 про" can be understood."""

    tenant_id: UUID
    known: Hypothesis | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()
    turn_id: UUID | None = None
    client_id: UUID | None = None


class Extractor(Protocol):
    """Understanding of a turn's texts. `read` and `merge` are pure and fast; `complete` may call a model."""

    def read(self, texts: Sequence[str], context: ReadingContext) -> Reading:
        """Rules only: what the texts say. Never raises on any text."""
        ...

    def merge(self, known: Hypothesis, fresh: Hypothesis, *, correction: bool = False) -> Hypothesis:
        """Facts of the appeal after the turn: facts accumulate, corrections win, locked facts stay."""
        ...

    async def complete(self, texts: Sequence[str], reading: Reading, context: ReadingContext) -> Completion:
        """One strict-schema model call for the open fields. Never raises on provider failure: says so in `failed`."""
        ...


class AppealRouter(Protocol):
    """Which appeal the messages belong to."""

    def route(self, messages: Sequence[TurnMessage], reading: Reading, appeals: Sequence[AppealView]) -> Routing:
        """Pure. `appeals` are the client's open and recently closed ones, newest first."""
        ...


class GraphContext(Protocol):
    """History, similar appeals, prices and cross-sell."""

    async def fetch(self, query: ContextQuery) -> GraphFacts:
        """One bounded round trip. Never raises: `unavailable` says why there is nothing."""
        ...


class ResponseRouter(Protocol):
    """Decides what to do."""

    def allowed(self, plan: Plan, situation: Situation, settings: Any) -> Plan:
        """A plan made elsewhere, as far as it may be carried out: silence where the bot may not speak."""
        ...

    def decide(self, situation: Situation, settings: Any) -> Plan:
        """Pure function of the situation and the tenant's response settings."""
        ...


class Composer(Protocol):
    """Turns a plan into messages."""

    def compose(self, plan: Plan, situation: Situation, settings: Any) -> tuple[Draft, ...]:
        """Rendered, size-checked texts in the client's language; empty for silence."""
        ...


class Writer(Protocol):
    """Says composed texts in a model's words, where the tenant wants that."""

    async def write(
        self, plan: Plan, situation: Situation, settings: Any, drafts: tuple[Draft, ...], scope: CallScope
    ) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
        """The drafts to send and what happened, for the decision record. Never raises on provider failure."""
        ...

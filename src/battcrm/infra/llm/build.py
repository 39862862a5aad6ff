"""Puts models together: which adapter, which wrappers, in which order.

From the outside in: cache, the client's cap, ladder; for each rung retries, limit in flight, circuit, budget, ledger, adapter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID

from battcrm.infra.circuit import Circuit
from battcrm.infra.llm.base import ChatModel, ChatRequest, Scope
from battcrm.infra.llm.budget import BudgetBook, Budgeted, LimitOf
from battcrm.infra.llm.cache import Cached
from battcrm.infra.llm.clients import Capped, ClientBook
from battcrm.infra.llm.guards import Guarded, Limited, Retrying
from battcrm.infra.llm.ladder import Ladder, Rung
from battcrm.infra.llm.later import Later
from battcrm.infra.llm.ledger import CallLog, NoLog, Recorded
from battcrm.infra.llm.prices import PriceTable
from battcrm.infra.llm.shelf import Store
from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.ids import IdFactory
from battcrm.settings import Settings

SCHEMA_NAME: Final = "answer"
_NO_TENANT: Final = UUID(int=0)


@dataclass(slots=True)
class _Report:
    steps: list[str]
    calls: int = 0
    cost_microrub: int = 0
    provider_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class _Nobody:
    """The scope of a call that belongs to no tenant: evaluation on the command line."""

    report: _Report
    tenant_id: UUID = _NO_TENANT
    client_id: UUID | None = None
    turn_id: UUID | None = None
    appeal_id: UUID | None = None
    purpose: str = "evaluation"


class JsonChat:
    """A chat model as a function from messages to the parsed answer."""

    def __init__(self, model: ChatModel, later: Later | None = None) -> None:
        self.model = model
        self.later = later

    async def __call__(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        deadline_s: float,
        scope: Scope | None = None,
    ) -> Mapping[str, Any]:
        """The parsed answer within `deadline_s` seconds; the scope's report is filled. Raises kit.errors."""
        who = scope or _Nobody(_Report([]))
        answer = await self.model.complete(ChatRequest(messages, schema, SCHEMA_NAME, deadline_s, who))
        return answer.parsed

    async def aclose(self) -> None:
        """Close connections and finish the bookkeeping."""
        await self.model.aclose()
        if self.later is not None:
            await self.later.drain()


def adapter(settings: Settings, model: str, clock: Clock) -> ChatModel:
    """The configured adapter for one model."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    if settings.llm_adapter == "litellm":
        from battcrm.infra.llm.litellm import LitellmChat

        return LitellmChat(model, clock, api_key=key, base_url=settings.openai_base_url)
    from battcrm.infra.llm.openai import OpenAiChat

    return OpenAiChat(
        model,
        clock,
        api_key=key,
        base_url=settings.openai_base_url,
        proxy=settings.openai_proxy,
        connections=settings.llm_in_flight,
    )


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Where calls are recorded and paid from; without a book nothing is limited."""

    log: CallLog
    ids: IdFactory
    book: BudgetBook | None = None
    limit_of: LimitOf | None = None
    clients: ClientBook | None = None
    calls_of: LimitOf | None = None


def rung(name: str, bare: ChatModel, model: str, settings: Settings, clock: Clock, books: Bookkeeping) -> Rung:
    """One model with everything around it that belongs to that model alone."""
    prices = PriceTable(settings.llm_prices)
    wrapped: ChatModel = Recorded(bare, model, prices, books.log, clock, books.ids)
    if books.book is not None and books.limit_of is not None:
        wrapped = Budgeted(wrapped, model, prices, books.book, books.limit_of, clock)
    wrapped = Guarded(wrapped, Circuit(clock, threshold=8))
    wrapped = Limited(wrapped, clock, maximum=settings.llm_in_flight)
    return Rung(name, Retrying(wrapped, clock, Random(os.urandom(16)), name))  # noqa: S311 - jitter is no secret


def ladder(settings: Settings, clock: Clock, books: Bookkeeping, store: Store | None = None) -> ChatModel:
    """Big model, then small, behind the cache."""
    models = {"big": settings.openai_model, "small": settings.openai_small_model}
    rungs = [rung(name, adapter(settings, m, clock), m, settings, clock, books) for name, m in models.items()]
    asked: ChatModel = Ladder(rungs, clock)
    if books.clients is not None and books.calls_of is not None:
        asked = Capped(asked, books.clients, books.calls_of, clock)
    return Cached(asked, clock, store=store)


def json_chat(settings: Settings) -> JsonChat:
    """The ladder without database: nothing is recorded or limited. Close it with `aclose`."""
    clock = SystemClock()
    return JsonChat(ladder(settings, clock, Bookkeeping(NoLog(), IdFactory(clock))))

"""GraphContextReader: everything a turn wants to know from the past, bounded in time, never raising."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.graph import appeal, client, recommendations
from battcrm.graph.cache import LocalCache
from battcrm.graph.family import family_of
from battcrm.graph.pricing import Ask, quote
from battcrm.graph.pricing_source import PricingSource, Question
from battcrm.graph.settings import PricingSettings
from battcrm.graph.statements import CONTEXT, HISTORY_COLUMNS, REPAIR_COLUMNS
from battcrm.infra.neo4j import Graph
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.models.situation import ContextQuery, GraphFacts, Offer, PastAppeal, Quote

_HISTORY_ROWS: Final = 30
_ENTRIES: Final = 500
_REPAIRS_A_MODEL: Final = 150
_BASKET_DAYS: Final = 540
_NOT_ABOUT_PRICE: Final = frozenset({"other"})
_PRICE_EVENTS: Final = frozenset({"price.changed", "repair.recorded"})
# An event is heard here before the graph has it: what is read meanwhile may be old, and is not kept.
_PROJECTED_AFTER: Final = 15.0
_WARM_ENOUGH: Final = 3
Settings = Callable[[UUID], PricingSettings]
Repairs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What does not depend on who asks."""

    similar: tuple[appeal.Ranked, ...]
    offers: tuple[Offer, ...]


def _default_settings(_tenant_id: UUID) -> PricingSettings:
    return _DEFAULTS


_DEFAULTS: Final = PricingSettings()


class GraphContextReader:
    """Implements `pipeline.ports.GraphContext`.

    History, similar appeals and cross-sell come from the graph in one round trip, quotes from PostgreSQL in another,
    at the same time. Each is cached in this process: history for `history_ttl` seconds per client, the rest for
    `shared_ttl` seconds per device; `forget` drops them when an event says so. `graph=None` means there is none.
    A server that has just started answers slower than `deadline`: await `warm` before the first turn.
    """

    def __init__(
        self,
        graph: Graph | None,
        prices: PricingSource,
        clock: Clock,
        *,
        settings: Settings = _default_settings,
        deadline: float = 0.15,
        history_ttl: float = 60.0,
        shared_ttl: float = 300.0,
        entries: int = 20_000,
    ) -> None:
        self._graph = graph
        self._prices = prices
        self._clock = clock
        self._settings = settings
        self._deadline = deadline
        self._histories: LocalCache[tuple[PastAppeal, ...]] = LocalCache(ttl=history_ttl, maximum=entries)
        self._shared: LocalCache[_Shared] = LocalCache(ttl=shared_ttl, maximum=entries)
        self._devices: LocalCache[Repairs] = LocalCache(ttl=shared_ttl, maximum=entries)
        self._quotes: LocalCache[tuple[Quote, ...]] = LocalCache(ttl=shared_ttl, maximum=entries)
        self._moving: LocalCache[bool] = LocalCache(ttl=_PROJECTED_AFTER, maximum=entries)

    async def warm(self, *, calls: int = 60) -> bool:
        """Ask about nobody until answers come well within the deadline: True; or the graph is away or stays slow: False.

        At most `calls` questions of up to five seconds each; raises nothing but cancellation.
        """
        if self._graph is None:
            return False
        nobody = ContextQuery(UUID(int=0), UUID(int=0), "-", "-", (), None, self._clock.now())
        parameters = _parameters(nobody, want_history=True, want_shared=True)
        quick = 0
        for _ in range(calls):
            began = self._clock.monotonic()
            try:
                await self._graph.read(CONTEXT, parameters, deadline=5.0)
            except BattError:
                return False
            quick = quick + 1 if self._clock.monotonic() - began < self._deadline / 3 else 0
            if quick == _WARM_ENOUGH:
                return True
        return False

    def forget(self, event_types: Collection[str], tenant_id: UUID, client_ids: Collection[UUID] = ()) -> None:
        """Events of these types happened to a tenant and these clients: drop what they may have changed. Cheap."""
        now = self._clock.monotonic()
        for client_id in client_ids:
            self._histories.drop((tenant_id, client_id))
            self._keep_out((tenant_id, client_id), now)
        if not _PRICE_EVENTS.isdisjoint(event_types):
            self._quotes.drop(tenant_id)
        if "repair.recorded" in event_types:
            self._shared.drop(tenant_id)
            self._devices.drop(tenant_id)
            self._keep_out(tenant_id, now)

    def _keep_out(self, group: Hashable, now: float) -> None:
        self._moving.put(group, group, value=True, now=now, mark=self._moving.mark(group))

    def forget_tenant(self, tenant_id: UUID) -> None:
        """The tenant's settings were published, or its price list was imported."""
        self._quotes.drop(tenant_id)
        self._shared.drop(tenant_id)
        self._devices.drop(tenant_id)

    async def fetch(self, query: ContextQuery) -> GraphFacts:
        """Never raises but for cancellation. Prices are there even when the graph is not; `unavailable` tells."""
        started = self._clock.monotonic()
        shared_key = (query.tenant_id, query.brand, query.model, query.repair_types)
        history = () if query.newcomer else self._histories.get((query.tenant_id, query.client_id), started)
        shared = self._known(query, shared_key, started) if query.model else _NOTHING
        quotes = self._quotes.get(_price_key(query), started) if _priced(query) else ()
        problems: list[str] = []
        if history is None or shared is None or quotes is None:
            async with asyncio.TaskGroup() as tasks:
                past = tasks.create_task(self._past(query, shared_key, history, shared, problems))
                price = tasks.create_task(self._quote(query, quotes, problems))
            (history, shared), quotes = past.result(), price.result()
        return GraphFacts(
            history=history,
            similar=appeal.of_others(shared.similar, str(query.client_id)) if shared.similar else (),
            quotes=quotes,
            offers=self._offers(query, shared, history) if shared.offers else (),
            unavailable="; ".join(problems) or None,
            elapsed_ms=(self._clock.monotonic() - started) * 1000,
        )

    def _known(self, query: ContextQuery, shared_key: Hashable, now: float) -> _Shared | None:
        """What the cache has for the question, or can make from what it has of the device."""
        shared = self._shared.get(shared_key, now)
        if shared is None:
            mark = self._shared.mark(query.tenant_id)
            repairs = self._devices.get(_device_key(query), now)
            if repairs is not None:
                shared = _shared(query, repairs)
                self._shared.put(shared_key, query.tenant_id, shared, now, mark)
        return shared

    async def _past(
        self,
        query: ContextQuery,
        shared_key: Hashable,
        history: tuple[PastAppeal, ...] | None,
        shared: _Shared | None,
        problems: list[str],
    ) -> tuple[tuple[PastAppeal, ...], _Shared]:
        """The missing halves in one round trip; what cannot be had is empty and reported, never cached."""
        if history is not None and shared is not None:
            return history, shared
        if self._graph is None:
            problems.append("graph: none configured")
            return history or (), shared or _NOTHING
        owner = (query.tenant_id, query.client_id)
        marks = self._histories.mark(owner), self._shared.mark(query.tenant_id), self._devices.mark(query.tenant_id)
        try:
            parameters = _parameters(query, history is None, shared is None)
            row = (await self._graph.read(CONTEXT, parameters, deadline=self._deadline))[0]
            now = self._clock.monotonic()
            if history is None:
                history = client.history(_named(HISTORY_COLUMNS, row["history"]))
                if not self._moving.get(owner, now):
                    self._histories.put(owner, owner, history, now, marks[0])
            if shared is None:
                repairs = _named(REPAIR_COLUMNS, row["repairs"])
                shared = _shared(query, repairs)
                if not self._moving.get(query.tenant_id, now):
                    self._shared.put(shared_key, query.tenant_id, shared, now, marks[1])
                    self._devices.put(_device_key(query), query.tenant_id, repairs, now, marks[2])
        except BattError as error:
            problems.append(f"graph: {error.code}")
        except Exception as error:  # noqa: BLE001 - a turn must not fail because of what its past looks like
            problems.append(f"graph: {type(error).__name__}")
        return history or (), shared or _NOTHING

    async def _quote(
        self, query: ContextQuery, quotes: tuple[Quote, ...] | None, problems: list[str]
    ) -> tuple[Quote, ...]:
        if quotes is not None:
            return quotes
        try:
            return await self._quotes.load(
                _price_key(query), query.tenant_id, lambda: self._read_quotes(query), self._clock.monotonic
            )
        except BattError as error:
            problems.append(f"price: {error.code}")
        except Exception as error:  # noqa: BLE001 - a turn must not fail because of what its past looks like
            problems.append(f"price: {type(error).__name__}")
        return ()

    async def _read_quotes(self, query: ContextQuery) -> tuple[Quote, ...]:
        brand, model = query.brand or "", query.model or ""
        kinds = _priced(query)
        question = Question(query.tenant_id, brand, model, kinds, query.now, query.window_days, query.min_repairs)
        material = await self._prices.read(question)
        settings = self._settings(query.tenant_id)
        return tuple(
            quote(_ask(query, brand, model, kind), material[kind].samples, material[kind].prices, settings)
            for kind in kinds
        )

    def _offers(self, query: ContextQuery, shared: _Shared, history: tuple[PastAppeal, ...]) -> tuple[Offer, ...]:
        """Offers with a price where this process has quoted that repair of that device lately."""
        chosen = recommendations.not_just_done(shared.offers, history, model=query.model, now=query.now)
        return tuple(self._with_price(query, offer) for offer in chosen)

    def _with_price(self, query: ContextQuery, offer: Offer) -> Offer:
        one = replace(query, repair_types=(offer.repair_type,))
        known = self._quotes.get(_price_key(one), self._clock.monotonic())
        return replace(offer, price=known[0].median) if known and known[0].refusal is None else offer


_NOTHING: Final = _Shared((), ())


def _shared(query: ContextQuery, repairs: Repairs) -> _Shared:
    brand, model = query.brand or "", query.model or ""
    ranked = appeal.rank(repairs, brand=brand, model=model, repair_types=query.repair_types, now=query.now)
    since = client.millis(query.now - timedelta(days=_BASKET_DAYS))
    return _Shared(ranked, recommendations.offers(recommendations.baskets_of(repairs, since=since), query.repair_types))


def _named(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _priced(query: ContextQuery) -> tuple[str, ...]:
    if not query.brand or not query.model:
        return ()
    return tuple(kind for kind in query.repair_types if kind not in _NOT_ABOUT_PRICE)


def _device_key(query: ContextQuery) -> Hashable:
    """What one answer is about: the repairs of all models of a family."""
    return (query.tenant_id, query.brand, family_of(query.model or ""))


def _price_key(query: ContextQuery) -> Hashable:
    return (
        query.tenant_id,
        query.brand,
        query.model,
        query.repair_types,
        query.part_owner,
        query.min_repairs,
        query.window_days,
        query.price_max_age_days,
    )


def _ask(query: ContextQuery, brand: str, model: str, kind: str) -> Ask:
    # Unknown means the shop's part: the common case, and the dearer answer, so nobody is promised too little.
    owner = "client" if query.part_owner == "client" else "shop"
    return Ask(
        query.tenant_id,
        brand,
        model,
        kind,
        owner,
        query.now,
        query.min_repairs,
        query.window_days,
        query.price_max_age_days,
    )


def _parameters(query: ContextQuery, want_history: bool, want_shared: bool) -> dict[str, Any]:
    return {
        "tenant_id": str(query.tenant_id),
        "client_id": str(query.client_id),
        "brand": query.brand or "",
        "family": family_of(query.model or ""),
        "want_history": want_history,
        "want_shared": want_shared,
        "history": _HISTORY_ROWS,
        "entries": _ENTRIES,
        "repairs": _REPAIRS_A_MODEL,
    }

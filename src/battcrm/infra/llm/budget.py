"""A tenant's money for one day: set aside before the call, settled after it, right between processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol
from uuid import UUID

from battcrm.infra.batcher import Batcher
from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.infra.llm.later import Later
from battcrm.infra.llm.prices import PriceTable
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, columns, unavailable
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Permanent

LimitOf = Callable[[UUID], Awaitable[int | None]]

_ENSURE: Final = """
INSERT INTO llm_budget (tenant_id, day) SELECT * FROM unnest($1::uuid[], $2::date[])
ON CONFLICT (tenant_id, day) DO NOTHING
"""
_RESERVE: Final = """
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[]) AS t(tenant_id, day, amount, most)
), locked AS (
    SELECT b.tenant_id, b.day FROM llm_budget b JOIN wanted USING (tenant_id, day) ORDER BY b.tenant_id, b.day FOR UPDATE OF b
)
UPDATE llm_budget b SET reserved_microrub = b.reserved_microrub + w.amount
FROM wanted w JOIN locked USING (tenant_id, day)
WHERE b.tenant_id = w.tenant_id AND b.day = w.day AND b.reserved_microrub + b.spent_microrub + w.amount <= w.most
RETURNING b.tenant_id, b.day
"""
_SETTLE: Final = """
INSERT INTO llm_budget AS b (tenant_id, day, reserved_microrub, spent_microrub)
SELECT tenant_id, day, released, spent FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[])
    AS t(tenant_id, day, released, spent) ORDER BY tenant_id, day
ON CONFLICT (tenant_id, day) DO UPDATE SET
    reserved_microrub = greatest(0, b.reserved_microrub + excluded.reserved_microrub),
    spent_microrub = b.spent_microrub + excluded.spent_microrub
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """Money to set aside: micro-roubles, and the most that the day may reach with it."""

    tenant_id: UUID
    day: date
    amount: int
    most: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call took from what was set aside for it (both in micro-roubles)."""

    tenant_id: UUID
    day: date
    reserved: int
    spent: int


class BudgetBook(Protocol):
    """Where budgets are kept."""

    async def reserve(self, wish: Wish) -> bool:
        """Set the money aside; False when the day's limit would be passed."""
        ...

    def settle(self, settlement: Settlement) -> None:
        """Give back what was set aside and count what was spent. Never raises and never waits."""
        ...


class PostgresBudget:
    """Table `llm_budget`, written in batches. What a killed process had set aside stays so until the day ends."""

    def __init__(self, pool: Pool, later: Later) -> None:
        self._pool = pool
        self._later = later
        self._wishes: Batcher[Wish, bool] = Batcher(self._reserve, pace=0.01)
        self._settlements: Batcher[Settlement, None] = Batcher(self._settle, pace=0.25)

    async def reserve(self, wish: Wish) -> bool:
        """Set the money aside; False when the day's limit would be passed. Who stops waiting has nothing set aside."""
        asking = asyncio.ensure_future(self._wishes.submit(wish))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._later.post(lambda: self._give_back(wish, asking), "llm_budget")
            raise

    async def _give_back(self, wish: Wish, asking: asyncio.Future[bool]) -> None:
        if await asking:
            await self._settlements.submit(Settlement(wish.tenant_id, wish.day, wish.amount, 0))

    def settle(self, settlement: Settlement) -> None:
        """Settle with the next batch."""
        self._later.post(lambda: self._settlements.submit(settlement), "llm_budget")

    async def _reserve(self, wishes: Sequence[Wish]) -> Sequence[bool]:
        groups: dict[tuple[UUID, date], list[int]] = defaultdict(list)
        for index, wish in enumerate(wishes):
            groups[wish.tenant_id, wish.day].append(index)
        granted = [False] * len(wishes)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_ENSURE, *columns(sorted(groups), 2))
            together = [_sum([wishes[i] for i in group]) for group in groups.values()]
            done = await _granted(connection, together)
            for key, group in groups.items():
                for index in group:
                    # Together they may be too much where one by one some still fit.
                    alone = len(group) > 1 and key not in done and await _granted(connection, [wishes[index]])
                    granted[index] = key in done or bool(alone)
        return granted

    async def _settle(self, settlements: Sequence[Settlement]) -> Sequence[None]:
        sums: dict[tuple[UUID, date], list[int]] = defaultdict(lambda: [0, 0])
        for item in settlements:
            total = sums[item.tenant_id, item.day]
            total[0] -= item.reserved
            total[1] += item.spent
        rows = [(*key, *total) for key, total in sums.items()]
        await self._pool.execute(_SETTLE, *columns(rows, 4))
        return [None] * len(settlements)


def _sum(wishes: Sequence[Wish]) -> Wish:
    first = wishes[0]
    return Wish(first.tenant_id, first.day, sum(w.amount for w in wishes), min(w.most for w in wishes))


async def _granted(connection: Connection, wishes: Sequence[Wish]) -> set[tuple[UUID, date]]:
    rows = [(w.tenant_id, w.day, w.amount, w.most) for w in wishes]
    return {(row["tenant_id"], row["day"]) for row in await connection.fetch(_RESERVE, *columns(rows, 4))}


class Budgeted:
    """Refuses a call the tenant has no money left for: Permanent `budget`, without asking the provider."""

    def __init__(
        self, inner: ChatModel, model: str, prices: PriceTable, book: BudgetBook, limit_of: LimitOf, clock: Clock
    ) -> None:
        self._inner, self._model, self._prices = inner, model, prices
        self._book, self._limit_of, self._clock = book, limit_of, clock

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The inner answer. What the inner call adds to the report's cost is what is counted as spent."""
        scope, day = request.scope, self._clock.now().date()
        try:
            async with asyncio.timeout(max(0.0, request.deadline_s)):
                reserved = await self._reserved(request, day)
        except UNAVAILABLE as error:
            raise unavailable(error) from error
        before = scope.report.cost_microrub
        try:
            return await self._inner.complete(request)
        finally:
            spent = scope.report.cost_microrub - before
            if reserved or spent:
                self._book.settle(Settlement(scope.tenant_id, day, reserved, spent))

    async def _reserved(self, request: ChatRequest, day: date) -> int:
        tenant_id = request.scope.tenant_id
        most = await self._limit_of(tenant_id)
        if most is None:
            return 0
        amount = self._prices.estimate(self._model, request)
        if not await self._book.reserve(Wish(tenant_id, day, amount, most)):
            raise Permanent("the tenant's budget for models is used up", code="budget")
        return amount

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

"""How often a model is asked for one client in a day: the shop's bot is nobody's free language model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol
from uuid import UUID

from battcrm.infra.batcher import Batcher
from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.infra.llm.budget import LimitOf
from battcrm.infra.postgres import UNAVAILABLE, Pool, columns, unavailable
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Permanent

# A client who has reached the limit is not written any more: who hammers costs a read of one row.
_TAKE: Final = """
INSERT INTO llm_client AS c (tenant_id, client_id, day, calls)
SELECT tenant_id, client_id, day, wanted FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::int[], $5::int[])
    AS t(tenant_id, client_id, day, wanted, most) ORDER BY tenant_id, client_id
ON CONFLICT (tenant_id, client_id) DO UPDATE SET
    calls = CASE WHEN c.day = excluded.day THEN c.calls + excluded.calls ELSE excluded.calls END, day = excluded.day
WHERE c.day <> excluded.day
   OR c.calls < (SELECT most FROM unnest($1::uuid[], $2::uuid[], $5::int[]) AS m(tenant_id, client_id, most)
                 WHERE m.tenant_id = c.tenant_id AND m.client_id = c.client_id)
RETURNING tenant_id, client_id, calls
"""


@dataclass(frozen=True, slots=True)
class Take:
    """One more call for a client, of `most` in the day."""

    tenant_id: UUID
    client_id: UUID
    day: date
    most: int


class ClientBook(Protocol):
    """Where a client's calls are counted."""

    async def take(self, wish: Take) -> bool:
        """Count one more call; False when the day's limit is reached."""
        ...


class PostgresClientBook:
    """Table `llm_client`, one row for each client, written in batches; right between processes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wishes: Batcher[Take, bool] = Batcher(self._take, pace=0.01)

    async def take(self, wish: Take) -> bool:
        """Count one more call; False when the day's limit is reached."""
        return wish.most > 0 and await self._wishes.submit(wish)

    async def _take(self, wishes: Sequence[Take]) -> Sequence[bool]:
        wanted = Counter((w.tenant_id, w.client_id) for w in wishes)
        of = {(w.tenant_id, w.client_id): w for w in wishes}
        rows = [(*key, of[key].day, wanted[key], of[key].most) for key in sorted(wanted)]
        found = {(r["tenant_id"], r["client_id"]): r["calls"] for r in await self._pool.fetch(_TAKE, *columns(rows, 5))}
        # Of several asked for at once as many pass as were left.
        left = {key: of[key].most - (found[key] - n) if key in found else 0 for key, n in wanted.items()}
        granted = []
        for wish in wishes:
            key = (wish.tenant_id, wish.client_id)
            granted.append(left[key] > 0)
            left[key] -= 1
        return granted


class Capped:
    """Refuses a call of a client who has had enough for today: Permanent `client_cap`, without asking any model."""

    def __init__(self, inner: ChatModel, book: ClientBook, calls_of: LimitOf, clock: Clock) -> None:
        self._inner, self._book, self._calls_of, self._clock = inner, book, calls_of, clock

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The inner answer. A call that belongs to no client is not counted."""
        client_id = request.scope.client_id
        if client_id is not None:
            await self._count(request, client_id)
        return await self._inner.complete(request)

    async def _count(self, request: ChatRequest, client_id: UUID) -> None:
        try:
            async with asyncio.timeout(max(0.0, request.deadline_s)):
                most = await self._calls_of(request.scope.tenant_id)
                wish = Take(request.scope.tenant_id, client_id, self._clock.now().date(), most or 0)
                fine = most is None or await self._book.take(wish)
        except UNAVAILABLE as error:
            raise unavailable(error) from error
        if not fine:
            request.scope.report.steps.append("client_cap")
            raise Permanent("a model was asked often enough for this client today", code="client_cap")

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

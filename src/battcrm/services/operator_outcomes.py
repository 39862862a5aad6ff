"""What episodes come to: provisional at their end, durable a week later; and the numbers a shop's owner asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection
from battcrm.pipeline.outcomes import PROVISIONAL
from battcrm.services import operator_outcomes_sql as sql
from battcrm.services.operator_desk import Desk

OUTCOMES_KIND: Final = "episode.outcomes"
_PAGE: Final = 500
_AT_LEAST: Final = timedelta(days=1)
_MORE: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Episodes with one outcome; `open` and `taken_back` are those that have none. Money in millionths of a rouble."""

    outcome: str
    episodes: int
    durable: int
    turns: int
    cost_microrub: int


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """How long clients waited for their first answer, in seconds, by who gave it: bot, draft or operator."""

    who: str
    episodes: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes of the episodes that began in a span of time."""

    since: datetime
    until: datetime
    outcomes: tuple[OutcomeCount, ...]
    first_answers: tuple[FirstAnswer, ...]
    reasons: tuple[tuple[str, int], ...]


class Outcomes(Desk):
    """Keeps outcomes and counts them. Raises Transient."""

    async def report(self, tenant_id: UUID, *, days: int) -> Report:
        """The last `days` days."""
        until = self._clock.now()
        span = (tenant_id, until - timedelta(days=days), until)
        async with self._connection() as connection:
            counts = await connection.fetch(sql.COUNTS, *span)
            answers = await connection.fetch(sql.ANSWERS, *span)
            reasons = await connection.fetch(sql.REASONS, *span)
        return Report(
            span[1],
            until,
            tuple(OutcomeCount(r["outcome"], r["n"], r["durable"], r["turns"] or 0, r["cost"] or 0) for r in counts),
            tuple(FirstAnswer(r["who"] or "bot", r["n"], round(r["p50"], 1), round(r["p95"], 1)) for r in answers),
            tuple((r["reason"], r["n"]) for r in reasons),
        )

    async def watch_all(self) -> None:
        """See that every tenant's outcomes are looked after."""
        async with self._connection() as connection:
            await connection.execute(sql.WATCH, self._clock.now(), OUTCOMES_KIND)

    async def handle(self, claim: Claim) -> datetime | None:
        """Due-work `episode.outcomes`, one row a tenant: settle what is a week old, end what was left alone.

        Due again at the next such moment. Everything happens days after its cause, so looking once a day misses nothing.
        """
        tenant_id, now = claim.tenant_id, self._clock.now()
        async with self._connection() as connection:
            alone = timedelta(days=(await self._dialog_settings(connection, tenant_id)).abandoned_days)
            settled = await connection.fetch(sql.DURABLE, tenant_id, PROVISIONAL, now - PROVISIONAL, _PAGE)
            ended = await connection.fetch(sql.ABANDONED, tenant_id, now - alone, now, _PAGE)
            if len(settled) == _PAGE or len(ended) == _PAGE:
                return now + _MORE
            return await self._next(connection, tenant_id, alone, now)

    async def _next(self, connection: Connection, tenant_id: UUID, alone: timedelta, now: datetime) -> datetime:
        horizon = now + _AT_LEAST
        keys = (PROVISIONAL, alone, now - PROVISIONAL, horizon - alone)
        found: datetime | None = await connection.fetchval(sql.NEXT, tenant_id, *keys)
        return horizon if found is None else min(max(found, now + _MORE), horizon)

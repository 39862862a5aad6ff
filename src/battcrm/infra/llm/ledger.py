"""The ledger: one row in `llm_call` for every call that was made, whatever became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from battcrm.infra.batcher import Batcher
from battcrm.infra.llm.base import BadAnswer, ChatAnswer, ChatModel, ChatRequest, Usage
from battcrm.infra.llm.later import Later
from battcrm.infra.llm.prices import PriceTable
from battcrm.infra.postgres import Pool, columns
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.kit.ids import IdFactory

# After these the provider may have worked, and charge for it, although no answer came.
_UNKNOWN: Final = frozenset({"timeout", "no_answer", "cancelled"})

_INSERT: Final = """
INSERT INTO llm_call (tenant_id, call_id, turn_id, appeal_id, purpose, model, prompt_hash, outcome, tokens_in, tokens_out,
                      cost_microrub, latency_ms, created_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::int[], $10::int[], $11::bigint[], $12::int[], $13::timestamptz[])
ON CONFLICT (tenant_id, call_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One row. `outcome` is `ok`, `cancelled` or the error's code; `latency_ms` as seen from here."""

    tenant_id: UUID
    call_id: UUID
    turn_id: UUID | None
    appeal_id: UUID | None
    purpose: str
    model: str
    prompt_hash: str
    outcome: str
    tokens_in: int
    tokens_out: int
    cost_microrub: int
    latency_ms: int
    created_at: datetime

    def row(self) -> tuple[object, ...]:
        """Values in the order of the insert."""
        return tuple(getattr(self, name) for name in self.__slots__)


class CallLog(Protocol):
    """Where call records go."""

    def add(self, record: CallRecord) -> None:
        """Take a record. Never raises and never waits."""
        ...


class NoLog:
    """Keeps nothing: for commands without a database."""

    def add(self, record: CallRecord) -> None:
        """Forget it."""


class PostgresCallLog:
    """Rows are written in batches, each in a transaction of its own, apart from the turn that made the call."""

    def __init__(self, pool: Pool, later: Later) -> None:
        self._pool = pool
        self._later = later
        self._batcher: Batcher[CallRecord, None] = Batcher(self._flush, pace=0.25)

    def add(self, record: CallRecord) -> None:
        """Write it with the next batch."""
        self._later.post(lambda: self._batcher.submit(record), "llm_call")

    async def _flush(self, records: Sequence[CallRecord]) -> Sequence[None]:
        await self._pool.execute(_INSERT, *columns([record.row() for record in records], 13))
        return [None] * len(records)


class Recorded:
    """Writes a row, counts, and adds to the scope's report. Wraps the adapter, so retries are rows of their own."""

    def __init__(
        self, inner: ChatModel, model: str, prices: PriceTable, log: CallLog, clock: Clock, ids: IdFactory
    ) -> None:
        self._inner, self._model, self._prices = inner, model, prices
        self._log, self._clock, self._ids = log, clock, ids

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The inner answer. A call that failed or was cancelled is recorded too."""
        began, at, outcome, usage = self._clock.monotonic(), self._clock.now(), "cancelled", Usage()
        try:
            answer = await self._inner.complete(request)
            outcome, usage = "ok", answer.usage
        except BadAnswer as error:
            outcome, usage = error.code, error.usage
            raise
        except BattError as error:
            outcome = error.code
            raise
        else:
            return answer
        finally:
            self._record(request, outcome, usage, at, self._clock.monotonic() - began)

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

    def _record(self, request: ChatRequest, outcome: str, usage: Usage, at: datetime, seconds: float) -> None:
        if outcome in _UNKNOWN:
            usage = replace(self._prices.written(request), provider_ms=seconds * 1000)
        scope, cost = request.scope, self._prices.cost(self._model, usage)
        scope.report.calls += 1
        scope.report.cost_microrub += cost
        scope.report.provider_ms += usage.provider_ms
        METRICS.model_calls.labels(self._model, outcome).inc()
        METRICS.model_time.labels(self._model).observe(seconds)
        self._log.add(
            CallRecord(
                tenant_id=scope.tenant_id,
                call_id=self._ids.new(),
                turn_id=scope.turn_id,
                appeal_id=scope.appeal_id,
                purpose=scope.purpose,
                model=self._model,
                prompt_hash=request.prompt_hash,
                outcome=outcome,
                tokens_in=usage.tokens_in,
                tokens_out=usage.tokens_out,
                cost_microrub=cost,
                latency_ms=round(seconds * 1000),
                created_at=at,
            )
        )

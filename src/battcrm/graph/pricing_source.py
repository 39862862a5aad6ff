"""The rows behind quotes, read from PostgreSQL in one statement for all repair types of a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from battcrm.graph.family import family_of
from battcrm.graph.pricing import PriceLine, Sample
from battcrm.infra.batcher import Batcher
from battcrm.infra.postgres import UNAVAILABLE, Pool, columns, unavailable

OWN_LIMIT: Final = 150
SIBLING_LIMIT: Final = 100

# Only repairs of exactly one type: the price of two done together says nothing about either. Each row of `wanted` is one
# repair type of question `n`.
_MATERIAL: Final = """
WITH wanted AS MATERIALIZED (
  SELECT * FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                       $8::text[], $9::int[])
    AS w(n, tenant_id, brand, model, repair_type, since, until, family, enough)
),
own AS MATERIALIZED (
  SELECT w.n, w.repair_type, r.*
  FROM wanted w CROSS JOIN LATERAL (
    SELECT repair_id, brand, model, labour_amount, part_amount, total_amount, part_owner, closed_at
    FROM repair_record
    WHERE tenant_id = w.tenant_id AND brand = w.brand AND model = w.model AND closed_at > w.since
      AND closed_at <= w.until AND repair_types = ARRAY[w.repair_type] AND status = 'done' AND labour_amount > 0
    ORDER BY closed_at DESC LIMIT $10
  ) r
),
sibling AS (
  SELECT w.n, w.repair_type, r.*
  FROM wanted w CROSS JOIN LATERAL (
    SELECT repair_id, brand, model, labour_amount, part_amount, total_amount, part_owner, closed_at
    FROM repair_record
    WHERE tenant_id = w.tenant_id AND brand = w.brand AND model <> w.model AND starts_with(model, w.family)
      AND closed_at > w.since AND closed_at <= w.until AND repair_types = ARRAY[w.repair_type] AND status = 'done'
      AND labour_amount > 0
    ORDER BY closed_at DESC LIMIT $11
  ) r
  WHERE (SELECT count(*) FROM own o WHERE o.n = w.n AND o.repair_type = w.repair_type) < w.enough
)
SELECT n, 'repair' AS kind, repair_type, repair_id AS ref, brand, model, labour_amount AS labour, part_amount AS part,
  total_amount AS total, part_owner AS owner, closed_at AS at, NULL::int AS stock, NULL AS quality, NULL AS currency
FROM (SELECT * FROM own UNION ALL SELECT * FROM sibling) s
UNION ALL
SELECT w.n, 'price', w.repair_type, p.price_item_id, p.brand, p.model, p.labour_price, p.part_price,
  0, NULL, p.priced_at, p.stock, p.quality, p.currency
FROM wanted w JOIN price_item p ON p.tenant_id = w.tenant_id AND p.brand = w.brand AND p.model = w.model
  AND p.repair_type = w.repair_type AND p.active
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Which repairs of which device; the window ends at `now`."""

    tenant_id: UUID
    brand: str
    model: str
    repair_types: tuple[str, ...]
    now: datetime
    window_days: int
    min_repairs: int


@dataclass(frozen=True, slots=True)
class Material:
    """What is known about one repair type of the device."""

    samples: tuple[Sample, ...] = ()
    prices: tuple[PriceLine, ...] = ()


class PricingSource(Protocol):
    """Where the rows come from: PostgreSQL in production, a replayed list in the evaluation."""

    async def read(self, question: Question) -> dict[str, Material]:
        """Material per repair type; every asked type is a key. Raises Transient when the store is away."""
        ...


class PostgresPricing:
    """Reads the tenants' repairs and price lists; questions asked at the same moment share a statement."""

    def __init__(self, pool: Pool, *, deadline: float = 1.0) -> None:
        self._pool = pool
        self._deadline = deadline
        self._questions: Batcher[Question, dict[str, Material]] = Batcher(self._read, maximum=40, lanes=2)

    async def read(self, question: Question) -> dict[str, Material]:
        """See PricingSource. One round trip; at most 150 own and 100 siblings' repairs for each type."""
        try:
            return await self._questions.submit(question)
        except UNAVAILABLE as error:
            raise unavailable(error) from error

    async def _read(self, questions: Sequence[Question]) -> Sequence[dict[str, Material]]:
        wanted = [row for n, question in enumerate(questions) for row in _wanted(n, question)]
        arguments = (*columns(wanted, 9), OWN_LIMIT, SIBLING_LIMIT)
        rows: list[list[Any]] = [[] for _ in questions]
        for row in await self._pool.fetch(_MATERIAL, *arguments, timeout=self._deadline):
            rows[row["n"]].append(row)
        return [_sorted_out(question, found) for question, found in zip(questions, rows, strict=True)]


def _wanted(number: int, question: Question) -> Iterator[tuple[Any, ...]]:
    since = question.now - timedelta(days=question.window_days)
    family = family_of(question.model)
    for kind in question.repair_types:
        device = (number, question.tenant_id, question.brand, question.model)
        yield (*device, kind, since, question.now, family, question.min_repairs * 2)


def _sorted_out(question: Question, rows: Sequence[Any]) -> dict[str, Material]:
    samples: dict[str, list[Sample]] = {kind: [] for kind in question.repair_types}
    prices: dict[str, list[PriceLine]] = {kind: [] for kind in question.repair_types}
    for row in rows:
        if row["kind"] == "repair":
            samples[row["repair_type"]].append(_sample(row))
        else:
            prices[row["repair_type"]].append(_line(row))
    return {kind: Material(tuple(samples[kind]), tuple(prices[kind])) for kind in question.repair_types}


def _sample(row: Any) -> Sample:
    return Sample(
        row["ref"], row["brand"], row["model"], row["labour"], row["part"], row["total"], row["owner"], row["at"]
    )


def _line(row: Any) -> PriceLine:
    return PriceLine(row["ref"], row["part"], row["labour"], row["stock"], row["quality"], row["at"], row["currency"])

"""The rows behind quotes, read from PostgreSQL in one statement for all repair types of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from battcrm.graph.family import family_of
from battcrm.graph.pricing import PriceLine, Sample
from battcrm.infra.postgres import UNAVAILABLE, Pool, unavailable

OWN_LIMIT: Final = 150
SIBLING_LIMIT: Final = 100

# Only repairs of exactly one type: the price of two done together says nothing about either.
_MATERIAL: Final = """
WITH wanted AS (SELECT unnest($4::text[]) AS repair_type),
own AS (
  SELECT w.repair_type, r.*
  FROM wanted w CROSS JOIN LATERAL (
    SELECT repair_id, brand, model, labour_amount, part_amount, total_amount, part_owner, closed_at
    FROM repair_record
    WHERE tenant_id = $1 AND brand = $2 AND model = $3 AND closed_at > $5 AND closed_at <= $6
      AND repair_types = ARRAY[w.repair_type] AND status = 'done' AND labour_amount > 0
    ORDER BY closed_at DESC LIMIT $9
  ) r
),
sibling AS (
  SELECT w.repair_type, r.*
  FROM wanted w CROSS JOIN LATERAL (
    SELECT repair_id, brand, model, labour_amount, part_amount, total_amount, part_owner, closed_at
    FROM repair_record
    WHERE tenant_id = $1 AND brand = $2 AND model <> $3 AND starts_with(model, $7) AND closed_at > $5
      AND closed_at <= $6 AND repair_types = ARRAY[w.repair_type] AND status = 'done' AND labour_amount > 0
    ORDER BY closed_at DESC LIMIT $10
  ) r
  WHERE (SELECT count(*) FROM own o WHERE o.repair_type = w.repair_type) < $8 * 2
)
SELECT 'repair' AS kind, repair_type, repair_id AS ref, brand, model, labour_amount AS labour, part_amount AS part,
  total_amount AS total, part_owner AS owner, closed_at AS at, NULL::int AS stock, NULL AS quality, NULL AS currency
FROM (SELECT * FROM own UNION ALL SELECT * FROM sibling) s
UNION ALL
SELECT 'price', repair_type, price_item_id, brand, model, labour_price, part_price,
  0, NULL, priced_at, stock, quality, currency
FROM price_item
WHERE tenant_id = $1 AND brand = $2 AND model = $3 AND repair_type = ANY($4::text[]) AND active
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
    """Reads the tenant's repairs and price list."""

    def __init__(self, pool: Pool, *, deadline: float = 1.0) -> None:
        self._pool = pool
        self._deadline = deadline

    async def read(self, question: Question) -> dict[str, Material]:
        """See PricingSource. One round trip; at most 150 own and 100 siblings' repairs for each type."""
        try:
            rows = await self._pool.fetch(_MATERIAL, *_arguments(question), timeout=self._deadline)
        except UNAVAILABLE as error:
            raise unavailable(error) from error
        return _sorted_out(question, rows)


def _arguments(question: Question) -> tuple[Any, ...]:
    return (
        question.tenant_id,
        question.brand,
        question.model,
        list(question.repair_types),
        question.now - timedelta(days=question.window_days),
        question.now,
        family_of(question.model),
        question.min_repairs,
        OWN_LIMIT,
        SIBLING_LIMIT,
    )


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

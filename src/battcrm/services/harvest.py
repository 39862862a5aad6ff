"""Operators' corrections as labelled examples: what the bot misread is what it has to be measured on.

An example has the talk up to the correction, without personal data, and labels for the fields the operator set or
emptied, and for no others: what an operator did not touch may be right or not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.extraction.redaction import redact
from battcrm.infra.postgres import Pool
from battcrm.models.facts import FIELDS

_PAGE: Final = 200
_MESSAGES: Final = 60
_LISTS: Final = frozenset({"repair_types"})

_APPEALS: Final = """
SELECT a.appeal_id, a.number, a.dialog_id, c.corrected_at
FROM (
  SELECT appeal_id, max(created_at) AS corrected_at FROM (
    SELECT appeal_id, created_at FROM fact WHERE tenant_id = $1 AND method = 'operator' AND superseded_at IS NULL
    UNION ALL
    SELECT appeal_id, created_at FROM decision WHERE tenant_id = $1 AND action = 'correct' AND appeal_id IS NOT NULL
  ) touched WHERE created_at >= $2 GROUP BY appeal_id
) c JOIN appeal a ON a.tenant_id = $1 AND a.appeal_id = c.appeal_id
WHERE a.appeal_id > $3 ORDER BY a.appeal_id LIMIT $4
"""
_FACTS: Final = """
SELECT appeal_id, field, value, method, superseded_at FROM fact
WHERE tenant_id = $1 AND appeal_id = ANY($2::uuid[]) ORDER BY appeal_id, created_at, fact_id
"""
_CORRECTIONS: Final = """
SELECT appeal_id, inputs FROM decision WHERE tenant_id = $1 AND appeal_id = ANY($2::uuid[]) AND action = 'correct'
ORDER BY created_at, decision_id
"""
_TALK: Final = """
SELECT k.appeal_id, m.direction, m.text
FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) AS k(appeal_id, dialog_id, corrected_at)
CROSS JOIN LATERAL (
  SELECT seq, direction, text FROM message
  WHERE tenant_id = $1 AND dialog_id = k.dialog_id AND appeal_id = k.appeal_id AND received_at <= k.corrected_at
    AND deleted_at IS NULL AND text <> '' ORDER BY seq DESC LIMIT $5
) m ORDER BY k.appeal_id, m.seq
"""


@dataclass(slots=True)
class Corrected:
    """What is known about one appeal that an operator corrected."""

    appeal_id: UUID
    number: int
    dialog_id: UUID
    corrected_at: datetime
    wanted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    was: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    emptied: set[str] = field(default_factory=set)
    talk: list[dict[str, str]] = field(default_factory=list)

    def example(self) -> dict[str, Any] | None:
        """A line of an evaluation file; None when nothing is left to learn from: no label, or no word of the client."""
        expect: dict[str, Any] = {}
        for name in FIELDS:
            if self.wanted.get(name):
                expect[name] = self.wanted[name] if name in _LISTS else self.wanted[name][-1]
            elif name in self.emptied:
                expect[name] = [] if name in _LISTS else None
        if not expect or not any(message["from"] == "client" for message in self.talk):
            return None
        return {
            "id": f"correction-{self.appeal_id}",
            "messages": self.talk,
            "expect": expect,
            "was": {name: values for name, values in self.was.items() if name in expect},
        }


class Harvest:
    """Reads one tenant's corrections in pages. The texts that leave are redacted, whatever the tenant's policy."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def examples(self, tenant_id: UUID, since: datetime) -> list[dict[str, Any]]:
        """Examples of all corrections made at or after `since`, in the order of the appeals' ids."""
        found: list[dict[str, Any]] = []
        after = UUID(int=0)
        while rows := await self._pool.fetch(_APPEALS, tenant_id, since, after, _PAGE):
            page = [Corrected(*row) for row in rows]
            await self._fill(tenant_id, page)
            found += [example for item in page if (example := item.example()) is not None]
            after = page[-1].appeal_id
        return found

    async def _fill(self, tenant_id: UUID, page: Sequence[Corrected]) -> None:
        by_id = {item.appeal_id: item for item in page}
        ids = list(by_id)
        for row in await self._pool.fetch(_FACTS, tenant_id, ids):
            _take_fact(by_id[row["appeal_id"]], row)
        for row in await self._pool.fetch(_CORRECTIONS, tenant_id, ids):
            _take_emptied(by_id[row["appeal_id"]], row["inputs"])
        places = [item.dialog_id for item in page], [item.corrected_at for item in page]
        for row in await self._pool.fetch(_TALK, tenant_id, ids, *places, _MESSAGES):
            who = "client" if row["direction"] == "in" else "shop"
            by_id[row["appeal_id"]].talk.append({"from": who, "text": redact(row["text"]).text})


def _take_fact(item: Corrected, row: Any) -> None:
    """The operator's standing word is the label; what it replaced is told beside it, for whoever reviews the example."""
    if row["method"] != "operator":
        item.was[row["field"]].append(row["value"])
    elif row["superseded_at"] is None:
        item.wanted[row["field"]].append(row["value"])


def _take_emptied(item: Corrected, inputs: Mapping[str, Any]) -> None:
    """Fields that had a value before the operator's word and none after it. Where messages moved, facts went along."""
    if inputs.get("messages"):
        return
    for changed in inputs.get("appeals", ()):
        if changed.get("number") == item.number:
            before, after = changed["facts"]
            item.emptied |= set(before) - set(after)
            item.emptied -= set(after)

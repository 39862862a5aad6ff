"""A handover is not left to chance: somebody looks after it until a person has taken it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from battcrm.infra.postgres import columns
from battcrm.infra.together import Executes
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.situation import Control
from battcrm.pipeline.settings import DialogSettings
from battcrm.pipeline.turn_types import TurnOutcome

UNTAKEN_KIND: Final = "handover.untaken"
_SCHEDULE: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
SELECT tenant_id, work_id, bucket, 'handover.untaken', appeal_id, payload, due_at, $7
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::jsonb[], $6::timestamptz[])
  AS n(tenant_id, work_id, bucket, appeal_id, payload, due_at) ORDER BY tenant_id, appeal_id
ON CONFLICT (tenant_id, kind, dedupe_key) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload,
  done_at = NULL, lease_until = NULL, attempts = 0
"""


async def watch_handovers(writes: Executes, outcomes: Sequence[TurnOutcome], ids: IdFactory, now: datetime) -> None:
    """Schedule the first look at each appeal these turns gave to a person."""
    rows = [row for outcome in outcomes for row in _rows(outcome, ids, now)]
    await writes.execute(_SCHEDULE, *columns(rows, 6), now)


def _rows(outcome: TurnOutcome, ids: IdFactory, now: datetime) -> Iterator[tuple[Any, ...]]:
    tenant = outcome.input.dialog.tenant_id
    settings = outcome.input.tenancy.config.section(DialogSettings)
    for branch in outcome.branches:
        if branch.plan.handover is None or branch.change is None or branch.change.control is not Control.HUMAN:
            continue
        appeal_id = str(branch.change.appeal_id)
        payload = {"appeal_id": appeal_id, "since": now.isoformat()}
        first = now + timedelta(seconds=settings.untaken_reminds)
        yield (tenant, ids.new(), bucket_of(tenant), appeal_id, payload, first)

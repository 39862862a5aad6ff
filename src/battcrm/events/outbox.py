"""Writing events in the transaction of the facts they state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from battcrm.events import traced
from battcrm.events.catalogue import Event
from battcrm.infra.postgres import Connection, columns
from battcrm.infra.tracing import TRACING
from battcrm.kit.ids import IdFactory, bucket_of

# The clients' rows are locked first, in key order and as the last locks of every transaction, so that `seq` grows in
# the order in which one client's transactions commit (PROTOCOL F1).
_INSERT: Final = """
WITH locked AS MATERIALIZED (
  SELECT c.client_id FROM client c
  WHERE (c.tenant_id, c.client_id) IN (SELECT * FROM unnest($1::uuid[], $6::uuid[]))
  ORDER BY c.tenant_id, c.client_id FOR NO KEY UPDATE
)
INSERT INTO outbox (tenant_id, event_id, bucket, type, version, key, data, occurred_at)
SELECT tenant_id, event_id, bucket, type, version, key, data, $8
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::smallint[], $6::uuid[], $7::jsonb[])
  WITH ORDINALITY AS e(tenant_id, event_id, bucket, type, version, key, data, n)
WHERE (SELECT count(*) FROM locked) >= 0
ORDER BY n
"""


async def append(connection: Connection, events: Sequence[Event], ids: IdFactory, now: datetime) -> None:
    """Append events inside the caller's transaction, in order."""
    if not events:
        return
    body = traced.data_of if TRACING.on else _data
    rows = [(e.tenant_id, ids.new(), bucket_of(e.tenant_id), e.TYPE, e.VERSION, e.client_id, body(e)) for e in events]
    await connection.execute(_INSERT, *columns(rows, 7), now)


def _data(event: Event) -> dict[str, Any]:
    return event.data()

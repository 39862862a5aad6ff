"""Writing events in the transaction of the facts they state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from battcrm.events import traced
from battcrm.events.catalogue import Event
from battcrm.infra.postgres import columns
from battcrm.infra.together import Fetches, Together
from battcrm.infra.tracing import TRACING
from battcrm.kit.ids import IdFactory, bucket_of

EARLIER: Final = "earlier"
"""The part of one statement that takes the last locks before those of the clients."""
# The clients' rows are locked first, in key order and as the last locks of every transaction, so that `seq` grows in
# the order in which one client's transactions commit (PROTOCOL F1).
_INSERT: Final = """
WITH locked AS MATERIALIZED (
  SELECT c.client_id FROM client c
  WHERE (c.tenant_id, c.client_id) IN (SELECT * FROM unnest($1::uuid[], $6::uuid[]))
    AND (SELECT count(*) FROM earlier) >= 0
  ORDER BY c.tenant_id, c.client_id FOR NO KEY UPDATE
)
INSERT INTO outbox (tenant_id, event_id, bucket, type, version, key, data, occurred_at)
SELECT tenant_id, event_id, bucket, type, version, key, data, $8
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::smallint[], $6::uuid[], $7::jsonb[])
  WITH ORDINALITY AS e(tenant_id, event_id, bucket, type, version, key, data, n)
WHERE (SELECT count(*) FROM locked) >= 0
ORDER BY n
"""
_NOTHING_EARLIER: Final = "SELECT 1 /* tenant_id: all locks but the clients' are held */"


async def append(connection: Fetches, events: Sequence[Event], ids: IdFactory, now: datetime) -> None:
    """Append events inside the caller's transaction, in order."""
    if events:
        writes = Together()
        writes.part(EARLIER, _NOTHING_EARLIER)
        await append_together(writes, events, ids, now)
        await writes.send(connection)


async def append_together(writes: Together, events: Sequence[Event], ids: IdFactory, now: datetime) -> None:
    """Append events, in order, in one statement with parts of which one is named EARLIER."""
    await writes.execute(_INSERT, *_rows(events, ids), now)


def body_of(event: Event) -> dict[str, Any]:
    """What the outbox keeps of an event."""
    return traced.data_of(event) if TRACING.on else event.data()


def _rows(events: Sequence[Event], ids: IdFactory) -> tuple[list[Any], ...]:
    rows = [
        (e.tenant_id, ids.new(), bucket_of(e.tenant_id), e.TYPE, e.VERSION, e.client_id, body_of(e)) for e in events
    ]
    return columns(rows, 7)

"""Who may speak: an operator's word takes control of the dialog's open appeals (PROTOCOL D2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from battcrm.events.catalogue import AppealControlChanged, Event
from battcrm.infra.postgres import Connection
from battcrm.kit.ids import IdFactory, bucket_of

OPEN: Final = ("new", "collecting", "quoted", "agreed", "in_repair")
RETURN_KIND: Final = "control.return"

_TAKE: Final = """
WITH before AS (
  SELECT a.appeal_id, a.control FROM appeal a
  JOIN dialog d ON d.tenant_id = a.tenant_id AND d.dialog_id = $2
  JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
  WHERE a.tenant_id = $1 AND a.client_id = i.client_id AND a.status = ANY($3) AND a.control <> 'off'
  ORDER BY a.appeal_id FOR UPDATE OF a
)
UPDATE appeal a SET control = 'human', control_until = $4, version = a.version + 1, touched_at = $5
FROM before b WHERE a.tenant_id = $1 AND a.appeal_id = b.appeal_id
RETURNING a.appeal_id, a.client_id, a.version, b.control AS before
"""
_CANCEL: Final = """
WITH cancelled AS (
  UPDATE outgoing SET state = 'cancelled', due_at = NULL, lease_until = NULL, finished_at = $3, token = token + 1
  WHERE tenant_id = $1 AND dialog_id = $2 AND author = 'bot' AND state = 'pending' RETURNING message_id
)
UPDATE message m SET state = 'cancelled' FROM cancelled c WHERE m.tenant_id = $1 AND m.message_id = c.message_id
"""
_SCHEDULE: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, kind, dedupe_key) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload,
  done_at = NULL, lease_until = NULL, attempts = 0
"""


async def take_control(
    connection: Connection,
    tenant_id: UUID,
    dialog_id: UUID,
    ids: IdFactory,
    now: datetime,
    *,
    reason: str,
    returns_after: float = 4 * 3600.0,
) -> list[Event]:
    """Give the client's open appeals to the human, cancel the bot's pending rows, schedule the return.

    The caller holds the dialog's lock and bumps its version.
    """
    until = now + timedelta(seconds=returns_after)
    rows = await connection.fetch(_TAKE, tenant_id, dialog_id, list(OPEN), until, now)
    await connection.execute(_CANCEL, tenant_id, dialog_id, now)
    payload = {"dialog_id": str(dialog_id)}
    await connection.execute(
        _SCHEDULE, tenant_id, ids.new(), bucket_of(tenant_id), RETURN_KIND, str(dialog_id), payload, until, now
    )
    return [
        AppealControlChanged(
            tenant_id=tenant_id,
            client_id=row["client_id"],
            appeal_id=row["appeal_id"],
            version=row["version"],
            before=row["before"],
            after="human",
            reason=reason,
        )
        for row in rows
        if row["before"] != "human"
    ]

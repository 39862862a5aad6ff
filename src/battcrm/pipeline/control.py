"""Who may speak: control goes to a human and comes back to the bot (PROTOCOL D2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealControlChanged, Event
from battcrm.infra.postgres import Connection
from battcrm.kit.ids import IdFactory, bucket_of

OPEN: Final = ("new", "collecting", "quoted", "agreed", "in_repair")
RETURN_KIND: Final = "control.return"

# Lock order of the whole system: dialog, client_work, appeal (docs/adr/0001).
_LOCK: Final = """
SELECT d.dialog_id, d.channel_id, d.external_chat_id, d.identity_id, d.last_seq, d.last_out, d.human_until, i.client_id,
       i.reachable
FROM dialog d JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
WHERE d.tenant_id = $1 AND d.dialog_id = $2 FOR UPDATE OF d
"""
_LOCK_WORK: Final = "SELECT 1 FROM client_work WHERE tenant_id = $1 AND client_id = $2 FOR UPDATE"

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
# Nothing is open that could be given to the human: the chat itself is theirs for a while, which ends by itself.
_LONGEST_TALK: Final = timedelta(days=1)
_TALKS: Final = "UPDATE dialog SET human_until = $3 WHERE tenant_id = $1 AND dialog_id = $2"
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
# Without a moment whatever is in human hands comes back, else what was promised until then.
_RETURN: Final = """
UPDATE appeal SET control = 'bot', control_until = NULL, version = version + 1, touched_at = $4
WHERE tenant_id = $1 AND client_id = $2 AND control = 'human' AND status = ANY($3)
  AND ($5::timestamptz IS NULL OR control_until <= $5)
RETURNING appeal_id, client_id, version
"""
_LAST: Final = """
SELECT direction, seq FROM message WHERE tenant_id = $1 AND dialog_id = $2 AND kind <> 'reaction'
ORDER BY seq DESC LIMIT 1
"""
# The last word is the client's: it was heard by a human who did not answer, so the bot takes it up.
_DUE: Final = """
WITH moved AS (
  UPDATE dialog SET version = version + 1, due_at = $3, first_unanswered_at = coalesce(first_unanswered_at, $3),
    answered_seq = least(answered_seq, $5) WHERE tenant_id = $1 AND dialog_id = $2
)
UPDATE client_work SET due_at = least(coalesce(due_at, $3), $3) WHERE tenant_id = $1 AND client_id = $4
"""


async def lock_dialog(connection: Connection, tenant_id: UUID, dialog_id: UUID) -> Any | None:
    """The dialog's row under its lock and its client's, with `client_id` and `reachable`; None if there is none."""
    dialog = await connection.fetchrow(_LOCK, tenant_id, dialog_id)
    if dialog is not None:
        await connection.execute(_LOCK_WORK, tenant_id, dialog["client_id"])
    return dialog


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
    """Give the client's open appeals, or without any the chat, to the human; cancel the bot's pending rows, schedule
    the return.

    The caller holds the dialog's lock and bumps its version.
    """
    until = now + timedelta(seconds=returns_after)
    rows = await connection.fetch(_TAKE, tenant_id, dialog_id, list(OPEN), until, now)
    if not rows:
        await connection.execute(_TALKS, tenant_id, dialog_id, min(until, now + _LONGEST_TALK))
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


async def return_control(
    connection: Connection, tenant_id: UUID, dialog: Any, now: datetime, *, reason: str, promised_by: datetime | None
) -> list[Event]:
    """Give the client's appeals and chat back to the bot; if the last word is the client's, the client becomes due.

    `dialog` is a row of `lock_dialog`. `promised_by` limits it to what was promised to the human until then.
    """
    client_id: UUID = dialog["client_id"]
    rows = await connection.fetch(_RETURN, tenant_id, client_id, list(OPEN), now, promised_by)
    talked = dialog["human_until"] is not None and (promised_by is None or dialog["human_until"] <= promised_by)
    if talked:
        await connection.execute(_TALKS, tenant_id, dialog["dialog_id"], None)
    last = await connection.fetchrow(_LAST, tenant_id, dialog["dialog_id"])
    if (rows or talked) and last is not None and last["direction"] == "in":
        await connection.execute(_DUE, tenant_id, dialog["dialog_id"], now, client_id, last["seq"] - 1)
    return [
        AppealControlChanged(tenant_id, r["client_id"], r["appeal_id"], r["version"], "human", "bot", reason)
        for r in rows
    ]

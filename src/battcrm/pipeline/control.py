"""Who may speak: control goes to a human and comes back to the bot (PROTOCOL D2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealControlChanged, Event
from battcrm.infra.postgres import Connection
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.pipeline.outcomes import person_took_part

OPEN: Final = ("new", "collecting", "quoted", "agreed", "in_repair")
RETURN_KIND: Final = "control.return"

FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""`control_until` of what a person keeps until they give it back by hand."""

# Lock order of the whole system: dialog, client_work, appeal (docs/adr/0001). Whose dialog it is may have changed while
# its lock was waited for (a merge), so the client is read under it.
_LOCK: Final = "SELECT 1 FROM dialog WHERE tenant_id = $1 AND dialog_id = $2 FOR UPDATE"
_LOCK_WORK: Final = """
SELECT d.dialog_id, d.channel_id, d.external_chat_id, d.identity_id, d.last_seq, d.last_out, d.human_until, i.client_id,
       i.reachable
FROM dialog d JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
JOIN client_work w ON w.tenant_id = i.tenant_id AND w.client_id = i.client_id
WHERE d.tenant_id = $1 AND d.dialog_id = $2 FOR UPDATE OF w
"""

_TAKE: Final = """
WITH before AS (
  SELECT a.appeal_id, a.control, a.control_until FROM appeal a
  JOIN dialog d ON d.tenant_id = a.tenant_id AND d.dialog_id = $2
  JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
  WHERE a.tenant_id = $1 AND a.client_id = i.client_id AND a.status = ANY($3) AND a.control <> 'off'
  ORDER BY a.appeal_id FOR UPDATE OF a
)
UPDATE appeal a SET control = 'human', version = a.version + 1, touched_at = $5,
  control_until = CASE WHEN b.control = 'human' AND b.control_until >= $6 THEN b.control_until ELSE $4 END
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
_PAUSE: Final = """
UPDATE appeal SET control = $3, control_until = $4, version = version + 1
WHERE tenant_id = $1 AND appeal_id = $2 RETURNING client_id, version
"""
# Without a moment what is in human hands comes back, and the one appeal that is meant; else what was promised until then.
_RETURN: Final = """
WITH before AS (
  SELECT appeal_id, control FROM appeal
  WHERE tenant_id = $1 AND client_id = $2 AND status = ANY($3)
    AND (($5::timestamptz IS NULL AND (control = 'human' OR (appeal_id = $6 AND control <> 'bot')))
         OR (control IN ('human', 'paused') AND control_until <= $5))
  ORDER BY appeal_id FOR UPDATE
)
UPDATE appeal a SET control = 'bot', control_until = NULL, version = a.version + 1, touched_at = $4
FROM before b WHERE a.tenant_id = $1 AND a.appeal_id = b.appeal_id
RETURNING a.appeal_id, a.client_id, a.version, b.control AS before
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
    await connection.execute(_LOCK, tenant_id, dialog_id)
    return await connection.fetchrow(_LOCK_WORK, tenant_id, dialog_id)


async def take_control(
    connection: Connection,
    tenant_id: UUID,
    dialog_id: UUID,
    ids: IdFactory,
    now: datetime,
    *,
    reason: str,
    returns_after: float | None = 4 * 3600.0,
    spoke: bool = True,
) -> list[Event]:
    """Give the client's open appeals, or without any the chat, to the human; cancel the bot's pending rows, schedule
    the return.

    The caller holds the dialog's lock and bumps its version. Without `returns_after` the human keeps them until they
    are given back by hand; what is kept so stays kept. `spoke`: by a message, which may be the first answer.
    """
    until = FOREVER if returns_after is None else now + timedelta(seconds=returns_after)
    rows = await connection.fetch(_TAKE, tenant_id, dialog_id, list(OPEN), until, now, FOREVER)
    await person_took_part(connection, tenant_id, [row["appeal_id"] for row in rows], now, spoke=spoke)
    if not rows:
        await connection.execute(_TALKS, tenant_id, dialog_id, min(until, now + _LONGEST_TALK))
    await connection.execute(_CANCEL, tenant_id, dialog_id, now)
    if returns_after is not None:
        await _schedule(connection, tenant_id, dialog_id, ids, until, now)
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


async def hold(
    connection: Connection,
    tenant_id: UUID,
    dialog_id: UUID,
    appeal: Any,
    ids: IdFactory,
    now: datetime,
    *,
    until: datetime | None,
) -> list[Event]:
    """Nobody speaks for us in this one appeal: paused `until` a moment, or off until it is given back.

    The caller holds the dialog's lock and bumps its version. `appeal` has `appeal_id` and `control`.
    """
    control = "off" if until is None else "paused"
    row = await connection.fetchrow(_PAUSE, tenant_id, appeal["appeal_id"], control, until)
    await connection.execute(_CANCEL, tenant_id, dialog_id, now)
    if until is not None:
        await _schedule(connection, tenant_id, dialog_id, ids, until, now, appeal["appeal_id"])
    if row is None or control == appeal["control"]:
        return []
    who = (tenant_id, row["client_id"], appeal["appeal_id"], row["version"])
    return [AppealControlChanged(*who, appeal["control"], control, control)]


async def _schedule(
    connection: Connection,
    tenant_id: UUID,
    dialog_id: UUID,
    ids: IdFactory,
    until: datetime,
    now: datetime,
    appeal_id: UUID | None = None,
) -> None:
    key = str(dialog_id) if appeal_id is None else f"{dialog_id}:{appeal_id}"
    payload = {"dialog_id": str(dialog_id)}
    await connection.execute(
        _SCHEDULE, tenant_id, ids.new(), bucket_of(tenant_id), RETURN_KIND, key, payload, until, now
    )


async def return_control(
    connection: Connection,
    tenant_id: UUID,
    dialog: Any,
    now: datetime,
    *,
    reason: str,
    promised_by: datetime | None,
    appeal_id: UUID | None = None,
) -> list[Event]:
    """Give the client's appeals and chat back to the bot; if the last word is the client's, the client becomes due.

    `dialog` is a row of `lock_dialog`. `promised_by` limits it to what was promised to the human until then;
    without it `appeal_id` comes back too where the bot was paused or off.
    """
    client_id: UUID = dialog["client_id"]
    rows = await connection.fetch(_RETURN, tenant_id, client_id, list(OPEN), now, promised_by, appeal_id)
    talked = dialog["human_until"] is not None and (promised_by is None or dialog["human_until"] <= promised_by)
    if talked:
        await connection.execute(_TALKS, tenant_id, dialog["dialog_id"], None)
    last = await connection.fetchrow(_LAST, tenant_id, dialog["dialog_id"])
    if (rows or talked) and last is not None and last["direction"] == "in":
        await connection.execute(_DUE, tenant_id, dialog["dialog_id"], now, client_id, last["seq"] - 1)
    return [
        AppealControlChanged(tenant_id, r["client_id"], r["appeal_id"], r["version"], r["before"], "bot", reason)
        for r in rows
    ]

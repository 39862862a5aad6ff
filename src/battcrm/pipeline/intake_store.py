"""The statements of the processor's one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Event, MessageDeleted, MessageEdited, MessageStatusChanged
from battcrm.events.outbox import EARLIER
from battcrm.infra.handoff import Handoff
from battcrm.infra.postgres import Connection, columns
from battcrm.infra.together import Executes, Together
from battcrm.kit.ids import IdFactory, bucket_of, derived_id
from battcrm.kit.text import storable
from battcrm.models.unified_codec import encode
from battcrm.pipeline.intake import STATUS_ORDER, Change, NewMessage
from battcrm.resolution.directory import Arrival, DialogState

ORPHAN_LIMIT: Final = timedelta(minutes=10)
_ORPHAN_STEP: Final = timedelta(seconds=2)

# Tenants are taken one processor at a time (transaction-scoped advisory lock), which keeps every dialog in arrival
# order across processors; a busy tenant is passed over, not waited for.
_PICKED: Final = """
WITH RECURSIVE tenants AS (
  (SELECT i.tenant_id FROM inbox i WHERE i.tenant_id > $1 AND i.bucket = ANY($2) ORDER BY i.tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT i.tenant_id FROM inbox i WHERE i.tenant_id > t.tenant_id AND i.bucket = ANY($2)
          ORDER BY i.tenant_id LIMIT 1)
  FROM tenants t WHERE t.tenant_id IS NOT NULL
), owned AS MATERIALIZED (
  SELECT tenant_id FROM (SELECT tenant_id FROM tenants WHERE tenant_id IS NOT NULL LIMIT 256) t
  WHERE pg_try_advisory_xact_lock(hashtextextended('inbox' || tenant_id::text, 0))
), picked AS MATERIALIZED (
  SELECT p.* FROM owned CROSS JOIN LATERAL (
    SELECT i.tenant_id, i.inbox_id FROM inbox i
    WHERE i.tenant_id = owned.tenant_id AND i.ready_at <= $3 AND (i.attempts > 0) = $6
    ORDER BY i.inbox_id LIMIT $4 FOR UPDATE SKIP LOCKED
  ) p LIMIT $5
)
"""
TAKE: Final = (
    _PICKED
    + """
DELETE FROM inbox i USING picked p WHERE i.tenant_id = p.tenant_id AND i.inbox_id = p.inbox_id
RETURNING i.tenant_id, i.inbox_id, i.channel_id, i.raw_id, i.payload, i.received_at, i.attempts
"""
)
MARK: Final = (
    _PICKED
    + """
UPDATE inbox i SET attempts = i.attempts + 1 FROM picked p
WHERE i.tenant_id = p.tenant_id AND i.inbox_id = p.inbox_id
RETURNING i.tenant_id, i.inbox_id, i.attempts
"""
)
TAKE_THESE: Final = """
DELETE FROM inbox i USING unnest($1::uuid[], $2::bigint[]) AS p(tenant_id, inbox_id)
WHERE i.tenant_id = p.tenant_id AND i.inbox_id = p.inbox_id
RETURNING i.tenant_id, i.inbox_id, i.channel_id, i.raw_id, i.payload, i.received_at, i.attempts
"""
UNMARK: Final = """
UPDATE inbox i SET attempts = i.attempts - 1 FROM unnest($1::uuid[], $2::bigint[]) AS p(tenant_id, inbox_id)
WHERE i.tenant_id = p.tenant_id AND i.inbox_id = p.inbox_id AND i.attempts > 0
"""
POSTPONE: Final = """
UPDATE inbox SET ready_at = $3 WHERE tenant_id = $1 AND inbox_id = $2 RETURNING attempts
"""
BURY: Final = """
WITH gone AS (
  DELETE FROM inbox WHERE tenant_id = $1 AND inbox_id = $2
  RETURNING tenant_id, payload, channel_id, raw_id, attempts
)
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
SELECT tenant_id, $3, 'inbox', $4, payload,
       jsonb_build_object('channel_id', channel_id, 'raw_id', raw_id, 'attempts', attempts), $5 FROM gone
"""

_INSERT_MESSAGES: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, external_id,
                     platform_seq, text, content, occurred_at, received_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::timestamptz[], $14::timestamptz[])
"""
_UPDATE_DIALOGS: Final = """
UPDATE dialog d SET version = n.version, last_seq = n.last_seq, due_at = n.due_at,
  first_unanswered_at = n.first_unanswered_at, last_inbound_at = coalesce(n.last_inbound_at, d.last_inbound_at),
  window_expires_at = coalesce(n.window_expires_at, d.window_expires_at), hold_until = n.hold_until
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[])
  AS n(tenant_id, dialog_id, version, last_seq, due_at, first_unanswered_at, last_inbound_at, window_expires_at,
       hold_until)
WHERE d.tenant_id = n.tenant_id AND d.dialog_id = n.dialog_id
RETURNING d.tenant_id, d.dialog_id, d.identity_id, d.due_at
"""
# Whose identity it is may have changed while the dialog's lock was waited for (a merge): the client is read under it.
# least() would make a client due earlier than the quiet window of its only dialog asks for, so it is the least over the
# client's dialogs, with the new values of those that move in the same statement. Where a worker of this process has room,
# a client who is due now is leased to it as a claim would do it.
_MAKE_DUE: Final = """
WITH asked AS (
  SELECT DISTINCT i.tenant_id, i.client_id FROM moved m JOIN identity i USING (tenant_id, identity_id)
  WHERE m.due_at IS NOT NULL
), locked AS MATERIALIZED (
  SELECT w.tenant_id, w.client_id, w.lease_until FROM asked
  JOIN client_work w USING (tenant_id, client_id) ORDER BY w.tenant_id, w.client_id FOR UPDATE OF w
), made AS MATERIALIZED (
  SELECT n.*, n.due_at <= $2 AND (n.lease_until IS NULL OR n.lease_until <= $2) AND n.tenant_id = ANY($1) AS held
  FROM (
    SELECT l.tenant_id, l.client_id, l.lease_until,
      min(CASE WHEN m.dialog_id IS NULL THEN d.due_at ELSE m.due_at END) AS due_at
    FROM locked l
    JOIN identity i ON i.tenant_id = l.tenant_id AND i.client_id = l.client_id
    JOIN dialog d ON d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id
    LEFT JOIN moved m ON m.tenant_id = d.tenant_id AND m.dialog_id = d.dialog_id
    GROUP BY l.tenant_id, l.client_id, l.lease_until
  ) n
  WHERE n.due_at IS NOT NULL
)
UPDATE client_work w SET due_at = n.due_at,
  lease_until = CASE WHEN n.held THEN $3 ELSE w.lease_until END,
  token = w.token + n.held::int, attempts = w.attempts + n.held::int
FROM made n
WHERE w.tenant_id = n.tenant_id AND w.client_id = n.client_id
RETURNING n.held, w.*
"""
DUE: Final = "SELECT * FROM earlier /* tenant_id: of the dialogs that moved */"
_LOCK_WORKS: Final = """
SELECT 1 FROM unnest($1::uuid[], $2::uuid[]) AS n(tenant_id, client_id) JOIN client_work w USING (tenant_id, client_id)
ORDER BY w.tenant_id, w.client_id FOR UPDATE OF w
"""
# `edited` is the arrival that wrote the text: an edit that waited for its message must not undo one that came later,
# nor bring back what was deleted.
_EDIT: Final = """
WITH target AS MATERIALIZED (
  SELECT m.tenant_id, m.message_id,
    m.deleted_at IS NULL AND coalesce((m.content->>'edited')::uuid <= $6, true) AS newer FROM message m
  WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.external_id = $3 AND m.kind <> 'edit' FOR UPDATE
), written AS (
  UPDATE message m SET text = $4, content = $5, revision = m.revision + 1 FROM target t
  WHERE m.tenant_id = t.tenant_id AND m.message_id = t.message_id AND t.newer
  RETURNING m.message_id, m.seq, m.revision
)
SELECT w.message_id, w.seq, w.revision FROM target t LEFT JOIN written w ON w.message_id = t.message_id
"""
# Its edits that came after an answer are rows of their own, and go with it.
_DELETE: Final = """
WITH gone AS (
  UPDATE message m SET deleted_at = $4 WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.external_id = $3
    AND m.deleted_at IS NULL RETURNING m.message_id, m.seq, m.kind
)
SELECT message_id, seq FROM gone ORDER BY kind = 'edit' LIMIT 1
"""
_STATUS_TARGET: Final = """
SELECT m.message_id, m.state FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.direction = 'out'
  AND (m.external_id = $3 OR m.outgoing_id::text = $4) FOR UPDATE
"""
_STATUS_UP_TO: Final = """
SELECT m.message_id, m.state FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.direction = 'out'
  AND m.state IN ('sent', 'delivered') AND m.seq <= (
    SELECT max(x.seq) FROM message x WHERE x.tenant_id = $1 AND x.dialog_id = $2 AND x.external_id = $3) FOR UPDATE
"""
_SET_STATE: Final = "UPDATE message SET state = $3 WHERE tenant_id = $1 AND message_id = $2"
_REACH: Final = "UPDATE identity SET reachable = $3 WHERE tenant_id = $1 AND identity_id = $2"
_PHONE: Final = """
INSERT INTO client_phone (tenant_id, client_id, phone, verified, source, created_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::text[], $6::timestamptz[])
ON CONFLICT (tenant_id, client_id, phone) DO UPDATE SET verified = true
WHERE excluded.verified AND NOT client_phone.verified
RETURNING tenant_id, client_id, phone, verified
"""
# A phone newly vouched for that another client has too: somebody looks whether they are one person.
_TWINS: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
SELECT DISTINCT ON (n.tenant_id, n.client_id) n.tenant_id, n.work_id, n.bucket, 'client.twins', n.client_id::text,
  jsonb_build_object('client_id', n.client_id), $6::timestamptz, $6
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::smallint[])
  AS n(tenant_id, client_id, phone, work_id, bucket)
WHERE EXISTS (SELECT 1 FROM client_phone o WHERE o.tenant_id = n.tenant_id AND o.phone = n.phone AND o.verified
              AND o.client_id <> n.client_id)
ORDER BY n.tenant_id, n.client_id
ON CONFLICT (tenant_id, kind, dedupe_key) DO UPDATE SET due_at = excluded.due_at, done_at = NULL, attempts = 0
"""
_REQUEUE: Final = """
INSERT INTO inbox (tenant_id, bucket, channel_id, event_id, raw_id, payload, received_at, ready_at)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::timestamptz[],
                     $8::timestamptz[])
"""
_ORPHAN: Final = """
INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
SELECT tenant_id, dead_id, 'orphan', 'refers to a message that never came', payload, '{}'::jsonb, $4
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS o(tenant_id, dead_id, payload)
"""


async def insert_messages(writes: Executes, messages: Sequence[NewMessage]) -> None:
    """Insert message rows."""
    rows = [
        (
            m.dialog.tenant_id,
            m.message_id,
            m.dialog.dialog_id,
            m.identity_id,
            m.seq,
            m.direction,
            m.author,
            m.kind,
            m.external_id,
            m.platform_seq,
            m.text,
            m.content,
            m.occurred_at,
            m.received_at,
        )
        for m in messages
    ]
    await writes.execute(_INSERT_MESSAGES, *columns(rows, 14))


def write_dialogs(writes: Together, dialogs: Collection[DialogState], turns: Handoff, now: datetime) -> None:
    """Write the changed dialogs back and make their clients due: the last locks before those of clients.

    The clients come back as DUE; those that `turns` has taken are `held`.
    """
    rows = [
        (
            d.tenant_id,
            d.dialog_id,
            d.version,
            d.last_seq,
            d.due_at,
            d.first_unanswered_at,
            d.last_inbound_at,
            d.window_expires_at,
            d.hold_until,
        )
        for d in dialogs
        if d.dirty
    ]
    writes.part("moved", _UPDATE_DIALOGS, *columns(rows, 9))
    offer = turns.offer()
    taken = [
        tenant for tenant, count in sorted(Counter(row[0] for row in rows).items()) if offer.accepts(tenant, count)
    ]
    writes.part(EARLIER, _MAKE_DUE, taken, now, turns.until(now))


async def lock_works(connection: Connection, dialogs: Iterable[DialogState]) -> None:
    """Lock the clients' work rows in one order, before anything that comes later in the order of locks."""
    await connection.execute(_LOCK_WORKS, *columns(sorted({(d.tenant_id, d.client_id) for d in dialogs}), 2))


class NotStored(LookupError):
    """What is to be changed has not arrived yet."""


async def apply_edit(
    connection: Connection, change: Change, content: dict[str, Any]
) -> tuple[MessageEdited, int] | None:
    """Replace a message's text; the event and the message's seq, None if a later edit has been there before.

    Raises NotStored if the message has not arrived yet.
    """
    text = storable(change.arrival.message.words or "")
    dialog, arrival = change.dialog, change.arrival.raw_id
    scope = (dialog.tenant_id, dialog.dialog_id, change.external_id)
    row = await connection.fetchrow(_EDIT, *scope, text, {**content, "edited": str(arrival)}, arrival)
    if row is None:
        raise NotStored
    if row["message_id"] is None:
        return None
    event = MessageEdited(
        tenant_id=dialog.tenant_id,
        client_id=dialog.client_id,
        message_id=row["message_id"],
        dialog_id=dialog.dialog_id,
        revision=row["revision"],
    )
    return event, row["seq"]


async def apply_delete(connection: Connection, change: Change, now: datetime) -> Event | None:
    """Mark a message deleted; None if it is not there yet."""
    dialog = change.dialog
    row = await connection.fetchrow(_DELETE, dialog.tenant_id, dialog.dialog_id, change.external_id, now)
    if row is None:
        return None
    return MessageDeleted(
        tenant_id=dialog.tenant_id,
        client_id=dialog.client_id,
        message_id=row["message_id"],
        dialog_id=dialog.dialog_id,
    )


async def apply_status(connection: Connection, change: Change) -> list[Event] | None:
    """Move the delivery state forward by rank only; None if the message is not there yet."""
    status = change.arrival.message.status
    dialog = change.dialog
    if status is None:
        return []
    if status.up_to is not None:
        rows = await connection.fetch(_STATUS_UP_TO, dialog.tenant_id, dialog.dialog_id, status.up_to)
    else:
        reference = status.client_ref or ""
        rows = await connection.fetch(_STATUS_TARGET, dialog.tenant_id, dialog.dialog_id, change.external_id, reference)
        if not rows:
            return None
    events: list[Event] = []
    for row in rows:
        if not _moves(row["state"], status.state):
            continue
        await connection.execute(_SET_STATE, dialog.tenant_id, row["message_id"], status.state)
        events.append(
            MessageStatusChanged(
                tenant_id=dialog.tenant_id,
                client_id=dialog.client_id,
                message_id=row["message_id"],
                dialog_id=dialog.dialog_id,
                state=status.state,
            )
        )
    return events


def _moves(before: str, after: str) -> bool:
    if before == "failed" or after not in STATUS_ORDER:
        return False
    rank = STATUS_ORDER.index
    return before not in STATUS_ORDER or rank(after) > rank(before)


async def note_people(
    connection: Connection,
    reach: Sequence[tuple[DialogState, bool]],
    phones: Sequence[tuple[DialogState, str, bool]],
    now: datetime,
) -> None:
    """Reachability and phones learned from the batch."""
    for dialog, reachable in reach:
        await connection.execute(_REACH, dialog.tenant_id, dialog.identity_id, reachable)
    merged: dict[tuple[UUID, UUID, str], bool] = {}
    for dialog, phone, verified in phones:
        key = (dialog.tenant_id, dialog.client_id, _e164(phone))
        merged[key] = merged.get(key, False) or verified
    if merged:
        rows = [(*key, verified, "channel", now) for key, verified in sorted(merged.items())]
        learned = await connection.fetch(_PHONE, *columns(rows, 6))
        vouched = [(r[0], r[1], r[2], _twins_id(r), bucket_of(r[0])) for r in learned if r["verified"]]
        if vouched:
            await connection.execute(_TWINS, *columns(vouched, 5), now)


def _twins_id(row: Any) -> UUID:
    return derived_id("client.twins", str(row["tenant_id"]), str(row["client_id"]))


def _e164(phone: str) -> str:
    digits = "".join(c for c in phone if c.isdigit())
    if len(digits) == 11 and digits[0] == "8":
        digits = "7" + digits[1:]
    return "+" + digits[:15]


async def put_back(connection: Connection, orphans: Sequence[Arrival], ids: IdFactory, now: datetime) -> None:
    """What refers to a message not seen yet waits up to 10 minutes, then becomes visible as an orphan (B3)."""
    young = [a for a in orphans if now - a.received_at < ORPHAN_LIMIT]
    old = [a for a in orphans if now - a.received_at >= ORPHAN_LIMIT]
    if young:
        rows = [
            (
                a.tenant_id,
                bucket_of(a.tenant_id),
                a.channel_id,
                a.message.event_id,
                a.raw_id,
                encode(a.message),
                a.received_at,
                now + _ORPHAN_STEP,
            )
            for a in young
        ]
        await connection.execute(_REQUEUE, *columns(rows, 8))
    if old:
        dead = [(a.tenant_id, ids.new(), encode(a.message)) for a in old]
        await connection.execute(_ORPHAN, *columns(dead, 3), now)

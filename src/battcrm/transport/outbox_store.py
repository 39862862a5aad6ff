"""Statements of the out worker, each for many rows: begin sending, record outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Event, MessageFailed, MessageSent
from battcrm.events.outbox import append
from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection, Pool, columns
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand, OutState, Sent

# The mark is committed before the first byte of each send. Sends that start at the same moment share the commit. The
# lease begins anew: how long a row had waited for its turn must not make a send that is under way look dead.
# The state is written so that no partial index over waiting rows suits: a planner that once saw it empty would read all
# that waits of a flooding tenant for each row that it could find by its key.
_START: Final = """
UPDATE outgoing o SET state = 'sending', sending_at = $4, lease_until = $5
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n(tenant_id, outgoing_id, token)
WHERE o.tenant_id = n.tenant_id AND o.outgoing_id = n.outgoing_id AND o.token = n.token
  AND (o.state || '') IN ('pending', 'sending')
RETURNING o.outgoing_id, o.token
"""
_SETTLE: Final = """
WITH settled AS (
  UPDATE outgoing o SET state = n.state, due_at = n.due_at, lease_until = NULL, error_code = n.code,
    attempts = CASE WHEN n.counted THEN o.attempts ELSE greatest(o.attempts - 1, 0) END,
    finished_at = CASE WHEN n.due_at IS NULL THEN $8::timestamptz END
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::bool[])
    AS n(tenant_id, outgoing_id, token, state, due_at, code, counted)
  WHERE o.tenant_id = n.tenant_id AND o.outgoing_id = n.outgoing_id AND o.token = n.token
    AND (o.state || '') IN ('pending', 'sending')
  RETURNING o.tenant_id, o.outgoing_id, o.token, o.state, o.message_id, o.dialog_id, o.channel_id, o.author
)
SELECT s.*, i.client_id, i.identity_id FROM settled s
JOIN dialog d ON d.tenant_id = s.tenant_id AND d.dialog_id = s.dialog_id
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
"""
_MESSAGES: Final = """
UPDATE message m SET state = CASE WHEN m.state IN ('delivered', 'read') THEN m.state ELSE n.state END,
  external_id = coalesce(n.external_id, m.external_id), platform_seq = coalesce(n.platform_seq, m.platform_seq)
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
  AS n(tenant_id, message_id, state, external_id, platform_seq)
WHERE m.tenant_id = n.tenant_id AND m.message_id = n.message_id
"""
_GONE: Final = """
UPDATE identity i SET reachable = false FROM unnest($1::uuid[], $2::uuid[]) AS n(tenant_id, identity_id)
WHERE i.tenant_id = n.tenant_id AND i.identity_id = n.identity_id
"""
_UNCOUNTED: Final = frozenset({"paced", "channel_unavailable", "channel_unreachable"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed row. `due_at` is set when it goes back to `pending`."""

    claim: Claim
    state: OutState
    sent: Sent | None = None
    due_at: datetime | None = None
    code: str = ""
    gone: bool = False


class SendStore:
    """The out worker's database side; its methods are flushes of Batchers."""

    def __init__(self, pool: Pool, clock: Clock, ids: IdFactory) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids

    async def start_sending(self, claims: Sequence[Claim], *, lease: float) -> Sequence[bool]:
        """Commit `sending`, leased for `lease` seconds; False for a row that is no longer ours (taken over, cancelled)."""
        keys = [(c.tenant_id, c.key, c.token) for c in sorted(claims, key=_place)]
        now = self._clock.now()
        rows = await self._pool.fetch(_START, *columns(keys, 3), now, now + timedelta(seconds=lease))
        # With the token: a row whose lease lapsed in the queue may be in one batch twice.
        started = {(row["outgoing_id"], row["token"]) for row in rows}
        return [(claim.key, claim.token) in started for claim in claims]

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[None]:
        """Record outcomes and their events in one transaction. Rows lost to another worker are left alone."""
        rows = [
            (
                o.claim.tenant_id,
                o.claim.key,
                o.claim.token,
                o.state.value,
                o.due_at,
                o.code or None,
                o.code not in _UNCOUNTED,
            )
            for o in sorted(outcomes, key=lambda o: _place(o.claim))
        ]
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            settled = await connection.fetch(_SETTLE, *columns(rows, 7), now)
            held = {(o.claim.key, o.claim.token): o for o in outcomes}
            final = [(r, held[r["outgoing_id"], r["token"]]) for r in settled if r["state"] != OutState.PENDING]
            if final:
                await self._record(connection, final, now)
        return [None] * len(outcomes)

    async def _record(self, connection: Connection, final: Sequence[tuple[Any, Outcome]], now: datetime) -> None:
        messages = [
            (
                row["tenant_id"],
                row["message_id"],
                outcome.state.value,
                outcome.sent.message_id if outcome.sent else None,
                outcome.sent.seq if outcome.sent else None,
            )
            for row, outcome in final
        ]
        await connection.execute(_MESSAGES, *columns(messages, 5))
        gone = [(row["tenant_id"], row["identity_id"]) for row, outcome in final if outcome.gone]
        if gone:
            await connection.execute(_GONE, *columns(gone, 2))
        await append(connection, [_event(row, outcome) for row, outcome in final], self._ids, now)


def _place(claim: Claim) -> tuple[UUID, UUID, str]:
    """Rows are locked in the processor's order of chats, which cancels and settles some of them too (echoes)."""
    return claim.tenant_id, claim.row["channel_id"], claim.row["payload"]["chat"]


def _event(row: Any, outcome: Outcome) -> Event:
    if outcome.state is OutState.SENT:
        return MessageSent(
            row["tenant_id"],
            row["client_id"],
            row["message_id"],
            row["dialog_id"],
            row["channel_id"],
            row["outgoing_id"],
            row["author"],
        )
    return MessageFailed(
        row["tenant_id"],
        row["client_id"],
        row["message_id"],
        row["dialog_id"],
        row["outgoing_id"],
        outcome.state.value,
        outcome.code,
    )


def command_of(row: Any) -> OutgoingCommand:
    """The channel's command for an outgoing row."""
    payload: dict[str, Any] = row["payload"]
    outgoing_id: UUID = row["outgoing_id"]
    return OutgoingCommand(
        idempotency_key=str(outgoing_id),
        conversation_id=payload["chat"],
        text=payload.get("text", ""),
        buttons=tuple(tuple(OutButton(**b) for b in line) for line in payload.get("buttons", ())),
        attachments=tuple(OutAttachment(**a) for a in payload.get("attachments", ())),
        reply_to=payload.get("reply_to"),
        template=payload.get("template"),
        context={"author": row["author"], **payload.get("context", {})},
    )

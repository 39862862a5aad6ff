"""Statements of the out worker, each for many rows: begin sending, record outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Event, MessageFailed, MessageSent
from battcrm.events.outbox import EARLIER, body_of
from battcrm.infra.due import Claim
from battcrm.infra.postgres import Pool, columns
from battcrm.infra.together import Together
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory, bucket_of
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
WITH held AS MATERIALIZED (
  SELECT o.tenant_id, o.outgoing_id, n.place
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS n(tenant_id, outgoing_id, token, place)
  JOIN outgoing o ON o.tenant_id = n.tenant_id AND o.outgoing_id = n.outgoing_id AND o.token = n.token
  WHERE (o.state || '') IN ('pending', 'sending')
  ORDER BY n.place FOR UPDATE OF o
)
UPDATE outgoing o SET state = n.state, due_at = n.due_at, lease_until = NULL, error_code = n.code,
  attempts = CASE WHEN n.counted THEN o.attempts ELSE greatest(o.attempts - 1, 0) END,
  finished_at = CASE WHEN n.due_at IS NULL THEN $8::timestamptz END
FROM held h
JOIN unnest($4::text[], $5::timestamptz[], $6::text[], $7::bool[]) WITH ORDINALITY
  AS n(state, due_at, code, counted, place) USING (place)
WHERE o.tenant_id = h.tenant_id AND o.outgoing_id = h.outgoing_id
RETURNING o.tenant_id, o.outgoing_id, o.token, o.state, o.message_id, o.dialog_id, o.seq
"""
_MESSAGES: Final = """
UPDATE message m SET state = CASE WHEN m.state IN ('delivered', 'read') THEN m.state ELSE e.state END,
  external_id = coalesce(n.external_id, m.external_id), platform_seq = coalesce(n.platform_seq, m.platform_seq)
FROM earlier e
JOIN unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS n(outgoing_id, token, external_id, platform_seq)
  USING (outgoing_id, token)
WHERE m.tenant_id = e.tenant_id AND m.message_id = e.message_id
RETURNING m.message_id
"""
_GONE: Final = """
UPDATE identity i SET reachable = false
FROM earlier e JOIN unnest($1::uuid[], $2::bigint[]) AS n(outgoing_id, token) USING (outgoing_id, token)
JOIN dialog d ON d.tenant_id = e.tenant_id AND d.dialog_id = e.dialog_id
WHERE i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
RETURNING i.identity_id
"""
# Clients are locked after messages and identities, as everywhere (docs/adr/0001): the processor changes those too, and no
# dialog's lock keeps it apart from here.
# Whose chat it is is known only now: a merge may have given it to another client since the row was claimed.
_EVENTS: Final = """
WITH told AS MATERIALIZED (
  SELECT e.tenant_id, i.client_id, n.event_id, n.bucket, n.type, n.version, n.data, n.place
  FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::smallint[], $5::text[], $6::smallint[], $7::jsonb[])
    WITH ORDINALITY AS n(outgoing_id, token, event_id, bucket, type, version, data, place)
  JOIN earlier e USING (outgoing_id, token)
  JOIN dialog d ON d.tenant_id = e.tenant_id AND d.dialog_id = e.dialog_id
  JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
), locked AS MATERIALIZED (
  SELECT c.client_id FROM client c WHERE (c.tenant_id, c.client_id) IN (SELECT t.tenant_id, t.client_id FROM told t)
    AND (SELECT count(*) FROM worded) + (SELECT count(*) FROM gone) >= 0
  ORDER BY c.tenant_id, c.client_id FOR NO KEY UPDATE
)
INSERT INTO outbox (tenant_id, event_id, bucket, type, version, key, data, occurred_at)
SELECT t.tenant_id, t.event_id, t.bucket, t.type, t.version, t.client_id,
       t.data || jsonb_build_object('client_id', t.client_id), $8
FROM told t WHERE (SELECT count(*) FROM locked) >= 0
ORDER BY t.place
"""
# A chat's next message was not claimable while this one was on its way.
_FREED: Final = """
SELECT EXISTS (
  SELECT 1 FROM earlier e JOIN outgoing o USING (tenant_id, dialog_id)
  WHERE e.state <> 'pending' AND o.seq > e.seq AND o.state = 'pending'
) AS freed
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

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[bool]:
        """Record outcomes and their events in one statement. Rows lost to another worker are left alone.

        True for all if any of them kept a later message of its chat waiting.
        """
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
        final = [o for o in outcomes if o.state is not OutState.PENDING]
        keys = [(o.claim.key, o.claim.token) for o in final]
        places = [
            (*key, o.sent and o.sent.message_id, o.sent and o.sent.seq) for key, o in zip(keys, final, strict=True)
        ]
        gone = [key for key, o in zip(keys, final, strict=True) if o.gone]
        writes = Together()
        writes.part(EARLIER, _SETTLE, *columns(rows, 7), now)
        writes.part("worded", _MESSAGES, *columns(places, 4))
        writes.part("gone", _GONE, *columns(gone, 2))
        await writes.execute(_EVENTS, *columns([self._event_row(o) for o in final], 7), now)
        freed = await writes.send(self._pool, _FREED)
        return [freed[0]["freed"]] * len(outcomes)

    def _event_row(self, outcome: Outcome) -> tuple[Any, ...]:
        event, claim = _event(outcome), outcome.claim
        head = (claim.key, claim.token, self._ids.new(), bucket_of(claim.tenant_id))
        return (*head, event.TYPE, event.VERSION, body_of(event))


def _place(claim: Claim) -> tuple[UUID, UUID, str]:
    """Rows are locked in the processor's order of chats, which cancels and settles some of them too (echoes)."""
    return claim.tenant_id, claim.row["channel_id"], claim.row["payload"]["chat"]


def _event(outcome: Outcome) -> Event:
    """The event; its client is filled in by the statement that finds it."""
    row, nobody = outcome.claim.row, UUID(int=0)
    head = (outcome.claim.tenant_id, nobody, row["message_id"], row["dialog_id"])
    if outcome.state is OutState.SENT:
        return MessageSent(*head, row["channel_id"], row["outgoing_id"], row["author"])
    return MessageFailed(*head, row["outgoing_id"], outcome.state.value, outcome.code)


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

"""Committing turns themselves: rows, decisions, the dialogs they answered and the clients they release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.outbox import EARLIER
from battcrm.infra.postgres import Connection, columns
from battcrm.infra.together import Executes, Fetches, Together
from battcrm.kit.ids import IdFactory, derived_id
from battcrm.pipeline.decisions import decision_rows
from battcrm.pipeline.turn_types import TurnOutcome

_TURNS: Final = """
INSERT INTO turn (tenant_id, turn_id, client_id, dialog_id, appeal_id, episode_id, state, from_seq, to_seq, started_at,
                  finished_at, timings)
SELECT tenant_id, turn_id, client_id, dialog_id, appeal_id, episode_id, state, from_seq, to_seq, started_at, $12, timings
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::bigint[],
  $9::bigint[], $10::timestamptz[], $11::jsonb[])
  AS t(tenant_id, turn_id, client_id, dialog_id, appeal_id, episode_id, state, from_seq, to_seq, started_at, timings)
"""
_DECISIONS: Final = """
INSERT INTO decision (tenant_id, decision_id, turn_id, client_id, dialog_id, appeal_id, action, reason, inputs,
                      alternatives, versions, cost_microrub, created_at)
SELECT tenant_id, decision_id, turn_id, client_id, dialog_id, appeal_id, action, reason, inputs, alternatives::jsonb,
       versions, cost, $13
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[],
  $9::jsonb[], $10::text[], $11::jsonb[], $12::bigint[])
  AS d(tenant_id, decision_id, turn_id, client_id, dialog_id, appeal_id, action, reason, inputs, alternatives, versions,
       cost)
"""
_MARK: Final = """
UPDATE message m SET appeal_id = n.appeal_id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS n(tenant_id, message_id,
  appeal_id) WHERE m.tenant_id = n.tenant_id AND m.message_id = n.message_id
"""
# What arrived while the turn was thinking stays unanswered and due; otherwise the dialog is quiet.
_DIALOGS: Final = """
UPDATE dialog d SET last_seq = n.last_seq, last_out = n.last_out, answered_seq = n.answered_seq,
  due_at = CASE WHEN n.quiet THEN NULL ELSE d.due_at END,
  first_unanswered_at = CASE WHEN n.quiet THEN NULL ELSE d.first_unanswered_at END
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bool[])
  AS n(tenant_id, dialog_id, last_seq, last_out, answered_seq, quiet)
WHERE d.tenant_id = n.tenant_id AND d.dialog_id = n.dialog_id
RETURNING d.tenant_id, d.dialog_id, d.due_at
"""
_EDITED: Final = """
SELECT m.message_id, m.revision FROM unnest($2::uuid[], $3::text[]) AS r(message_id, text)
JOIN message m ON m.tenant_id = $1 AND m.message_id = r.message_id
WHERE m.text <> r.text AND m.deleted_at IS NULL AND m.revision > 0 ORDER BY m.seq
"""
_COPY_EDIT: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, external_id,
                     platform_seq, text, content, revision, occurred_at, received_at)
SELECT tenant_id, $3, dialog_id, identity_id, $4, 'in', 'client', 'edit', external_id, platform_seq, text, content,
       revision, occurred_at, received_at
FROM message WHERE tenant_id = $1 AND message_id = $2
"""
# A merged client has no identities any more and must come to rest all the same. Dialogs that move in the same statement
# count with their new values.
_RELEASE: Final = """
WITH held AS MATERIALIZED (
  SELECT w.tenant_id, w.client_id FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k(tenant_id, client_id, token)
  JOIN client_work w ON w.tenant_id = k.tenant_id AND w.client_id = k.client_id AND w.token = k.token
  ORDER BY w.tenant_id, w.client_id FOR UPDATE OF w
)
UPDATE client_work w SET lease_until = NULL, attempts = 0, superseded = 0, last_error = NULL, due_at = n.due_at
FROM (
  SELECT h.tenant_id, h.client_id, min(CASE WHEN m.dialog_id IS NULL THEN d.due_at ELSE m.due_at END) AS due_at
  FROM held h
  LEFT JOIN identity i ON i.tenant_id = h.tenant_id AND i.client_id = h.client_id
  LEFT JOIN dialog d ON d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id
  LEFT JOIN moved m ON m.tenant_id = d.tenant_id AND m.dialog_id = d.dialog_id
  GROUP BY h.tenant_id, h.client_id
) n
WHERE w.tenant_id = n.tenant_id AND w.client_id = n.client_id
RETURNING w.client_id
"""
_NONE_MOVED: Final = "SELECT d.tenant_id, d.dialog_id, d.due_at FROM dialog d WHERE false"


async def turns(writes: Executes, outcomes: Sequence[TurnOutcome], now: datetime) -> None:
    """One row for each turn that counts."""
    rows = [_turn_row(o, "posted" if o.speaks else "silent") for o in outcomes]
    await writes.execute(_TURNS, *columns(rows, 11), now)


async def superseded_turns(connection: Connection, outcomes: Sequence[TurnOutcome], now: datetime) -> None:
    """A superseded turn leaves its row, and nothing else."""
    if outcomes:
        rows = [_turn_row(o, "superseded", bare=True) for o in outcomes]
        await connection.execute(_TURNS, *columns(rows, 11), now)


def _turn_row(outcome: TurnOutcome, state: str, *, bare: bool = False) -> tuple[Any, ...]:
    dialog = outcome.input.dialog
    main = outcome.main
    change = main.change if main and not bare else None
    return (
        dialog.tenant_id,
        outcome.turn_id,
        outcome.input.client_id,
        dialog.dialog_id,
        change.appeal_id if change else None,
        change.episode_id if change else None,
        state,
        dialog.answered_seq,
        dialog.last_seq,
        outcome.started_at,
        {k: round(v, 2) for k, v in outcome.timings.items()},
    )


async def decisions(writes: Executes, outcomes: Sequence[TurnOutcome], ids: IdFactory, now: datetime) -> None:
    """Why: one record for each branch."""
    rows = [row for outcome in outcomes for row in decision_rows(outcome, ids)]
    await writes.execute(_DECISIONS, *columns(rows, 12), now)


async def mark_messages(writes: Executes, outcomes: Sequence[TurnOutcome]) -> None:
    """Note on the answered messages which appeal they belong to."""
    rows: list[tuple[Any, ...]] = []
    for outcome in outcomes:
        main = outcome.main
        if main is None or main.change is None or main.routing.action == "ask":
            continue
        rows.extend(
            (outcome.input.dialog.tenant_id, m.message_id, main.change.appeal_id)
            for m in outcome.input.messages
            if m.fresh
        )
    await writes.execute(_MARK, *columns(rows, 3))


async def dialogs(
    connection: Connection,
    writes: Together,
    outcomes: Sequence[TurnOutcome],
    locked: dict[tuple[UUID, UUID], Any],
    spoken: Mapping[UUID, int],
) -> None:
    """Move the dialogs on: what was answered, and whether something newer waits."""
    rows = []
    for outcome in outcomes:
        view = outcome.input.dialog
        row = locked[view.tenant_id, view.dialog_id]
        said = spoken.get(view.dialog_id, 0) + await _reopen_edited(connection, outcome, row, spoken)
        quiet = row["version"] == view.version and row["last_seq"] <= view.last_seq
        last_seq = row["last_seq"] + said
        answered = last_seq if quiet else view.last_seq
        out = row["last_out"] + spoken.get(view.dialog_id, 0)
        rows.append((view.tenant_id, view.dialog_id, last_seq, out, answered, quiet))
    writes.part("moved", _DIALOGS, *columns(rows, 6))


async def _reopen_edited(connection: Connection, outcome: TurnOutcome, row: Any, spoken: Mapping[UUID, int]) -> int:
    """What was edited while a turn that had to be posted was thinking is something new to answer (PROTOCOL C2, C4).

    Returns how many rows were added behind the turn's replies.
    """
    view = outcome.input.dialog
    if row["version"] == view.version:
        return 0
    read = {m.message_id: m.text for m in outcome.input.messages if m.fresh and m.kind == "message"}
    if not read:
        return 0
    found = await connection.fetch(_EDITED, view.tenant_id, list(read), list(read.values()))
    place = row["last_seq"] + spoken.get(view.dialog_id, 0)
    for number, edited in enumerate(found, 1):
        copy = derived_id("edit", str(edited["message_id"]), str(edited["revision"]))
        await connection.execute(_COPY_EDIT, view.tenant_id, edited["message_id"], copy, place + number)
    return len(found)


def release_clients(writes: Together, outcomes: Sequence[TurnOutcome]) -> None:
    """Give the clients of finished turns back, beside `dialogs`; due again only if one of their dialogs is."""
    keys = {(o.input.dialog.tenant_id, o.input.client_id, o.input.claim.token) for o in outcomes}
    writes.part(EARLIER, _RELEASE, *columns(sorted(keys), 3))


async def release_claims(connection: Fetches, keys: Sequence[tuple[UUID, UUID, int]]) -> None:
    """Release the leases of (tenant, client, token), where the token is still valid; no dialog has moved."""
    writes = Together()
    writes.part("moved", _NONE_MOVED)
    writes.part(EARLIER, _RELEASE, *columns(keys, 3))
    await writes.send(connection)

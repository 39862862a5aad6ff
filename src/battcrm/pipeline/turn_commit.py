"""Committing turns: one transaction for any number of them, each fenced by its token and its dialog's version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.outbox import append_together
from battcrm.infra.due import Claim
from battcrm.infra.handoff import Handoff
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, columns, is_cut
from battcrm.infra.telemetry import METRICS
from battcrm.infra.together import Together
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.models.situation import Control
from battcrm.pipeline import write_appeals, write_turns
from battcrm.pipeline.catch_up import catch_up
from battcrm.pipeline.handovers import watch_handovers
from battcrm.pipeline.turn_types import Branch, TurnOutcome, TurnState
from battcrm.pipeline.write_replies import TAKEN, Replies

MAX_SUPERSEDED: Final = 2

# Lock order of the whole system: dialog, client_work, appeal, each in key order (docs/adr/0001).
_LOCK_DIALOGS: Final = """
SELECT d.tenant_id, d.dialog_id, d.version, d.last_seq, d.last_out, d.due_at, d.human_until
FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, dialog_id) JOIN dialog d USING (tenant_id, dialog_id)
ORDER BY d.tenant_id, d.dialog_id FOR UPDATE OF d
"""
# Whose chat it is now is asked after its lock was granted: clients are merged and separated under that lock.
_LOCK_WORK: Final = """
SELECT w.tenant_id, w.client_id, w.token, w.superseded, w.lease_until, c.merged_into, k.dialog_id, EXISTS (
    SELECT 1 FROM dialog d JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
    WHERE d.tenant_id = k.tenant_id AND d.dialog_id = k.dialog_id AND i.client_id = k.client_id) AS owned
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k(tenant_id, client_id, dialog_id)
JOIN client_work w USING (tenant_id, client_id) JOIN client c USING (tenant_id, client_id)
ORDER BY w.tenant_id, w.client_id FOR UPDATE OF w
"""
_LOCK_APPEALS: Final = """
SELECT a.tenant_id, a.appeal_id, a.control, a.status, a.version
FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, appeal_id) JOIN appeal a USING (tenant_id, appeal_id)
ORDER BY a.tenant_id, a.appeal_id FOR UPDATE OF a
"""
_RELEASE: Final = """
UPDATE client_work w SET lease_until = NULL, superseded = w.superseded + r.counted, attempts = 0
FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS r(tenant_id, client_id, counted)
WHERE w.tenant_id = r.tenant_id AND w.client_id = r.client_id
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """What the commit found under its locks. `moved`: chats that are their turn's client's no more."""

    dialogs: dict[tuple[UUID, UUID], Any]
    works: dict[tuple[UUID, UUID], Any]
    moved: frozenset[tuple[UUID, UUID]]
    appeals: dict[tuple[UUID, UUID], Any]


class TurnCommitter:
    """Writes outcomes. Called with batches by a Batcher; each outcome gets its own verdict.

    `sends`: the sender of this process, where there is one; it is given the replies it has room for.
    """

    def __init__(self, pool: Pool, clock: Clock, ids: IdFactory, sends: Handoff | None = None) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._sends = sends or Handoff()

    async def commit(self, outcomes: Sequence[TurnOutcome]) -> Sequence[TurnState]:
        """How each turn ended. LOST and SUPERSEDED have had no effect (but for a handover)."""
        verdicts: list[TurnState] = []
        queued: list[Claim] = []
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                verdicts, queued = await self._settle(connection, outcomes)
        except UNAVAILABLE as error:
            if is_cut(error):
                # Perhaps it was committed, and then nobody else may send these until their leases end.
                self._sends.give(queued)
            raise
        self._sends.give(queued)
        for verdict in verdicts:
            METRICS.turns.labels(verdict.value).inc()
        return verdicts

    async def _settle(
        self, connection: Connection, outcomes: Sequence[TurnOutcome]
    ) -> tuple[list[TurnState], list[Claim]]:
        """Write what may take effect; the verdicts, and the replies leased to the sender of this process."""
        locked = await self._lock(connection, outcomes)
        verdicts = [self._judge(outcome, locked) for outcome in outcomes]
        now = self._clock.now()
        kept = [o for o, v in zip(outcomes, verdicts, strict=True) if v in (TurnState.POSTED, TurnState.SILENT)]
        dropped = [o for o, v in zip(outcomes, verdicts, strict=True) if v is TurnState.SUPERSEDED]
        handovers = [o for o in dropped if o.hands_over and not _begins_anew(o, locked)]
        queued = await self._write(connection, [*kept, *handovers], locked, now)
        await self._release(connection, [o for o in dropped if o not in handovers], locked)
        await write_turns.superseded_turns(connection, [o for o in dropped if o not in handovers], now)
        return verdicts, queued

    async def release_idle(self, claims: Sequence[Claim]) -> Sequence[None]:
        """Give back clients that turned out to have nothing due."""
        await write_turns.release_claims(self._pool, [(c.tenant_id, c.key, c.token) for c in claims])
        return [None] * len(claims)

    async def _lock(self, connection: Connection, outcomes: Sequence[TurnOutcome]) -> Locked:
        dialogs = sorted({(o.input.dialog.tenant_id, o.input.dialog.dialog_id) for o in outcomes})
        works = sorted({(o.input.dialog.tenant_id, o.input.client_id, o.input.dialog.dialog_id) for o in outcomes})
        appeals = sorted(
            {
                (o.input.dialog.tenant_id, b.change.appeal_id)
                for o in outcomes
                for b in o.branches
                if b.change is not None and not b.change.new
            }
        )
        found = {(r[0], r[1]): r for r in await connection.fetch(_LOCK_DIALOGS, *columns(dialogs, 2))}
        work = await connection.fetch(_LOCK_WORK, *columns(works, 3))
        return Locked(
            found,
            {(r[0], r[1]): r for r in work},
            frozenset((r["tenant_id"], r["dialog_id"]) for r in work if not r["owned"]),
            {(r[0], r[1]): r for r in await connection.fetch(_LOCK_APPEALS, *columns(appeals, 2))} if appeals else {},
        )

    def _judge(self, outcome: TurnOutcome, locked: Locked) -> TurnState:
        dialog_view = outcome.input.dialog
        work = locked.works.get((dialog_view.tenant_id, outcome.input.client_id))
        dialog = locked.dialogs.get((dialog_view.tenant_id, dialog_view.dialog_id))
        if work is None or dialog is None or work["token"] != outcome.input.claim.token:
            return TurnState.LOST
        if _merged(outcome, locked):
            return TurnState.SUPERSEDED
        if (outcome.speaks or outcome.hands_over) and _settled_by_people(outcome, locked):
            return TurnState.SUPERSEDED
        if dialog["version"] != dialog_view.version and work["superseded"] < MAX_SUPERSEDED:
            return TurnState.SUPERSEDED
        return TurnState.POSTED if outcome.speaks else TurnState.SILENT

    async def _write(
        self, connection: Connection, outcomes: Sequence[TurnOutcome], locked: Locked, now: datetime
    ) -> list[Claim]:
        if not outcomes:
            return []
        await catch_up(connection, outcomes, locked.appeals)
        numbers = await write_appeals.appeal_numbers(connection, outcomes)
        replies = Replies(locked.dialogs, self._ids, now, numbers, self._sends)
        for outcome in outcomes:
            replies.add(outcome)
        events = write_appeals.appeal_events(outcomes, locked.appeals)
        await write_appeals.opt_outs(connection, outcomes)
        writes = Together()
        await write_appeals.appeals(writes, outcomes, numbers, now)
        await write_appeals.facts(writes, outcomes, self._ids, now)
        await write_turns.turns(writes, outcomes, now)
        await write_turns.decisions(writes, outcomes, self._ids, now)
        await write_turns.mark_messages(writes, outcomes)
        await write_appeals.episodes(writes, outcomes, now)
        await watch_handovers(writes, outcomes, self._ids, now)
        await replies.queue(writes)
        await write_turns.dialogs(connection, writes, outcomes, locked.dialogs, replies.spoken)
        write_turns.release_clients(writes, [o for o in outcomes if o.final])
        await append_together(writes, [*events, *replies.events], self._ids, now)
        queued = await writes.send(connection, TAKEN)
        await replies.suggest(connection)
        await write_appeals.episode_ends(connection, outcomes, now)
        _note(outcomes, queued)
        return [Claim(r["tenant_id"], r["outgoing_id"], r["token"], r["attempts"], r) for r in queued]

    async def _release(self, connection: Connection, dropped: Sequence[TurnOutcome], locked: Locked) -> None:
        """Give the clients back; they are due again as their newer messages asked. A merge is not counted."""
        rows = {(o.input.dialog.tenant_id, o.input.client_id): 0 if _merged(o, locked) else 1 for o in dropped}
        if rows:
            await connection.execute(_RELEASE, *columns([(*k, n) for k, n in sorted(rows.items())], 3))


def _note(outcomes: Sequence[TurnOutcome], queued: Sequence[Any]) -> None:
    taken = {row["dialog_id"] for row in queued}
    for outcome in outcomes:
        outcome.taken = outcome.input.dialog.dialog_id in taken
        for branch in outcome.branches:
            METRICS.actions.labels(branch.plan.action.value, branch.plan.reason).inc()


def _begins_anew(outcome: TurnOutcome, locked: Locked) -> bool:
    """Is the turn's handover to be decided once more, because of what people did meanwhile?

    Elsewhere a handover is never discarded; but in the hands of a person it has arrived, and in a closed appeal or in
    another client's name nobody would see it.
    """
    return _merged(outcome, locked) or _settled_by_people(outcome, locked)


def _settled_by_people(outcome: TurnOutcome, locked: Locked) -> bool:
    """Did a person take the chat or an appeal, or close what was to be handed over, while the turn was thinking?"""
    view = outcome.input.dialog
    talks = locked.dialogs[view.tenant_id, view.dialog_id]["human_until"]
    return (talks is not None and talks != view.human_until) or any(
        _settled(branch, row)
        for branch in outcome.branches
        if branch.change is not None
        and (row := locked.appeals.get((view.tenant_id, branch.change.appeal_id))) is not None
    )


def _settled(branch: Branch, row: Any) -> bool:
    before = branch.change.before if branch.change is not None else None
    if before is None:
        return False
    taken = row["control"] not in (before.control, Control.BOT)
    closed = before.closed_at is None and row["status"] in write_appeals.CLOSED
    return taken or (closed and branch.plan.handover is not None)


def _merged(outcome: TurnOutcome, locked: Locked) -> bool:
    """Is the client another's now, or the chat another client's (a merge that was taken back)?"""
    if (outcome.input.dialog.tenant_id, outcome.input.dialog.dialog_id) in locked.moved:
        return True
    work = locked.works.get((outcome.input.dialog.tenant_id, outcome.input.client_id))
    return work is not None and work["merged_into"] is not None

"""Committing replies: queued under the dialog's lock, or kept as suggestions for the operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import Event, SuggestionMade
from battcrm.infra.handoff import Handoff
from battcrm.infra.postgres import Connection, columns
from battcrm.infra.together import Together
from battcrm.infra.tracing import TRACING
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.kit.text import dumps
from battcrm.models.outgoing import OutButton
from battcrm.models.situation import Action, Draft, read_chip
from battcrm.pipeline import traced
from battcrm.pipeline.settings import DialogSettings
from battcrm.pipeline.turn_types import Branch, TurnOutcome

# What was queued before is not said again, and leaves no message. Where a sender of this process has room, the first reply
# of a chat in which nothing waits is leased to it as a claim would do it.
_QUEUE: Final = """
INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, turn_id, covered_seq, part, author,
                      state, payload, message_id, due_at, expires_at, created_at, lease_until, token, attempts)
SELECT tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, turn_id, covered_seq, part, 'bot', 'pending',
       payload, message_id, $14, expires_at, $14, CASE WHEN held THEN $15::timestamptz END, held::int, held::int
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::uuid[], $8::bigint[],
  $9::smallint[], $10::jsonb[], $11::uuid[], $12::timestamptz[], $13::bool[])
  AS o(tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, turn_id, covered_seq, part, payload, message_id,
       expires_at, free)
CROSS JOIN LATERAL (SELECT o.free AND NOT EXISTS (
  SELECT 1 FROM outgoing b WHERE b.tenant_id = o.tenant_id AND b.dialog_id = o.dialog_id
  AND b.state IN ('pending', 'sending')) AS held) h
ON CONFLICT (tenant_id, dialog_id, covered_seq, part) WHERE author = 'bot' AND covered_seq IS NOT NULL DO NOTHING
RETURNING *
"""
TAKEN: Final = "SELECT * FROM queued WHERE lease_until IS NOT NULL /* tenant_id: of the turns */"
_SAY: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, content, state,
                     appeal_id, outgoing_id, received_at)
SELECT tenant_id, message_id, dialog_id, identity_id, seq, 'out', 'bot', 'message', text, content, 'pending', appeal_id,
       outgoing_id, $10
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::jsonb[], $8::uuid[],
  $9::uuid[])
  AS m(tenant_id, message_id, dialog_id, identity_id, seq, text, content, appeal_id, outgoing_id)
WHERE outgoing_id IN (SELECT queued.outgoing_id FROM queued)
"""
_SUGGEST: Final = """
INSERT INTO suggestion (tenant_id, suggestion_id, appeal_id, dialog_id, turn_id, drafts, effect, state, created_at)
SELECT tenant_id, suggestion_id, appeal_id, dialog_id, turn_id, drafts::jsonb, effect, 'open', $8
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::jsonb[])
  AS s(tenant_id, suggestion_id, appeal_id, dialog_id, turn_id, drafts, effect)
"""
# A newer draft knows more: the older ones of the chat are not to be said any more.
_OUTDATE: Final = """
UPDATE suggestion s SET state = 'outdated', decided_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, dialog_id)
WHERE s.tenant_id = k.tenant_id AND s.dialog_id = k.dialog_id AND s.state = 'open'
"""


class Replies:
    """Collects the rows of a batch of turns. A turn's rows are unique on (dialog, covered up to, part)."""

    def __init__(
        self,
        locked: Mapping[tuple[UUID, UUID], Any],
        ids: IdFactory,
        now: datetime,
        numbers: Mapping[UUID, int],
        sends: Handoff,
    ) -> None:
        self._locked = locked
        self._sends = sends
        self._offer = sends.offer()
        self._numbers = numbers
        self._ids = ids
        self._now = now
        self._queued: list[tuple[Any, ...]] = []
        self._said: list[tuple[Any, ...]] = []
        self._suggestions: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        self.spoken: Counter[UUID] = Counter()

    def add(self, outcome: TurnOutcome) -> None:
        """Take over what a turn wants to say."""
        for branch in outcome.branches:
            if branch.plan.action is Action.SUGGEST:
                self._suggest(outcome, branch)
                continue
            for draft in branch.drafts:
                self._say(outcome, branch, draft)

    async def queue(self, writes: Together) -> None:
        """Put the replies and their messages among the statements of the commit."""
        writes.part("queued", _QUEUE, *columns(self._queued, 13), self._now, self._sends.until(self._now))
        await writes.execute(_SAY, *columns(self._said, 9), self._now)

    async def suggest(self, connection: Connection) -> None:
        """Insert the drafts for operators; after their appeals."""
        if self._suggestions:
            chats = sorted({(row[0], row[3]) for row in self._suggestions})
            await connection.execute(_OUTDATE, *columns(chats, 2), self._now)
            await connection.execute(_SUGGEST, *columns(self._suggestions, 7), self._now)

    def _suggest(self, outcome: TurnOutcome, branch: Branch) -> None:
        view = outcome.input.dialog
        appeal_id = branch.change.appeal_id if branch.change else None
        suggestion_id = self._ids.new()
        drafts = dumps(
            [{"text": d.text, "buttons": buttons_json(self._addressed(branch, d))} for d in branch.drafts]
        ).decode()
        effect = _effect(branch)
        self._suggestions.append(
            (view.tenant_id, suggestion_id, appeal_id, view.dialog_id, outcome.turn_id, drafts, effect)
        )
        self.events.append(
            SuggestionMade(view.tenant_id, outcome.input.client_id, appeal_id, view.dialog_id, suggestion_id)
        )

    def _addressed(self, branch: Branch, draft: Draft) -> tuple[tuple[OutButton, ...], ...]:
        """Chips carry their appeal's number, which a new appeal has only now: else a press could mean another one."""
        number = self._numbers.get(branch.change.appeal_id, 0) if branch.change else 0
        return tuple(tuple(_with_number(button, number) for button in row) for row in draft.buttons)

    def _say(self, outcome: TurnOutcome, branch: Branch, draft: Draft) -> None:
        view = outcome.input.dialog
        locked = self._locked[view.tenant_id, view.dialog_id]
        part = self.spoken[view.dialog_id]
        self.spoken[view.dialog_id] += 1
        outgoing_id, message_id = self._ids.new(), self._ids.new()
        buttons = buttons_json(self._addressed(branch, draft))
        limit = outcome.input.tenancy.config.section(DialogSettings).reply_expires
        appeal_id = branch.change.appeal_id if branch.change else None
        self._queued.append(
            (
                view.tenant_id,
                outgoing_id,
                bucket_of(view.tenant_id),
                view.dialog_id,
                view.channel_id,
                locked["last_out"] + part + 1,
                outcome.turn_id,
                view.last_seq,
                part,
                _payload(outcome, draft.text, buttons),
                message_id,
                self._now + timedelta(seconds=limit),
                part == 0 and self._offer.accepts(view.channel_id),
            )
        )
        self._said.append(
            (
                view.tenant_id,
                message_id,
                view.dialog_id,
                view.identity_id,
                locked["last_seq"] + part + 1,
                draft.text,
                _content(draft, buttons),
                appeal_id,
                outgoing_id,
            )
        )


def _content(draft: Draft, buttons: list[list[dict[str, Any]]]) -> dict[str, Any]:
    content: dict[str, Any] = {"buttons": buttons} if buttons else {}
    return content if draft.plain is None else {**content, "plain": draft.plain}


def _effect(branch: Branch) -> dict[str, Any]:
    """What saying a draft does to its appeal: a price, in kopecks, that the appeal was quoted."""
    said = branch.plan.variables
    return {"low": said["low"], "high": said["high"]} if branch.plan.template == "quote" else {}


def _with_number(button: OutButton, number: int) -> OutButton:
    chip = read_chip(button.payload)
    if chip is None or chip.number or not number:
        return button
    return replace(button, payload=replace(chip, number=number).encode())


def _payload(outcome: TurnOutcome, text: str, buttons: list[list[dict[str, Any]]]) -> dict[str, Any]:
    view = outcome.input.dialog
    payload: dict[str, Any] = {"chat": view.chat, "text": text, "buttons": buttons}
    pressed = [m.ack_ref for m in outcome.input.messages if m.fresh and m.ack_ref]
    if pressed:
        payload["acknowledge"] = pressed
    if view.window_expires_at is not None:
        payload["context"] = {"window_expires_at": view.window_expires_at.isoformat()}
    if TRACING.on:
        payload["trace"] = list(traced.traces_of(outcome.input))
    return payload


def buttons_json(rows: Sequence[Sequence[OutButton]]) -> list[list[dict[str, Any]]]:
    """Buttons as they are kept in an outgoing row."""
    return [[{"title": b.title, "payload": b.payload, "kind": b.kind, "url": b.url} for b in row] for row in rows]

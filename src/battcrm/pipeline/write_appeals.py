"""Committing what turns did to appeals: each statement for many turns at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import (
    AppealControlChanged,
    AppealCreated,
    AppealStageChanged,
    AppealUpdated,
    AttentionAsked,
    Event,
    HandoverRequested,
)
from battcrm.infra.postgres import Connection, columns
from battcrm.infra.together import Executes
from battcrm.kit.ids import IdFactory
from battcrm.models.facts import Fact, Hypothesis
from battcrm.models.situation import VIP_FLAG, Action, AppealStatus, Control
from battcrm.pipeline.knowledge import changed_facts, to_json
from battcrm.pipeline.outcomes import end_by_bot, take_back
from battcrm.pipeline.turn_types import AppealChange, Branch, TurnOutcome

CLOSED: Final = frozenset({AppealStatus.DONE, AppealStatus.LOST, AppealStatus.SPAM})

_NUMBERS: Final = """
INSERT INTO tenant_counter AS c (tenant_id, name, value)
SELECT tenant_id, 'appeal', n FROM unnest($1::uuid[], $2::bigint[]) AS k(tenant_id, n) ORDER BY tenant_id
ON CONFLICT (tenant_id, name) DO UPDATE SET value = c.value + excluded.value
RETURNING tenant_id, value
"""
_NEW_APPEALS: Final = """
INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, appeal_type, brand,
  model, device_class, repair_types, part_owner, known, asked, expecting, options, misunderstood, quoted_low,
  quoted_high, parent_id, handover, opened_at, touched_at, closed_at)
SELECT tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, appeal_type, brand, model,
  device_class, string_to_array(repair_types, E'\\x1f'), part_owner, known,
  string_to_array(asked, E'\\x1f'), expecting, string_to_array(options, E'\\x1f'),
  misunderstood, quoted_low, quoted_high, parent_id, handover, $24::timestamptz, $24, CASE WHEN closed THEN $24 END
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[], $16::text[], $17::text[],
  $18::text[], $19::smallint[], $20::bigint[], $21::bigint[], $22::uuid[], $23::jsonb[], $25::bool[])
  AS a(tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, appeal_type, brand, model,
  device_class, repair_types, part_owner, known, asked, expecting, options, misunderstood, quoted_low, quoted_high,
  parent_id, handover, closed)
"""
_CHANGED_APPEALS: Final = """
UPDATE appeal a SET dialog_id = n.dialog_id, episode_id = n.episode_id, status = n.status, control = n.control,
  appeal_type = n.appeal_type, brand = n.brand, model = n.model, device_class = n.device_class,
  repair_types = string_to_array(n.repair_types, E'\\x1f'), part_owner = n.part_owner, known = n.known,
  asked = string_to_array(n.asked, E'\\x1f'), expecting = n.expecting,
  options = string_to_array(n.options, E'\\x1f'), misunderstood = n.misunderstood,
  quoted_low = coalesce(n.quoted_low, a.quoted_low), quoted_high = coalesce(n.quoted_high, a.quoted_high),
  handover = CASE WHEN n.handover = '{}'::jsonb THEN a.handover ELSE n.handover END,
  touched_at = $24::timestamptz, closed_at = CASE WHEN n.closed THEN coalesce(a.closed_at, $24) END, version = a.version + 1
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[], $16::text[], $17::text[],
  $18::text[], $19::smallint[], $20::bigint[], $21::bigint[], $22::uuid[], $23::jsonb[], $25::bool[])
  AS n(tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, appeal_type, brand, model,
  device_class, repair_types, part_owner, known, asked, expecting, options, misunderstood, quoted_low, quoted_high,
  parent_id, handover, closed)
WHERE a.tenant_id = n.tenant_id AND a.appeal_id = n.appeal_id
"""
# A turn in an episode that had ended by itself (the client was away) takes that back, until it is durable.
_EPISODES: Final = """
INSERT INTO episode AS e (tenant_id, episode_id, appeal_id, started_as, started_at, first_answer_at, first_answer_by,
                          handed_at, reasons, turns, cost_microrub)
SELECT tenant_id, episode_id, appeal_id, started_as, $8::timestamptz, CASE WHEN answered THEN $8 END,
  CASE WHEN answered THEN 'bot' END, CASE WHEN reason IS NOT NULL THEN $8 END,
  CASE WHEN reason IS NOT NULL THEN ARRAY[reason] ELSE '{}' END, 1, cost
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::bigint[], $7::text[])
  AS n(tenant_id, episode_id, appeal_id, started_as, answered, cost, reason)
ON CONFLICT (tenant_id, episode_id) DO UPDATE SET turns = e.turns + 1,
  first_answer_at = coalesce(e.first_answer_at, excluded.first_answer_at),
  first_answer_by = coalesce(e.first_answer_by, excluded.first_answer_by),
  handed_at = coalesce(e.handed_at, excluded.handed_at),
  reasons = CASE WHEN e.reasons @> excluded.reasons THEN e.reasons ELSE e.reasons || excluded.reasons END,
  ended_at = CASE WHEN e.durable_at IS NOT NULL THEN e.ended_at END,
  outcome = CASE WHEN e.durable_at IS NOT NULL THEN e.outcome END,
  cost_microrub = e.cost_microrub + excluded.cost_microrub
"""
_FACTS: Final = """
INSERT INTO fact (tenant_id, fact_id, appeal_id, turn_id, field, value, confidence, method, source, message_id,
                  span_start, span_end, created_at)
SELECT *, $13 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::float8[],
  $8::text[], $9::text[], $10::uuid[], $11::int[], $12::int[])
"""
_CONTACT: Final = """
UPDATE client c SET do_not_contact = true, version = c.version + 1 FROM unnest($1::uuid[], $2::uuid[])
  AS n(tenant_id, client_id) WHERE c.tenant_id = n.tenant_id AND c.client_id = n.client_id AND NOT c.do_not_contact
"""


def _changes(outcomes: Sequence[TurnOutcome]) -> list[tuple[TurnOutcome, Branch, AppealChange]]:
    """One change for each appeal: the last branch about an appeal has the last word."""
    found: dict[tuple[UUID, UUID], tuple[TurnOutcome, Branch, AppealChange]] = {}
    for outcome in outcomes:
        for branch in outcome.branches:
            if branch.change is not None:
                found[outcome.input.dialog.tenant_id, branch.change.appeal_id] = (outcome, branch, branch.change)
    return list(found.values())


async def appeal_numbers(connection: Connection, outcomes: Sequence[TurnOutcome]) -> dict[UUID, int]:
    """Human numbers for the new appeals, per tenant without gaps."""
    new = [(o.input.dialog.tenant_id, c.appeal_id) for o, _, c in _changes(outcomes) if c.new]
    counts = Counter(tenant for tenant, _ in new)
    if not counts:
        return {}
    rows = await connection.fetch(_NUMBERS, *columns(sorted(counts.items()), 2))
    following = {row[0]: row[1] - counts[row[0]] for row in rows}
    numbers: dict[UUID, int] = {}
    for tenant, appeal_id in new:
        following[tenant] += 1
        numbers[appeal_id] = following[tenant]
    return numbers


async def appeals(writes: Executes, outcomes: Sequence[TurnOutcome], numbers: dict[UUID, int], now: datetime) -> None:
    """Insert new appeals and write changed ones."""
    rows = [(c.new, _appeal_row(o, c, numbers.get(c.appeal_id, 0))) for o, _, c in _changes(outcomes)]
    for new, sql in ((True, _NEW_APPEALS), (False, _CHANGED_APPEALS)):
        *head, closed = columns([row for is_new, row in rows if is_new is new], 24)
        await writes.execute(sql, *head, now, closed)


async def opt_outs(connection: Connection, outcomes: Sequence[TurnOutcome]) -> None:
    """Note who asked not to be written to any more."""
    opted_out = sorted(
        {(o.input.dialog.tenant_id, o.input.client_id) for o in outcomes for b in o.branches if b.plan.do_not_contact}
    )
    if opted_out:
        await connection.execute(_CONTACT, *columns(opted_out, 2))


def _appeal_row(outcome: TurnOutcome, change: AppealChange, number: int) -> tuple[Any, ...]:
    known = change.known
    low, high = change.quoted or (None, None)
    return (
        outcome.input.dialog.tenant_id,
        change.appeal_id,
        outcome.input.client_id,
        outcome.input.dialog.dialog_id,
        change.episode_id,
        number,
        change.status.value,
        change.control.value,
        known.appeal_type.value if known.appeal_type else None,
        known.brand.value if known.brand else None,
        known.model.value if known.model else None,
        known.device_class,
        _joined(f.value for f in known.repair_types),
        known.part_owner.value if known.part_owner else None,
        to_json(known),
        _joined(change.asked),
        change.expecting,
        _joined(change.options),
        change.misunderstood,
        low,
        high,
        change.parent_id,
        change.handover,
        change.status in CLOSED,
    )


def _joined(values: Iterable[str]) -> str:
    """A list inside an array parameter: the driver takes nested lists for a second dimension."""
    return "\x1f".join(values)


def appeal_events(outcomes: Sequence[TurnOutcome], locked: dict[tuple[UUID, UUID], Any]) -> list[Event]:
    """What happened to appeals, in the order in which consumers need it."""
    events: list[Event] = []
    for outcome, branch, change in _changes(outcomes):
        row = locked.get((outcome.input.dialog.tenant_id, change.appeal_id))
        events += _events_of(outcome, branch, change, 1 if row is None else row["version"] + 1)
    return events


def _events_of(outcome: TurnOutcome, branch: Branch, change: AppealChange, version: int) -> Iterator[Event]:
    tenant, client, appeal = outcome.input.dialog.tenant_id, outcome.input.client_id, change.appeal_id
    before = change.before
    if before is None:
        yield AppealCreated(tenant, client, appeal, version)
    elif changed_facts(before.known, change.known):
        yield AppealUpdated(tenant, client, appeal, version)
    stage = before.status.value if before else AppealStatus.NEW.value
    if stage != change.status.value:
        yield AppealStageChanged(tenant, client, appeal, version, stage, change.status.value)
    control = before.control.value if before else Control.BOT.value
    if control != change.control.value:
        yield AppealControlChanged(tenant, client, appeal, version, control, change.control.value, branch.plan.reason)
    handover = branch.plan.handover
    if handover is not None:
        yield HandoverRequested(
            tenant, client, appeal, outcome.input.dialog.dialog_id, outcome.turn_id, handover.reason
        )
    elif VIP_FLAG in branch.plan.flags and (before is None or change.reopened_as is not None):
        yield AttentionAsked(tenant, client, appeal, outcome.input.dialog.dialog_id, outcome.turn_id, VIP_FLAG)


async def episodes(writes: Executes, outcomes: Sequence[TurnOutcome], now: datetime) -> None:
    """Open or continue the episodes."""
    rows = []
    for outcome, branch, change in _changes(outcomes):
        tenant = outcome.input.dialog.tenant_id
        answered = bool(branch.drafts) and branch.plan.action is not Action.SUGGEST
        reason = branch.plan.handover.reason if branch.plan.handover else None
        keys = (tenant, change.episode_id, change.appeal_id)
        rows.append((*keys, change.reopened_as or "new", answered, outcome.cost_microrub, reason))
    await writes.execute(_EPISODES, *columns(rows, 7), now)


async def episode_ends(connection: Connection, outcomes: Sequence[TurnOutcome], now: datetime) -> None:
    """End the episodes of closed appeals, take back what reopened ones had come to."""
    ended, reopened = [], []
    for outcome, _, change in _changes(outcomes):
        tenant = outcome.input.dialog.tenant_id
        if change.reopened_as is not None:
            reopened.append((tenant, change.appeal_id, change.episode_id))
        if change.status in CLOSED:
            ended.append((tenant, change.episode_id))
    if reopened:
        await take_back(connection, reopened, now)
    if ended:
        await end_by_bot(connection, ended, now)


async def facts(writes: Executes, outcomes: Sequence[TurnOutcome], ids: IdFactory, now: datetime) -> None:
    """Append the facts the turns established, with the words they came from."""
    rows: list[tuple[Any, ...]] = []
    for outcome, _, change in _changes(outcomes):
        before = change.before.known if change.before else Hypothesis()
        for name, fact in changed_facts(before, change.known):
            rows.append(_fact_row(outcome, change, ids.new(), name, fact))
    await writes.execute(_FACTS, *columns(rows, 12), now)


def _fact_row(outcome: TurnOutcome, change: AppealChange, fact_id: UUID, name: str, fact: Fact) -> tuple[Any, ...]:
    fresh = [m for m in outcome.input.messages if m.fresh and m.kind != "reaction"]
    span = fact.spans[0] if fact.spans else None
    source = fresh[span.message].message_id if span and span.message < len(fresh) else None
    return (
        outcome.input.dialog.tenant_id,
        fact_id,
        change.appeal_id,
        outcome.turn_id,
        name,
        fact.value,
        fact.confidence,
        fact.method.value,
        fact.source,
        source,
        span.start if span else None,
        span.end if span else None,
    )

"""What became of every message (PROTOCOL K), from the generator's and the emulator's logs; tables only join them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.devkit.bench.plan import Call
from battcrm.devkit.bench.seed import Shop
from battcrm.infra.postgres import Pool

Chat = tuple[str, str]  # bot id, chat id

_MESSAGES: Final = """
SELECT ch.account_ref AS bot, d.external_chat_id AS chat, m.external_id AS message, m.dialog_id, m.seq, m.received_at
FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE m.direction = 'in'
"""
_TURNS: Final = """
SELECT dialog_id, turn_id, state, from_seq, to_seq, started_at, finished_at, timings FROM turn
WHERE tenant_id IS NOT NULL AND state IN ('posted', 'silent') ORDER BY to_seq
"""
_OUTGOING: Final = """
SELECT o.turn_id, o.dialog_id, o.seq, o.covered_seq, o.part, o.state, o.sending_at, ch.account_ref AS bot,
       d.external_chat_id AS chat, m.external_id AS message, o.payload->>'text' AS text
FROM outgoing o JOIN dialog d ON d.tenant_id = o.tenant_id AND d.dialog_id = o.dialog_id
JOIN channel ch ON ch.tenant_id = o.tenant_id AND ch.channel_id = o.channel_id
JOIN message m ON m.tenant_id = o.tenant_id AND m.message_id = o.message_id
WHERE o.tenant_id IS NOT NULL ORDER BY o.seq
"""
_WAITING: Final = """
SELECT ch.account_ref AS bot, i.payload FROM inbox i
JOIN channel ch ON ch.tenant_id = i.tenant_id AND ch.channel_id = i.channel_id
"""
# What the product did by itself: turns that ended, words it said, drafts it made; each owes a decision record.
_DECISIONS: Final = """
WITH action AS (
  SELECT tenant_id, turn_id, dialog_id, finished_at AS at FROM turn
  WHERE tenant_id IS NOT NULL AND state IN ('posted', 'silent')
  UNION ALL
  SELECT tenant_id, turn_id, dialog_id, created_at FROM outgoing WHERE tenant_id IS NOT NULL AND author <> 'operator'
  UNION ALL
  SELECT tenant_id, turn_id, dialog_id, created_at FROM suggestion WHERE tenant_id IS NOT NULL
)
SELECT count(*) AS actions, count(*) FILTER (WHERE NOT CASE
  WHEN a.turn_id IS NOT NULL THEN EXISTS (
    SELECT 1 FROM decision d WHERE d.tenant_id = a.tenant_id AND d.turn_id = a.turn_id)
  ELSE EXISTS (  -- what another layer asked for has no turn; its decision is made with it
    SELECT 1 FROM decision d WHERE d.tenant_id = a.tenant_id AND d.dialog_id = a.dialog_id AND d.created_at = a.at)
  END) AS without_record
FROM action a
"""


@dataclass(slots=True)
class Verdict:
    """The counts of a run, and the latencies of its covered messages in milliseconds."""

    sent: int = 0
    accepted: int = 0
    covered: int = 0
    silent: int = 0
    replied: int = 0
    lost: int = 0
    duplicated: int = 0
    unknown: int = 0
    waiting: int = 0
    refused: int = 0
    llm_calls: int = 0
    llm_turns: int = 0
    turns: int = 0
    ack_ms: list[float] = field(default_factory=list)
    own_since: list[tuple[float, float]] = field(default_factory=list)
    """When each message was due, in seconds of the generator's clock, and its own time."""
    end_to_end_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost_examples: list[str] = field(default_factory=list)

    @property
    def own_ms(self) -> list[float]:
        """The own time of each message."""
        return [value for _, value in self.own_since]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the verdict is made from."""

    calls: Sequence[Call]
    shops: Sequence[Shop]
    sent_log: Sequence[Sequence[float | int]]
    received: Mapping[Chat, Sequence[Mapping[str, Any]]]
    messages: Sequence[Any]
    turns: Sequence[Any]
    outgoing: Sequence[Any]


async def read_tables(pool: Pool) -> tuple[list[Any], list[Any], list[Any]]:
    """Messages, turns and outgoing rows of the run."""
    return (await pool.fetch(_MESSAGES), await pool.fetch(_TURNS), await pool.fetch(_OUTGOING))


async def decisions(pool: Pool) -> dict[str, int]:
    """How many automatic actions there were, and how many of them nobody can explain."""
    row = await pool.fetchrow(_DECISIONS)
    return {"actions": row["actions"], "without_record": row["without_record"]} if row is not None else {}


def judge(evidence: Evidence) -> Verdict:
    """Count and measure."""
    verdict = Verdict()
    sent_at = _deliveries(evidence, verdict)
    offset = time.time() - time.monotonic()
    stored = {(m["bot"], m["chat"], m["message"]): m for m in evidence.messages}
    turns_of: dict[Any, list[Any]] = defaultdict(list)
    for turn in evidence.turns:
        turns_of[turn["dialog_id"]].append(turn)
    replies = _replies(evidence, verdict)
    for key, scheduled in sent_at.items():
        row = stored.get(key)
        turn = None if row is None else _covering(turns_of[row["dialog_id"]], row["seq"])
        if row is None or turn is None:
            verdict.lost += 1
            if len(verdict.lost_examples) < 5:
                verdict.lost_examples.append(f"{key}: {'not stored' if row is None else 'not covered'}")
            continue
        verdict.covered += 1
        _measure(verdict, scheduled, row, turn, replies.get(turn["turn_id"]), offset)
    verdict.turns = len(evidence.turns)
    verdict.llm_turns = sum(1 for t in evidence.turns if t["timings"].get("model_ms"))
    return verdict


def _deliveries(evidence: Evidence, verdict: Verdict) -> dict[tuple[str, str, str], float]:
    """First accepted delivery of each message, with the moment it was due."""
    first: dict[tuple[str, str, str], float] = {}
    refused: set[int] = set()
    for index, scheduled, sent, answered, status in evidence.sent_log:
        call = evidence.calls[int(index)]
        if not 200 <= status < 300:
            refused.add(int(index))
            continue
        refused.discard(int(index))
        verdict.ack_ms.append((answered - sent) * 1000)
        key = (str(evidence.shops[call.tenant].bot_id), str(call.chat), str(call.message))
        first[key] = min(first.get(key, scheduled), scheduled)
    verdict.sent = len({call.key for call in evidence.calls})
    verdict.accepted = len(first)
    verdict.refused = len(refused)
    return first


def _replies(evidence: Evidence, verdict: Verdict) -> dict[Any, tuple[Any, float | None]]:
    """By turn: its first outgoing row and when the messenger received it. Counts what was received twice or not at all."""
    by_chat: dict[Chat, list[Any]] = defaultdict(list)
    for row in evidence.outgoing:
        by_chat[row["bot"], row["chat"]].append(row)
    found: dict[Any, tuple[Any, float | None]] = {}
    for chat, rows in by_chat.items():
        shown = _shown(rows, evidence.received.get(chat, ()), verdict)
        for row in rows:
            verdict.unknown += row["state"] == "unknown"
            verdict.waiting += row["state"] in ("pending", "sending")
            item = shown.get((row["turn_id"], row["part"]))
            if row["turn_id"] not in found or (found[row["turn_id"]][1] is None and item is not None):
                found[row["turn_id"]] = (row, None if item is None else item["at"])
    return found


def _shown(
    rows: Sequence[Any], received: Sequence[Mapping[str, Any]], verdict: Verdict
) -> dict[Any, Mapping[str, Any]]:
    """By (turn, part): what the messenger showed for it. One lost and one doubled in a chat are one of each.

    A row that counts as sent names the messenger's id of its message. One in doubt may have been shown, with its words.
    """
    left = {str(item["message_id"]): item for item in received}
    shown: dict[Any, Mapping[str, Any]] = {}
    for row in rows:
        if row["state"] == "sent":
            item = left.pop(str(row["message"]), None)
            if item is None:
                verdict.lost += 1
            else:
                shown[row["turn_id"], row["part"]] = item
    doubtful = [row for row in rows if row["state"] in ("unknown", "sending")]
    for item in left.values():
        row = next((row for row in doubtful if row["text"] == item["text"]), None)
        if row is None:
            verdict.duplicated += 1
        else:
            doubtful.remove(row)
            shown[row["turn_id"], row["part"]] = item
    return shown


def _covering(turns: Sequence[Any], seq: int) -> Any | None:
    return next((turn for turn in turns if turn["from_seq"] < seq <= turn["to_seq"]), None)


def _measure(
    verdict: Verdict, scheduled: float, row: Any, turn: Any, reply: tuple[Any, float | None] | None, offset: float
) -> None:
    if turn["state"] == "silent" or reply is None:
        verdict.silent += 1
        return
    out, at = reply
    if at is None:
        return
    verdict.replied += 1
    total = (at - scheduled) * 1000
    model = turn["timings"].get("provider_ms") or turn["timings"].get("model_ms", 0.0)
    verdict.end_to_end_ms.append(total)
    verdict.own_since.append((scheduled, max(0.0, total - model)))
    marks = [
        ("door", scheduled + offset, row["received_at"].timestamp()),
        ("queue", row["received_at"].timestamp(), turn["started_at"].timestamp()),
        ("turn", turn["started_at"].timestamp() + model / 1000, turn["finished_at"].timestamp()),
    ]
    if out["sending_at"] is not None:
        marks.append(("outgoing", turn["finished_at"].timestamp(), out["sending_at"].timestamp()))
        marks.append(("send", out["sending_at"].timestamp(), at + offset))
    for name, begin, end in marks:
        verdict.stages_ms[name].append(max(0.0, (end - begin) * 1000))


def by_second(since: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    """p50 and p95 of the messages that were due in each second of the load. What comes in bursts shows here first."""
    if not since:
        return []
    begin = min(moment for moment, _ in since)
    seconds: dict[int, list[float]] = defaultdict(list)
    for moment, value in since:
        seconds[int(moment - begin)].append(value)
    found = (percentiles(seconds[number]) for number in range(max(seconds) + 1))
    return [{"p50": one["p50"], "p95": one["p95"]} for one in found]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max, rounded to a hundredth; zeros for no values."""
    if not values:
        return {"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 2)}

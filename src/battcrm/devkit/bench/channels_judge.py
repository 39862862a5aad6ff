"""What became of every message of a run over all channels (PROTOCOL K), from the people's and the platforms' own logs.

Unlike the load test's verdict this one takes each send apart: errors are scripted, so an `unknown` must have a cause.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.devkit.bench.channels_chaos import LOST, REFUSED
from battcrm.infra.postgres import Pool

Row = Mapping[str, Any]
Key = tuple[str, str]  # kind, chat: a person of a run has one chat

_STORED: Final = """
SELECT ch.kind, d.external_chat_id AS chat, m.external_id AS message, m.dialog_id, m.seq, m.received_at
FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE m.direction = 'in'
"""
_TURNS: Final = """
SELECT dialog_id, turn_id, state, from_seq, to_seq, timings, started_at, finished_at FROM turn
WHERE tenant_id IS NOT NULL AND state IN ('posted', 'silent') ORDER BY to_seq
"""
_OUTGOING: Final = """
SELECT o.turn_id, o.state, o.error_code, o.sending_at, ch.kind, d.external_chat_id AS chat, o.payload->>'text' AS text,
       CASE WHEN ch.kind = 'webchat' THEN m.seq::text ELSE m.external_id END AS message_id
FROM outgoing o JOIN dialog d ON d.tenant_id = o.tenant_id AND d.dialog_id = o.dialog_id
JOIN channel ch ON ch.tenant_id = o.tenant_id AND ch.channel_id = o.channel_id
JOIN message m ON m.tenant_id = o.tenant_id AND m.message_id = o.message_id
WHERE o.tenant_id IS NOT NULL ORDER BY o.seq
"""
# A send that was marked before a platform went away may have been on its way when it did, on a busy machine for long.
_CUT: Final = (-25.0, 5.0)
_ALIKE: Final = 40


@dataclass(slots=True)
class Channel:
    """The counts of one kind of channel, and how long its replies took (own time in milliseconds, by when it was asked)."""

    sent: int = 0
    covered: int = 0
    silent: int = 0
    replied: int = 0
    lost: int = 0
    duplicated: int = 0
    unknown: int = 0
    waiting: int = 0
    own_ms: list[tuple[float, float]] = field(default_factory=list)
    end_to_end_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """What happened, channel by channel. `causes` tells where each `unknown` came from; `unexplained` must be 0."""

    channels: dict[str, Channel] = field(default_factory=lambda: defaultdict(Channel))
    causes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    turns: int = 0
    llm_turns: int = 0

    def total(self, name: str) -> int:
        """A count over all channels."""
        return sum(getattr(channel, name) for channel in self.channels.values())

    def blame(self, count: str, kind: str, chat: str, why: str) -> None:
        """One more of `lost` or `duplicated`, with an example kept."""
        channel = self.channels[kind]
        setattr(channel, count, getattr(channel, count) + 1)
        if len(self.examples) < 20:
            self.examples.append(f"{count} {kind} {chat}: {why}")


@dataclass(frozen=True, slots=True)
class Tables:
    """What our side says."""

    stored: Sequence[Row]
    turns: Sequence[Row]
    outgoing: Sequence[Row]


async def read_tables(pool: Pool) -> Tables:
    """Messages, turns and outgoing rows of the run."""
    stored, turns, outgoing = [[dict(row) for row in await pool.fetch(sql)] for sql in (_STORED, _TURNS, _OUTGOING)]
    return Tables(stored, turns, outgoing)


def judge(evidence: Row, tables: Tables) -> Verdict:
    """Count and measure. `evidence` is what channels_platforms wrote."""
    verdict = Verdict()
    arrived = _sends(evidence, tables, verdict)
    stored: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in tables.stored:
        stored[row["kind"], row["chat"], row["message"]].append(row)
    turns: dict[Any, list[Row]] = defaultdict(list)
    for turn in tables.turns:
        turns[turn["dialog_id"]].append(turn)
    for said in evidence["said"]:
        rows = stored.get((said["kind"], said["chat"], said["message"]), [])
        _message(verdict, said, rows, turns, arrived)
    verdict.turns = len(tables.turns)
    verdict.llm_turns = sum(1 for turn in tables.turns if turn["timings"].get("model_ms"))
    return verdict


def _message(
    verdict: Verdict,
    said: Row,
    rows: Sequence[Row],
    turns: Mapping[Any, Sequence[Row]],
    arrived: Mapping[Any, float | None],
) -> None:
    """One thing a person wrote: stored once, covered by a turn, answered when."""
    kind, chat = said["kind"], said["chat"]
    channel = verdict.channels[kind]
    channel.sent += 1
    if len(rows) > 1:
        verdict.blame("duplicated", kind, chat, f"{said['message']} was stored {len(rows)} times")
    covering = [t for r in rows[:1] for t in turns[r["dialog_id"]] if t["from_seq"] < r["seq"] <= t["to_seq"]]
    if not covering:
        verdict.blame("lost", kind, chat, f"{said['message']} was {'not covered' if rows else 'not stored'}")
        return
    turn = covering[0]
    channel.covered += 1
    if turn["turn_id"] not in arrived:
        channel.silent += 1
        return
    at = arrived[turn["turn_id"]]
    if at is None:
        return
    channel.replied += 1
    model = turn["timings"].get("provider_ms") or turn["timings"].get("model_ms", 0.0)
    total = (at - said["scheduled"]) * 1000
    channel.end_to_end_ms.append(total)
    channel.own_ms.append((said["scheduled"], max(0.0, total - model)))
    _stages(verdict, said, rows[0], turn, at)


def _stages(verdict: Verdict, said: Row, row: Row, turn: Row, at: float) -> None:
    offset = time.time() - time.monotonic()
    marks = [
        ("door", said["scheduled"] + offset, row["received_at"].timestamp()),
        ("queue", row["received_at"].timestamp(), turn["started_at"].timestamp()),
        ("turn", turn["started_at"].timestamp(), turn["finished_at"].timestamp()),
        ("outgoing", turn["finished_at"].timestamp(), at + offset),
    ]
    for name, begin, end in marks:
        verdict.stages_ms[name].append(max(0.0, (end - begin) * 1000))


def _sends(evidence: Row, tables: Tables, verdict: Verdict) -> dict[Any, float | None]:
    """When the first reply of each turn was seen. Counts what was shown twice, never, or nobody knows."""
    received: dict[Key, list[Row]] = defaultdict(list)
    for item in evidence["received"]:
        received[item["kind"], item["chat"]].append(item)
    rows: dict[Key, list[Row]] = defaultdict(list)
    for row in tables.outgoing:
        rows[row["kind"], row["chat"]].append(row)
    causes = _Causes(evidence)
    arrived: dict[Any, float | None] = {}
    for key in received.keys() | rows.keys():
        _chat(key, rows[key], received[key], causes, verdict, arrived)
    return arrived


def _chat(
    key: Key,
    rows: Sequence[Row],
    shown: Sequence[Row],
    causes: _Causes,
    verdict: Verdict,
    arrived: dict[Any, float | None],
) -> None:
    kind, chat = key
    left = {item["message_id"]: item for item in shown}
    if len(left) != len(shown):
        verdict.blame("duplicated", kind, chat, "one message id was shown twice")
    for row in rows:
        seen = left.pop(row["message_id"], None) if row["state"] == "sent" else None
        arrived.setdefault(row["turn_id"], seen["at"] if seen else None)
        if row["state"] in ("pending", "sending"):
            verdict.channels[kind].waiting += 1
        elif row["state"] in ("failed", "expired"):
            verdict.blame("lost", kind, chat, f"a reply ended as {row['state']} ({row['error_code']})")
        elif row["state"] == "sent" and seen is None:
            verdict.blame("lost", kind, chat, f"{row['message_id']} counts as sent and was never shown")
    for row in rows:
        if row["state"] == "unknown":
            verdict.channels[kind].unknown += 1
            verdict.causes[causes.of(row)] += 1
            _take_alike(left, row["text"] or "")
    for ident in left:
        verdict.blame("duplicated", kind, chat, f"{ident} was shown and belongs to no reply")


def _take_alike(left: dict[str, Row], text: str) -> None:
    """An unknown send may have arrived, once."""
    found = next((i for i, item in left.items() if item["text"][:_ALIKE] == text[:_ALIKE]), None)
    if found is not None:
        del left[found]


class _Causes:
    """What may make a send's outcome unknown, each used up once."""

    def __init__(self, evidence: Row) -> None:
        self._faults: Counter[tuple[str, str, str]] = Counter(
            (fault["kind"], fault["chat"], fault["fault"]) for fault in evidence["faults"]
        )
        self._dark = evidence["dark"]
        self._offset = time.time() - time.monotonic()

    def of(self, row: Row) -> str:
        """`lost_answer`, `server_error`, `cut` (the platform went away at that moment) or `unexplained`."""
        for fault in (LOST, REFUSED):
            if self._faults[row["kind"], row["chat"], fault]:
                self._faults[row["kind"], row["chat"], fault] -= 1
                return fault
        began = row["sending_at"].timestamp() - self._offset if row["sending_at"] else 0.0
        near = any(d["kind"] == row["kind"] and _CUT[0] < began - d["begin"] < _CUT[1] for d in self._dark)
        return "cut" if near else "unexplained"

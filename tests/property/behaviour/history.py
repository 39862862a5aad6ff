"""What a history left in the database, with who could speak at any moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.scripts.messenger import Shown
from battcrm.infra.postgres import Pool

CLOSED: Final = ("done", "lost", "spam")
_ALL: Final = {
    "appeals": """
SELECT appeal_id, number, client_id, dialog_id, status, control, known, opened_at, closed_at, episode_id, do_not_contact
FROM appeal JOIN client USING (tenant_id, client_id) WHERE tenant_id = $1 ORDER BY number
""",
    "decisions": """
SELECT decision_id, turn_id, client_id, dialog_id, appeal_id, action, reason, inputs, created_at FROM decision
WHERE tenant_id = $1 ORDER BY created_at, decision_id
""",
    "turns": """
SELECT turn_id, dialog_id, client_id, state, from_seq, to_seq, finished_at FROM turn
WHERE tenant_id = $1 ORDER BY finished_at, turn_id
""",
    "outgoing": """
SELECT o.outgoing_id, o.dialog_id, o.channel_id, o.seq, o.turn_id, o.author, o.state, o.payload->>'text' AS text,
  o.payload->>'chat' AS chat, o.created_at, o.finished_at, m.appeal_id, m.seq AS place
FROM outgoing o JOIN message m ON m.tenant_id = o.tenant_id AND m.message_id = o.message_id
WHERE o.tenant_id = $1 ORDER BY o.dialog_id, o.seq
""",
    "messages": """
SELECT m.message_id, m.dialog_id, m.seq, m.direction, m.author, m.kind, m.text, m.revision, m.deleted_at, m.external_id,
  m.content, m.received_at, m.appeal_id FROM message m WHERE m.tenant_id = $1 ORDER BY m.dialog_id, m.seq
""",
    "dialogs": """
SELECT d.dialog_id, d.due_at, d.answered_seq, d.last_seq, w.due_at AS client_due, w.lease_until, i.client_id
FROM dialog d JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
JOIN client_work w ON w.tenant_id = i.tenant_id AND w.client_id = i.client_id WHERE d.tenant_id = $1
""",
    "events": """
SELECT type, data, key, occurred_at AS at FROM outbox WHERE tenant_id = $1
  AND type IN ('appeal.created', 'appeal.stage_changed', 'appeal.control_changed') ORDER BY seq
""",
    "dead": "SELECT source, reason FROM dead_letter WHERE tenant_id = $1",
}


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator did to an appeal, and when."""

    do: str
    number: int
    at: datetime


@dataclass
class History:
    """All rows of one shop, and what its people did and saw."""

    rows: Mapping[str, Sequence[Any]]
    shown: Sequence[Shown]
    acts: Sequence[Act] = field(default_factory=list)

    @cached_property
    def said(self) -> dict[UUID, list[Any]]:
        """The bot's outgoing rows by turn."""
        found: dict[UUID, list[Any]] = defaultdict(list)
        for row in self.rows["outgoing"]:
            if row["author"] == "bot":
                found[row["turn_id"]].append(row)
        return found

    @cached_property
    def heard(self) -> dict[str, Any]:
        """Messages by their ids, as text."""
        return {str(row["message_id"]): row for row in self.rows["messages"]}

    def fresh(self, decision: Any) -> list[Any]:
        """The messages a decision was about."""
        return [self.heard[i] for i in decision["inputs"].get("messages", []) if i in self.heard]

    def words(self, decision: Any) -> list[Any]:
        """The bot's rows that say what was decided."""
        return [row for row in self.said.get(decision["turn_id"], []) if row["appeal_id"] == decision["appeal_id"]]

    def state(self, kind: str, appeal_id: UUID, before: datetime, start: str) -> str:
        """`status` or `control` of an appeal just before a moment, by its events.

        What was given back to the bot at that very moment is the bot's: its turn follows at once.
        """
        type_ = "appeal.stage_changed" if kind == "status" else "appeal.control_changed"
        value = start
        for event in self.rows["events"]:
            data = event["data"]
            given = event["at"] == before and data.get("reason") in ("returned", "operator_silent")
            if event["type"] == type_ and data["appeal_id"] == str(appeal_id) and (event["at"] < before or given):
                value = data["after"]
        return value

    def returned(self, client_id: UUID, since: datetime, until: datetime) -> bool:
        """Whether control of an appeal of the client came back to the bot in between."""
        return any(
            e["type"] == "appeal.control_changed" and e["data"]["after"] == "bot" and since <= e["at"] <= until
            for e in self.rows["events"]
            if e["key"] == client_id
        )


async def load(pool: Pool, tenant_id: UUID, shown: Sequence[Shown], acts: Sequence[Act]) -> History:
    """Everything there is of a shop."""
    rows = {name: await pool.fetch(statement, tenant_id) for name, statement in _ALL.items()}
    return History(rows, shown, acts)

"""The verdict of a run over all channels, on logs written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from battcrm.devkit.bench.channels_judge import Tables, Verdict, judge

DIALOG = UUID(int=1)
TURN = UUID(int=2)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def verdict(*, stored: int = 1, covered: bool = True, out: dict[str, Any] | None = None, **evidence: Any) -> Verdict:
    told: dict[str, Any] = {
        "said": [{"kind": "vk", "chat": "5", "message": "m1", "scheduled": 10.0}],
        "received": [{"kind": "vk", "chat": "5", "message_id": "r1", "text": "8 900 ₽", "at": 10.2}],
        "faults": [],
        "dark": [],
    }
    row = {"kind": "vk", "chat": "5", "message": "m1", "dialog_id": DIALOG, "seq": 1, "received_at": NOW}
    turn = {"dialog_id": DIALOG, "turn_id": TURN, "state": "posted", "from_seq": 0, "to_seq": 1, "timings": {}}
    turn |= {"started_at": NOW, "finished_at": NOW}
    sent = {"turn_id": TURN, "state": "sent", "error_code": None, "sending_at": NOW, "kind": "vk", "chat": "5"}
    reply = sent | {"text": "8 900 ₽", "message_id": "r1"} | (out or {})
    return judge(told | evidence, Tables([row] * stored, [turn] if covered else [], [reply]))


def counts(found: Verdict) -> tuple[int, int, int]:
    return found.total("lost"), found.total("duplicated"), found.total("unknown")


def test_all_is_well() -> None:
    found = verdict()
    assert counts(found) == (0, 0, 0)
    assert [round(ms) for _, ms in found.channels["vk"].own_ms] == [200]


def test_what_was_not_stored_not_covered_or_stored_twice() -> None:
    assert counts(verdict(stored=0)) == (1, 0, 0)
    assert counts(verdict(covered=False)) == (1, 0, 0)
    assert counts(verdict(stored=2)) == (0, 1, 0)


def test_a_reply_that_nobody_saw_or_that_failed_is_lost() -> None:
    assert counts(verdict(received=[])) == (1, 0, 0)
    assert counts(verdict(received=[], out={"state": "failed"})) == (1, 0, 0)
    assert verdict(received=[], out={"state": "pending"}).total("waiting") == 1


def test_what_was_shown_without_a_reply_to_it_is_a_duplicate() -> None:
    shown = {"kind": "vk", "chat": "5", "text": "8 900 ₽", "at": 10.2}
    assert counts(verdict(received=[shown | {"message_id": "r1"}, shown | {"message_id": "r2"}])) == (0, 1, 0)
    assert counts(verdict(received=[shown | {"message_id": "r1"}] * 2)) == (0, 1, 0)


def test_an_unknown_send_needs_a_cause_and_may_have_arrived_once() -> None:
    unknown = {"state": "unknown", "message_id": None}
    lost = [{"kind": "vk", "chat": "5", "fault": "lost_answer", "account": "", "at": 1.0}]
    found = verdict(out=unknown, faults=lost)
    assert (counts(found), dict(found.causes)) == ((0, 0, 1), {"lost_answer": 1})
    assert dict(verdict(out=unknown).causes) == {"unexplained": 1}
    assert dict(verdict(out=unknown, faults=[lost[0] | {"chat": "6"}]).causes) == {"unexplained": 1}
    shown = {"kind": "vk", "chat": "5", "text": "8 900 ₽", "at": 10.2}
    twice = [shown | {"message_id": "r1"}, shown | {"message_id": "r2"}]
    assert counts(verdict(out=unknown, faults=lost, received=twice)) == (0, 1, 1)

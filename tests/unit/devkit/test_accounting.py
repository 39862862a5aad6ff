"""PROTOCOL K: what counts as covered, lost, duplicated and unknown, each from a run of one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from battcrm.devkit.bench.accounting import Evidence, Verdict, by_second, judge
from battcrm.devkit.bench.plan import Call
from battcrm.devkit.bench.seed import Shop

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
CHAT = ("7", "1")


@dataclass
class Run:
    """One message in one chat, answered once. What is taken away or added is what went wrong."""

    status: int = 200
    stored: bool = True
    turn: str | None = "posted"
    states: list[str] = field(default_factory=lambda: ["sent"])
    received: list[str] = field(default_factory=lambda: ["0"])
    """Ids of what the messenger showed. The reply number n that counts as sent was given the id n."""

    def judged(self) -> Verdict:
        shop = Shop(UUID(int=1), UUID(int=2), 7, "/hook")
        call = Call(at=0.0, tenant=0, chat=1, message=5, kind="text", body=b"", duplicate=False)
        message = {"bot": "7", "chat": "1", "message": "5", "dialog_id": 1, "seq": 1, "received_at": MOMENT}
        turn: dict[str, Any] = {
            "dialog_id": 1,
            "turn_id": 9,
            "state": self.turn,
            "from_seq": 0,
            "to_seq": 1,
            "timings": {},
        }
        turn |= {"started_at": MOMENT, "finished_at": MOMENT}
        sent = {"turn_id": 9, "dialog_id": 1, "bot": "7", "chat": "1", "covered_seq": 1, "sending_at": None}
        outgoing = [
            sent
            | {
                "seq": n,
                "part": n,
                "state": state,
                "text": f"reply {n}",
                "message": str(n) if state == "sent" else None,
            }
            for n, state in enumerate(self.states)
        ]
        log: list[dict[str, Any]] = [{"at": 1.0, "message_id": i, "text": f"reply {i[0]}"} for i in self.received]
        return judge(
            Evidence(
                [call],
                [shop],
                [[0, 0.0, 0.0, 0.1, self.status]],
                {CHAT: log},
                [message] if self.stored else [],
                [turn] if self.turn else [],
                outgoing,
            )
        )


def counts(run: Run) -> tuple[int, int, int, int]:
    found = run.judged()
    return found.covered, found.lost, found.duplicated, found.unknown


def test_an_answered_message_is_covered() -> None:
    assert counts(Run()) == (1, 0, 0, 0)


def test_a_decision_for_silence_covers_and_is_counted_apart() -> None:
    found = Run(turn="silent", states=[], received=[]).judged()
    assert (found.covered, found.silent, found.lost) == (1, 1, 0)


def test_what_got_no_2xx_was_never_accepted() -> None:
    found = Run(status=503, stored=False, turn=None, states=[], received=[]).judged()
    assert (found.accepted, found.refused, found.lost) == (0, 1, 0)


def test_accepted_and_not_stored_is_lost() -> None:
    assert counts(Run(stored=False, turn=None, states=[], received=[])) == (0, 1, 0, 0)


def test_stored_and_not_covered_is_lost() -> None:
    assert counts(Run(turn=None, states=[], received=[])) == (0, 1, 0, 0)


def test_decided_and_never_received_is_lost() -> None:
    assert counts(Run(received=[])) == (1, 1, 0, 0)


def test_received_twice_is_duplicated() -> None:
    assert counts(Run(received=["0", "0 again"])) == (1, 0, 1, 0)


def test_a_send_that_may_have_arrived_is_unknown_either_way() -> None:
    assert counts(Run(states=["unknown"], received=[])) == (1, 0, 0, 1)
    assert counts(Run(states=["unknown"], received=["0 heard of nobody"])) == (1, 0, 0, 1)


def test_one_lost_and_one_doubled_in_a_chat_are_one_of_each() -> None:
    assert counts(Run(states=["sent", "sent"], received=["0", "0 again"])) == (1, 1, 1, 0)


def test_what_is_shown_twice_is_not_taken_for_another_reply_in_doubt() -> None:
    assert counts(Run(states=["sent", "unknown"], received=["0", "0 again"])) == (1, 0, 1, 1)


def test_each_second_of_the_load_has_percentiles_of_its_own() -> None:
    since = [(100.5, 1.0), (101.4, 3.0), (100.6, 2.0), (103.5, 9.0)]
    assert [one["p95"] for one in by_second(since)] == [3.0, 0.0, 0.0, 9.0]
    assert by_second(since)[0] == {"p50": 2.0, "p95": 3.0}
    assert by_second([]) == []
    assert len(Run().judged().own_since) == 1

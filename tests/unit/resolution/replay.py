"""Replays labelled dialogues against the router; the labels, not the router's answers, decide what happens next."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from battcrm.kit.ids import derived_id
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method, Reading, Signals
from battcrm.models.situation import (
    AppealStatus,
    AppealView,
    ChipPayload,
    Control,
    Routing,
    TurnMessage,
)
from battcrm.resolution.appeal import DeviceAppealRouter

DATA = Path(__file__).parents[2] / "data" / "routing" / "dialogues.jsonl"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def fact(value: str) -> Fact:
    return Fact(value, 0.95, Method.RULE, "label")


def hypothesis(say: dict[str, Any]) -> Hypothesis:
    return Hypothesis(
        appeal_type=fact(say["type"]) if "type" in say else None,
        brand=fact(say["brand"]) if "brand" in say else None,
        model=fact(say["model"]) if "model" in say else None,
        repair_types=tuple(fact(r) for r in say.get("repairs", [])),
        part_owner=fact(say["part_owner"]) if "part_owner" in say else None,
        device_class=say.get("class"),
        candidates=tuple(Candidate(b, m, 1 / (i + 1)) for i, (b, m) in enumerate(say.get("candidates", []))),
    )


def signals(raw: dict[str, Any]) -> Signals:
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return Signals(**known)


def merged(known: Hypothesis, fresh: Hypothesis) -> Hypothesis:
    repairs = {f.value: f for f in (*known.repair_types, *fresh.repair_types)}
    keep_type = fresh.appeal_type is None or fresh.appeal_type.value in {"info", "status", "other"}
    return Hypothesis(
        appeal_type=known.appeal_type or fresh.appeal_type if keep_type else fresh.appeal_type,
        brand=fresh.brand or known.brand,
        model=fresh.model or known.model,
        repair_types=tuple(repairs.values()),
        part_owner=fresh.part_owner or known.part_owner,
        device_class=fresh.device_class or known.device_class,
        candidates=() if (fresh.model or known.model) else fresh.candidates or known.candidates,
    )


@dataclass(slots=True)
class Outcome:
    dialogue: str
    text: str
    expected: str
    got: str
    routing: Routing

    @property
    def asked(self) -> bool:
        return self.routing.action == "ask"

    @property
    def wrong(self) -> bool:
        return not self.asked and self.got != self.expected


@dataclass(slots=True)
class Replay:
    name: str
    appeals: dict[str, AppealView] = field(default_factory=dict)
    messages: list[TurnMessage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, steps: list[dict[str, Any]], router: DeviceAppealRouter) -> list[Outcome]:
        for index, step in enumerate(steps):
            at = START + timedelta(minutes=step["at"])
            if "set" in step:
                self._set(step, at)
            else:
                self._message(index, step, at, router)
        return self.outcomes

    def _set(self, step: dict[str, Any], at: datetime) -> None:
        letter, status = step["set"], AppealStatus(step["status"])
        if letter not in self.appeals:
            self._create(letter, hypothesis({"type": "repair"} | step.get("say", {})), at)
        closed = at if status in {AppealStatus.DONE, AppealStatus.LOST} else None
        options = tuple(f"option {i}" for i in range(step.get("options", 0)))
        self.appeals[letter] = replace(
            self.appeals[letter], status=status, closed_at=closed, touched_at=at, options=options,
            expecting=step.get("expecting"),
        )  # fmt: skip

    def _create(self, letter: str, known: Hypothesis, at: datetime) -> None:
        number = len(self.appeals) + 1
        self.appeals[letter] = AppealView(
            self._id(letter), number, AppealStatus.COLLECTING, Control.BOT, None, at, at, None, known
        )

    def _id(self, *parts: str) -> UUID:
        return derived_id(self.name, *parts)

    def _message(self, index: int, step: dict[str, Any], at: datetime, router: DeviceAppealRouter) -> None:
        said = hypothesis(step.get("say", {}))
        message = TurnMessage(
            self._id("message", str(index)), index, "in", "message", step["text"], at, True,
            attachment_kinds=tuple(step.get("attachments", ())), button_payload=self._payload(step),
            reply_to=self._quoted(step), external_id=f"m{index}",
        )  # fmt: skip
        routing = router.route(
            [*self.messages, message],
            Reading((said,), signals(step.get("signals", {}))),
            sorted(self.appeals.values(), key=lambda a: a.opened_at, reverse=True),
        )
        self.outcomes.append(Outcome(self.name, step["text"], step["expect"], self._got(routing, step), routing))
        self._follow(step["expect"], said, at, message)

    def _payload(self, step: dict[str, Any]) -> str | None:
        return ChipPayload(self.appeals[step["button"]].number, "model", 1).encode() if "button" in step else None

    def _quoted(self, step: dict[str, Any]) -> str | None:
        if "reply_to" not in step:
            return None
        wanted = self.appeals[step["reply_to"]].appeal_id
        return next(m.external_id for m in reversed(self.messages) if m.appeal_id == wanted)

    def _got(self, routing: Routing, step: dict[str, Any]) -> str:
        letter = next((k for k, a in self.appeals.items() if a.appeal_id == routing.appeal_id), "?")
        if routing.action == "new":
            return step["expect"] if step["expect"].startswith("new:") else "new"
        return {"existing": letter, "reopen": f"reopen:{letter}"}.get(routing.action, routing.action)

    def _follow(self, expected: str, said: Hypothesis, at: datetime, message: TurnMessage) -> None:
        action, _, letter = expected.rpartition(":")
        if expected == "none":
            return
        if action == "new":
            self._create(letter, said, at)
        else:
            appeal = self.appeals[letter]
            status = AppealStatus.COLLECTING if action == "reopen" else appeal.status
            self.appeals[letter] = replace(
                appeal, known=merged(appeal.known, said), touched_at=at, status=status,
                closed_at=None if action == "reopen" else appeal.closed_at,
            )  # fmt: skip
        self.messages.append(replace(message, fresh=False, appeal_id=self.appeals[letter].appeal_id))


def replay_all(router: DeviceAppealRouter) -> list[Outcome]:
    dialogues = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    return [o for d in dialogues for o in Replay(d["id"]).run(d["steps"], router)]

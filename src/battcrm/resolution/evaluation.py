"""How often messages reach the right appeal: labelled dialogues replayed against the router.

The labels, not the router's answers, decide what happens next, so that one mistake is counted once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.kit.ids import derived_id
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method, Reading, Signals
from battcrm.models.situation import AppealStatus, AppealView, ChipPayload, Control, Routing, TurnMessage
from battcrm.resolution.appeal import DeviceAppealRouter

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_Z95: Final = 1.959964
_GONE: Final = frozenset({AppealStatus.DONE, AppealStatus.LOST})
# Reading of a text in the light of the appeal whose question it may answer; facts of an appeal with what was read.
Read = Callable[[str, AppealView | None], Reading]
Merge = Callable[[Hypothesis, Hypothesis, bool], Hypothesis]


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % confidence interval (Wilson)."""

    count: int
    of: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Routed:
    """One labelled message: `got` is what the router said; asking is neither right nor wrong."""

    dialogue: str
    text: str
    expected: str
    got: str
    routing: Routing

    @property
    def asked(self) -> bool:
        """The client would be asked which appeal is meant."""
        return self.routing.action == "ask"

    @property
    def wrong(self) -> bool:
        """The message went to an appeal that it does not belong to."""
        return not self.asked and self.got != self.expected


@dataclass(frozen=True, slots=True)
class RoutingReport:
    """All messages, and the two shares that matter."""

    routed: tuple[Routed, ...]
    wrong: Share
    asked: Share


@dataclass(frozen=True, slots=True)
class Reader:
    """How texts become facts in a replay: by the labels (the router's own score), or by the real extraction."""

    read: Read | None = None
    merge: Merge | None = None


def wilson(count: int, of: int) -> Share:
    """The share `count`/`of` and the interval it lies in with 95 % confidence; 0..1 when there is nothing."""
    if of <= 0:
        return Share(count, of, 0.0, 0.0, 1.0)
    share, square = count / of, _Z95 * _Z95
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z95 * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Share(count, of, share, max(0.0, middle - half), min(1.0, middle + half))


def load_dialogues(path: Path) -> list[dict[str, Any]]:
    """Dialogues of a file, one JSON object a line: `id` and `steps`. Invalid names the line."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            document = json.loads(line)
            document["id"], document["steps"]
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(
                f"{path.name}:{number}: no dialogue: {error}", field="file", remedy="see the guide"
            ) from error
        found.append(document)
    return found


def evaluate(
    dialogues: Sequence[dict[str, Any]], router: DeviceAppealRouter | None = None, reader: Reader | None = None
) -> RoutingReport:
    """Replay all dialogues. Without a reader the labels say what each message means."""
    chosen, by = router or DeviceAppealRouter(), reader or Reader()
    routed = tuple(r for d in dialogues for r in Replay(d["id"], by).run(d["steps"], chosen))
    wrong, asked = sum(r.wrong for r in routed), sum(r.asked for r in routed)
    return RoutingReport(routed, wilson(wrong, len(routed)), wilson(asked, len(routed)))


def hypothesis(say: dict[str, Any]) -> Hypothesis:
    """What a label says was said."""
    return Hypothesis(
        appeal_type=_fact(say["type"]) if "type" in say else None,
        brand=_fact(say["brand"]) if "brand" in say else None,
        model=_fact(say["model"]) if "model" in say else None,
        repair_types=tuple(_fact(r) for r in say.get("repairs", [])),
        part_owner=_fact(say["part_owner"]) if "part_owner" in say else None,
        device_class=say.get("class"),
        candidates=tuple(Candidate(b, m, 1 / (i + 1)) for i, (b, m) in enumerate(say.get("candidates", []))),
    )


def signals(raw: dict[str, Any]) -> Signals:
    """Signals as a label gives them."""
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return Signals(**known)


def _fact(value: str) -> Fact:
    return Fact(value, 0.95, Method.RULE, "label")


def _merged(known: Hypothesis, fresh: Hypothesis, _correction: bool) -> Hypothesis:
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
class Replay:
    """One dialogue."""

    name: str
    reader: Reader = field(default_factory=Reader)
    appeals: dict[str, AppealView] = field(default_factory=dict)
    messages: list[TurnMessage] = field(default_factory=list)
    routed: list[Routed] = field(default_factory=list)

    def run(self, steps: Sequence[dict[str, Any]], router: DeviceAppealRouter) -> list[Routed]:
        """What the router said to each message."""
        for index, step in enumerate(steps):
            at = START + timedelta(minutes=step["at"])
            if "set" in step:
                self._set(step, at)
            else:
                self._message(index, step, at, router)
        return self.routed

    def _set(self, step: dict[str, Any], at: datetime) -> None:
        letter, status = step["set"], AppealStatus(step["status"])
        if letter not in self.appeals:
            self._create(letter, hypothesis({"type": "repair"} | step.get("say", {})), at)
        options = tuple(f"option {i}" for i in range(step.get("options", 0)))
        self.appeals[letter] = replace(
            self.appeals[letter], status=status, closed_at=at if status in _GONE else None, touched_at=at,
            options=options, expecting=step.get("expecting"),
        )  # fmt: skip

    def _create(self, letter: str, known: Hypothesis, at: datetime) -> None:
        number = len(self.appeals) + 1
        self.appeals[letter] = AppealView(
            self._id(letter), number, AppealStatus.COLLECTING, Control.BOT, None, at, at, None, known
        )

    def _id(self, *parts: str) -> UUID:
        return derived_id(self.name, *parts)

    def _message(self, index: int, step: dict[str, Any], at: datetime, router: DeviceAppealRouter) -> None:
        reading = self._reading(step)
        message = TurnMessage(
            self._id("message", str(index)), index, "in", "message", step["text"], at, True,
            attachment_kinds=tuple(step.get("attachments", ())), button_payload=self._payload(step),
            reply_to=self._quoted(step), external_id=f"m{index}",
        )  # fmt: skip
        newest_first = sorted(self.appeals.values(), key=lambda a: a.touched_at, reverse=True)
        # A list of devices goes to several appeals at once: the label names one of them.
        routings = router.route_all([*self.messages, message], reading, newest_first)
        routing = next((r for r in routings if self._got(r, step) == step["expect"]), routings[-1])
        self.routed.append(Routed(self.name, step["text"], step["expect"], self._got(routing, step), routing))
        self._follow(step["expect"], reading, at, message)

    def _reading(self, step: dict[str, Any]) -> Reading:
        if self.reader.read is None:
            return Reading((hypothesis(step.get("say", {})),), signals(step.get("signals", {})))
        talked = [a for a in self.appeals.values() if a.closed_at is None]
        return self.reader.read(step["text"], max(talked, key=lambda a: a.touched_at, default=None))

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
            return str(step["expect"]) if step["expect"].startswith("new:") else "new"
        return {"existing": letter, "reopen": f"reopen:{letter}"}.get(routing.action, routing.action)

    def _follow(self, expected: str, reading: Reading, at: datetime, message: TurnMessage) -> None:
        action, _, letter = expected.rpartition(":")
        if expected == "none":
            return
        said = reading.main
        if action == "new":
            self._create(letter, said, at)
        else:
            appeal = self.appeals[letter]
            merge = self.reader.merge or _merged
            status = AppealStatus.COLLECTING if action == "reopen" else appeal.status
            self.appeals[letter] = replace(
                appeal, known=merge(appeal.known, said, reading.signals.correction), touched_at=at, status=status,
                closed_at=None if action == "reopen" else appeal.closed_at,
            )  # fmt: skip
        self.messages.append(replace(message, fresh=False, appeal_id=self.appeals[letter].appeal_id))

"""Playing a dialogue through the real doors and judging what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.demo.guests import Guest, Reply
from battcrm.devkit.demo.script import Dialogue, Expect, Step
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.models.situation import AppealStatus
from battcrm.services.explain import Decided, Explainer, Explanation
from battcrm.services.operator import Operators

_PATIENCE: Final = 180.0
_LOOK: Final = 0.03

# Nothing of this chat is on its way any more, in or out.
_SETTLED: Final = """
SELECT d.dialog_id, i.client_id FROM dialog d
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
JOIN client_work w ON w.tenant_id = i.tenant_id AND w.client_id = i.client_id
WHERE d.tenant_id = $1 AND d.channel_id = $2 AND d.external_chat_id = $3 AND d.due_at IS NULL AND w.due_at IS NULL
  AND w.lease_until IS NULL
  AND NOT EXISTS (SELECT 1 FROM inbox n WHERE n.tenant_id = $1 AND n.channel_id = $2)
  AND NOT EXISTS (SELECT 1 FROM outgoing o WHERE o.tenant_id = $1 AND o.dialog_id = d.dialog_id
                  AND o.state IN ('pending', 'sending'))
"""
_TURNS: Final = """
SELECT turn_id FROM turn WHERE tenant_id = $1 AND dialog_id = $2 AND state <> 'superseded' ORDER BY turn_id
"""
_APPEALS: Final = """
SELECT number, status, control FROM appeal WHERE tenant_id = $1 AND client_id = $2 ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Played:
    """One step: the turns it caused, what the person was shown, and what is wrong with that (nothing, one hopes)."""

    step: Step
    turns: tuple[Explanation, ...]
    replies: tuple[Reply, ...]
    seconds: float
    wrong: tuple[str, ...]


@dataclass(slots=True)
class Result:
    """A dialogue as it went."""

    dialogue: Dialogue
    played: list[Played] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Everything came out as expected."""
        return len(self.played) == len(self.dialogue.steps) and not any(p.wrong for p in self.played)


class Player:
    """Plays one dialogue."""

    def __init__(self, pool: Pool, clock: Clock, operators: Operators, tenant_id: UUID, channel_id: UUID) -> None:
        self._pool = pool
        self._clock = clock
        self._operators = operators
        self._explainer = Explainer(pool)
        self._tenant_id = tenant_id
        self._channel_id = channel_id

    async def play(self, dialogue: Dialogue, guest: Guest) -> Result:
        """All steps in order; stops at the first wrong one, for the rest would only follow from it."""
        result = Result(dialogue)
        known: set[UUID] = set()
        heard = 0
        for step in dialogue.steps:
            began = self._clock.monotonic()
            try:
                await self._act(step, guest)
                dialog_id, client_id = await self._settled(guest)
            except BattError as error:
                result.played.append(Played(step, (), (), self._clock.monotonic() - began, (error.text,)))
                break
            seconds = self._clock.monotonic() - began
            fresh = [r[0] for r in await self._pool.fetch(_TURNS, self._tenant_id, dialog_id) if r[0] not in known]
            known.update(fresh)
            turns = tuple([await self._explainer.explain(str(turn), self._tenant_id) for turn in fresh])
            replies = await guest.received()
            appeals = await self._pool.fetch(_APPEALS, self._tenant_id, client_id)
            wrong = tuple(judge(step.expect, turns, replies[heard:], appeals))
            result.played.append(Played(step, turns, tuple(replies[heard:]), seconds, wrong))
            heard = len(replies)
            if wrong:
                break
        return result

    async def _act(self, step: Step, guest: Guest) -> None:
        if step.say:
            await guest.say(*step.say)
        elif step.twice is not None:
            await guest.twice(step.twice)
        elif step.edit is not None:
            await guest.edit(step.edit)
        elif step.press is not None:
            await guest.press(step.press)
        else:
            await self._operate(step, guest)

    async def _operate(self, step: Step, guest: Guest) -> None:
        _, client_id = await self._settled(guest)
        appeals = await self._pool.fetch(_APPEALS, self._tenant_id, client_id)
        number = appeals[-1]["number"]
        if step.operator == "reply":
            await self._operators.reply(self._tenant_id, number, step.text)
        elif step.operator == "return":
            await self._operators.give_back(self._tenant_id, number)
        else:
            await self._operators.close(self._tenant_id, number, AppealStatus.DONE)

    async def _settled(self, guest: Guest) -> tuple[UUID, UUID]:
        deadline = self._clock.monotonic() + _PATIENCE
        while self._clock.monotonic() < deadline:
            row = await self._pool.fetchrow(_SETTLED, self._tenant_id, self._channel_id, guest.chat)
            if row is not None:
                return row["dialog_id"], row["client_id"]
            await self._clock.sleep(_LOOK)
        raise BattError(f"nothing came within {_PATIENCE:.0f} s", code="no_answer")


def judge(expect: Expect, turns: Sequence[Explanation], replies: Sequence[Reply], appeals: Sequence[Any]) -> list[str]:
    """What differs from what was expected, in words."""
    decisions = [d for turn in turns for d in turn.decisions]
    decided = None if expect.decisions is None else list(expect.decisions)
    routes = [d.routing.get("reason") for d in decisions]
    counted = (
        ("решения", decided, [f"{d.action}/{d.reason}" for d in decisions]),
        ("ходов", expect.turns, len(turns)),
        ("ответов", expect.replies, len(replies)),
        ("обращений", expect.appeals, len(appeals)),
        ("стадия", expect.status, appeals[-1]["status"] if appeals else None),
    )
    wrong = [f"{what} {got} вместо {wanted}" for what, wanted, got in counted if wanted is not None and wanted != got]
    if expect.route is not None and expect.route not in routes:
        wrong.append(f"маршрут {routes} вместо {expect.route}")
    return wrong + _facts(expect, decisions) + _said(expect, replies)


def _said(expect: Expect, replies: Sequence[Reply]) -> list[str]:
    text = "\n".join(reply.text for reply in replies).lower()
    titles = [title for reply in replies for title in reply.buttons]
    wrong = [f"в ответе нет «{piece}»" for piece in expect.reply if piece.lower() not in text]
    wrong += [f"в ответе лишнее «{piece}»" for piece in expect.without if piece.lower() in text]
    return wrong + [f"нет кнопки «{title}»: {titles}" for title in expect.buttons if title not in titles]


def _facts(expect: Expect, decisions: Sequence[Decided]) -> list[str]:
    known: dict[str, list[str]] = {}
    for decided in decisions:
        for name, value in decided.known.items():
            found = value if isinstance(value, list) else [value]
            known.setdefault(name, []).extend(v["v"] for v in found if isinstance(v, dict))
    return [
        f"{name}: {known.get(name, [])}, ожидалось {value}"
        for name, value in expect.facts.items()
        if value not in known.get(name, [])
    ]

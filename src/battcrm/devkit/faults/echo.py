"""A turn without any layer: it says back what it covers, so that the messenger's log alone tells what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.models.facts import Hypothesis, Reading
from battcrm.models.situation import Action, Draft, GraphFacts, Plan, Routing
from battcrm.pipeline.turn import TurnEngine
from battcrm.pipeline.turn_types import AppealChange, Branch, TurnInput, TurnOutcome

_UNUSED: Final = GraphFacts(unavailable="not_asked")


@dataclass
class Gate:
    """Where turns think. `hold` stops new ones until `release`.

    `overlaps` names clients with two turns at once whose leases are both valid. One whose lease has run out may still
    think, for it cannot commit.
    """

    hold: bool = False
    thinking: dict[UUID, datetime] = field(default_factory=dict)
    overlaps: list[UUID] = field(default_factory=list)
    started: int = 0
    fail: int = 0
    _release: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let the held turns go on, and hold no more."""
        self.hold = False
        self._release.set()
        self._release = asyncio.Event()

    def enter(self, client_id: UUID, until: datetime, now: datetime) -> None:
        """A turn begins under a lease that ends `until`; one that is over hides none that is valid."""
        self.started += 1
        if until <= now:
            return
        if self.thinking.get(client_id, now) > now:
            self.overlaps.append(client_id)
        self.thinking[client_id] = until

    def leave(self, client_id: UUID, until: datetime) -> None:
        """That turn has ended."""
        if self.thinking.get(client_id) == until:
            del self.thinking[client_id]

    async def passed(self) -> None:
        """Return when this turn may go on."""
        if self.hold:
            await self._release.wait()


class EchoEngine(TurnEngine):
    """Answers `covered|part|text,text`; two messages when it covers an even number, to have parts."""

    def __init__(self, clock: Clock, ids: IdFactory, gate: Gate) -> None:
        self._clock = clock
        self._ids = ids
        self._gate = gate

    async def run(self, turn: TurnInput) -> TurnOutcome:
        """Think while the gate is closed, then echo."""
        now, until = self._clock.now(), turn.claim.row["lease_until"]
        self._gate.enter(turn.client_id, until, now)
        try:
            await self._gate.passed()
            if self._gate.fail:
                self._gate.fail -= 1
                raise RuntimeError("the engine broke")
        finally:
            self._gate.leave(turn.client_id, until)
        return TurnOutcome(turn, self._ids.new(), now, (self._echo(turn),))

    def plainly(self, turn: TurnInput, plan: Plan) -> tuple[Plan, tuple[Draft, ...]]:
        """The same echo: a turn that gave up must cover its messages too."""
        return plan, _drafts(turn)

    def change_for(self, _turn: TurnInput, _routing: Routing, _known: Hypothesis, _plan: Plan) -> AppealChange | None:
        """No appeals here."""
        return None

    def outcome(self, turn: TurnInput, branches: tuple[Branch, ...]) -> TurnOutcome:
        """An outcome made elsewhere."""
        return TurnOutcome(turn, self._ids.new(), self._clock.now(), branches)

    def _echo(self, turn: TurnInput) -> Branch:
        drafts = _drafts(turn)
        plan = Plan(Action.AUTO if drafts else Action.SILENCE, "echo")
        routing = Routing("none", None, "echo", 1.0)
        return Branch(routing, Reading((Hypothesis(),)), Hypothesis(), None, _UNUSED, plan, drafts)


def _drafts(turn: TurnInput) -> tuple[Draft, ...]:
    fresh = [m.text for m in turn.messages if m.fresh and m.kind != "reaction"]
    if not fresh:
        return ()
    covered = turn.dialog.last_seq
    texts: Sequence[Sequence[str]] = (fresh,) if len(fresh) % 2 else (fresh[:1], fresh[1:])
    return tuple(Draft(f"{covered}|{part}|{','.join(spoken)}") for part, spoken in enumerate(texts))

"""Follows one history: what its people did, and in the end whether the bot behaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from battcrm.devkit.scripts.format import Step
from battcrm.devkit.scripts.play import Player
from tests.property.behaviour.history import Act, load
from tests.property.behaviour.invariants import broken

_NUMBERS: Final = "SELECT number FROM appeal WHERE tenant_id = $1 ORDER BY number"


@dataclass
class Watch:
    """One shop while its history goes on."""

    player: Player
    acts: list[Act] = field(default_factory=list)

    async def numbers(self) -> list[int]:
        """The shop's appeals."""
        return [row[0] for row in await self.player.pool.fetch(_NUMBERS, self.player.stage.tenant_id)]

    def noted(self, step: Step) -> None:
        """A step was done."""
        stage = self.player.stage
        if step.operator is not None:
            self.acts.append(Act(step.operator.do, step.operator.appeal or 0, stage.clock.now()))

    def buttons(self, where: str, by: str) -> list[str]:
        """Titles of the buttons somebody sees, the newest last."""
        channel = self.player.accounts[where].channel_id
        seen = [s for s in self.player.stage.phone.shown if s.channel_id == channel and s.chat == by]
        return [title for s in seen[-4:] for title, _ in s.buttons]

    def talks(self, where: str, by: str) -> bool:
        """Whether there is such a chat."""
        mine = self.player.accounts[where].account_ref
        written = self.player.written.values()
        return any(w.message.account_ref == mine and w.message.conversation.id == by for w in written)

    async def end(self, late: Sequence[str]) -> None:
        """Everything that waits is done, then every rule is looked at."""
        player = self.player
        if late:
            await player.act(Step.model_validate({"deliver": tuple(late)}))
        await player.stage.settle()
        stage = player.stage
        history = await load(player.pool, stage.tenant_id, stage.phone.shown, self.acts)
        found = broken(history)
        assert not found, "\n".join(found)

"""While an answer takes longer than a glance, the customer sees that it is being written. A courtesy, never a duty."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol
from uuid import UUID

from pydantic import Field

from battcrm.models.config import SECTIONS, Section
from battcrm.models.situation import Control
from battcrm.pipeline.turn_types import TurnInput

AFTER: Final = 1.0


class PresenceSettings(Section):
    """Section `presence`."""

    typing: bool = Field(True, description="show typing, and the chat as read, while an answer takes over a second")


SECTIONS.register("presence", PresenceSettings)


class Presence(Protocol):
    """Shows that somebody is there."""

    def writing(self, channel_id: UUID, chat: str, message_id: str | None) -> None:
        """An answer is being written in the chat. Returns at once, may do nothing, never fails."""
        ...


class Thinking:
    """`with Thinking(...)` around the work on one turn: tells `presence` if it takes longer than `after` seconds."""

    def __init__(self, presence: Presence | None, turn: TurnInput, *, after: float = AFTER) -> None:
        self._presence, self._turn, self._after = presence, turn, after
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self._presence is not None and _may_speak(self._turn):
            self._timer = asyncio.get_running_loop().call_later(self._after, self._tell, self._presence)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self, presence: Presence) -> None:
        dialog = self._turn.dialog
        heard = [m.external_id for m in self._turn.messages if m.direction == "in" and m.external_id]
        presence.writing(dialog.channel_id, dialog.chat, heard[-1] if heard else None)


def _may_speak(turn: TurnInput) -> bool:
    """Nobody is told that an answer comes where a person has the talk, or the shop does not want it."""
    ours = all(appeal.control is Control.BOT for appeal in turn.appeals)
    return ours and not turn.do_not_contact and turn.tenancy.config.section(PresenceSettings).typing

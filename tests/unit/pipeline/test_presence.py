"""Who is told that an answer is being written, and when."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from battcrm.models.config import TenantConfig
from battcrm.models.situation import Control
from battcrm.pipeline.presence import PresenceSettings, Thinking
from battcrm.pipeline.turn_types import TurnInput
from tests.support.waiting import eventually

CHANNEL = UUID(int=7)


class Told:
    def __init__(self) -> None:
        self.calls: list[tuple[UUID, str, str | None]] = []

    def writing(self, channel_id: UUID, chat: str, message_id: str | None) -> None:
        self.calls.append((channel_id, chat, message_id))


def turn(*, control: Control = Control.BOT, typing: bool = True, silent: bool = False) -> TurnInput:
    said = [("in", "m1"), ("out", "m2"), ("in", "m3"), ("in", None)]
    config = SimpleNamespace(section=lambda _: PresenceSettings(typing=typing))
    made: Any = SimpleNamespace(
        dialog=SimpleNamespace(channel_id=CHANNEL, chat="42"),
        messages=[SimpleNamespace(direction=way, external_id=number) for way, number in said],
        appeals=[SimpleNamespace(control=control)],
        do_not_contact=silent,
        tenancy=SimpleNamespace(config=cast(TenantConfig, config)),
    )
    return cast(TurnInput, made)


async def test_a_long_turn_is_told_with_the_last_message_heard() -> None:
    told = Told()
    with Thinking(told, turn(), after=0.0):
        await eventually(lambda: told.calls, what="told")
    assert told.calls == [(CHANNEL, "42", "m3")]


async def _passed() -> None:
    """The loop has run what was due."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_quick_turn_is_not_told() -> None:
    told = Told()
    with Thinking(told, turn(), after=0.0):
        pass
    await _passed()
    assert told.calls == []


async def test_nobody_is_told_where_a_person_has_the_talk_or_the_shop_does_not_want_it() -> None:
    told = Told()
    for quiet in (turn(control=Control.HUMAN), turn(typing=False), turn(silent=True)):
        with Thinking(told, quiet, after=0.0):
            await _passed()
    with Thinking(None, turn(), after=0.0):
        await _passed()
    assert told.calls == []

"""Typing signals: late and few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import ChannelAccount
from battcrm.transport.presence import TypingSignals
from tests.support.waiting import eventually

TOKEN = "700000001:AAHdemoDemoDemoDemoDemoDemoDemo"
CHANNEL = UUID(int=2)


class Directory:
    """One channel, without a database."""

    def __init__(self, url: str, kind: str = "telegram") -> None:
        account = ChannelAccount(UUID(int=1), CHANNEL, kind, "700000001", {"token": TOKEN}, {"base_url": url})
        self.connected = Connected(account, "", "", "active", None)
        self.asked = 0

    async def find(self, _: UUID) -> Connected:
        self.asked += 1
        return self.connected


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        emulator.add_bot(TOKEN)
        for chat in (11, 12):
            emulator.user_says(TOKEN, chat, "?")
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


def signals(directory: Directory, clock: ManualClock, http: AioHttp) -> TypingSignals:
    return TypingSignals(cast(ChannelDirectory, directory), clock, lambda _: http)


def actions(telegram: TelegramEmulator) -> list[Any]:
    return [action[1:] for action in telegram.bots[TOKEN].actions]


async def test_a_chat_is_shown_typing_once_in_five_seconds(telegram: TelegramEmulator, http: AioHttp) -> None:
    clock, directory = ManualClock(), Directory(telegram.url)
    made = signals(directory, clock, http)
    running = asyncio.create_task(made.run())
    try:
        for _ in range(4):
            made.writing(CHANNEL, "11", None)
        await eventually(lambda: directory.asked == 4 and len(actions(telegram)) == 1, what="one signal of four")
        clock.advance(5.0)
        made.writing(CHANNEL, "11", None)
        await eventually(lambda: len(actions(telegram)) == 2, what="and another later")
        assert actions(telegram) == [("11", "typing")] * 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_errors_and_crowds_are_dropped(telegram: TelegramEmulator, http: AioHttp) -> None:
    clock, directory = ManualClock(), Directory(telegram.url)
    made = signals(directory, clock, http)
    telegram.faults.add(Fault("revoked"), method="sendchataction")
    for number in range(1000):
        made.writing(CHANNEL, str(number), None)
    running = asyncio.create_task(made.run())
    try:
        await eventually(lambda: directory.asked == 100, what="no more than the queue holds")
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

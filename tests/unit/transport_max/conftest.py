"""An emulated MAX with one bot and one person who pressed Start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.infra.http import AioHttp
from battcrm.models.outgoing import OutgoingCommand
from battcrm.transport.base import ChannelAccount
from battcrm.transport.max.send import MaxSender

TOKEN = "demo-max-bot-token"
SECRET = "demo_Max-secret"
BOT = 229229229
USER = 5512345


@pytest.fixture
async def max_() -> AsyncIterator[MaxEmulator]:
    async with MaxEmulator(time_factor=0.0001) as emulator:
        emulator.add_bot(TOKEN, BOT)
        emulator.press_start(BOT, USER)
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


@pytest.fixture
def chat(max_: MaxEmulator) -> str:
    return str(max_.dialog(BOT, USER).chat_id)


def account(max_: MaxEmulator, secrets: dict[str, str] | None = None, **settings: Any) -> ChannelAccount:
    known = {"token": TOKEN, "webhook_secret": SECRET} | (secrets or {})
    return ChannelAccount(UUID(int=1), UUID(int=2), "max", str(BOT), known, {"base_url": max_.url} | settings)


def sender(max_: MaxEmulator, http: AioHttp) -> MaxSender:
    return MaxSender(account(max_), http)


def command(chat: str, text: str = "Ремонт 4 500 ₽", **fields: Any) -> OutgoingCommand:
    return OutgoingCommand("row-1", chat, text, **fields)

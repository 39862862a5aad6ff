"""An emulated Avito with one seller and one chat about an ad."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.infra.http import AioHttp
from battcrm.models.outgoing import OutgoingCommand
from battcrm.transport.avito.send import AvitoSender
from battcrm.transport.base import ChannelAccount
from tests.support.waiting import PATIENCE

CLIENT = "demoClient"
SECRET = "demoSecret"
HOOK = "hook-key-0123456789abcdefghijklmn"
SELLER = 94235311


@pytest.fixture
async def avito() -> AsyncIterator[AvitoEmulator]:
    async with AvitoEmulator(time_factor=0.001, answer_in=PATIENCE) as emulator:
        emulator.add_account(CLIENT, SECRET, SELLER)
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


@pytest.fixture
def chat(avito: AvitoEmulator) -> str:
    return avito.open_chat(SELLER)


def account(avito: AvitoEmulator, secrets: dict[str, str] | None = None, **settings: Any) -> ChannelAccount:
    known = {"client_id": CLIENT, "client_secret": SECRET, "hook_key": HOOK} | (secrets or {})
    return ChannelAccount(UUID(int=1), UUID(int=2), "avito", str(SELLER), known, {"base_url": avito.url} | settings)


def sender(avito: AvitoEmulator, http: AioHttp, **settings: Any) -> AvitoSender:
    return AvitoSender(account(avito, **settings), http)


def command(chat: str, text: str = "Ремонт 4 500 ₽", **fields: Any) -> OutgoingCommand:
    return OutgoingCommand("row-1", chat, text, **fields)

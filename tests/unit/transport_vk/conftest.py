"""An emulated VK with one community and one person who has written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.infra.http import AioHttp
from battcrm.models.outgoing import OutgoingCommand
from battcrm.transport.base import ChannelAccount

TOKEN = "vk1.a.demoKey"
GROUP = 221004567
USER = 612345987


@pytest.fixture
async def vk() -> AsyncIterator[VkEmulator]:
    async with VkEmulator(time_factor=0.001) as emulator:
        emulator.add_community(TOKEN, GROUP)
        emulator.user_says(TOKEN, USER, "Здравствуйте")
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


def account(vk: VkEmulator, **settings: Any) -> ChannelAccount:
    secrets = {"token": TOKEN, "webhook_secret": "d3moSecretVk"}
    given = {"base_url": vk.url, "confirmation": "c0nf1rm"} | settings
    return ChannelAccount(UUID(int=1), UUID(int=2), "vk", str(GROUP), secrets, given)


def command(text: str = "Чистка — 3 500 ₽", *, key: str = "row-1", **fields: Any) -> OutgoingCommand:
    return OutgoingCommand(key, str(USER), text, **fields)

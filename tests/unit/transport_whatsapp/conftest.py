"""An emulated WhatsApp with one number and one person who has written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.models.outgoing import OutgoingCommand
from battcrm.transport.base import ChannelAccount
from battcrm.transport.whatsapp.send import WhatsAppSender

TOKEN = "EAAdemo"
SECRET = "4pp5ecret"
VERIFY = "demo-verify-token"
NUMBER = "106540352242922"
WABA = "104567890123456"
PHONE = "79000009911"
BSUID = "RU.13491208655302741918"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
async def wa() -> AsyncIterator[WhatsAppEmulator]:
    async with WhatsAppEmulator(time_factor=0.001) as emulator:
        emulator.add_number(TOKEN, NUMBER, SECRET, waba_id=WABA)
        emulator.add_person(NUMBER, PHONE, BSUID)
        emulator.user_says(NUMBER, BSUID, "Здравствуйте")
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


def account(wa: WhatsAppEmulator, **settings: Any) -> ChannelAccount:
    secrets = {"token": TOKEN, "app_secret": SECRET, "verify_token": VERIFY}
    return ChannelAccount(
        UUID(int=1), UUID(int=2), "whatsapp", NUMBER, secrets, {"base_url": wa.url, "waba_id": WABA} | settings
    )


def sender(wa: WhatsAppEmulator, http: AioHttp, clock: ManualClock | None = None) -> WhatsAppSender:
    return WhatsAppSender(account(wa), http, clock=clock or ManualClock(NOW))


def command(text: str = "Ремонт 4 500 ₽", *, to: str = BSUID, **fields: Any) -> OutgoingCommand:
    return OutgoingCommand("row-1", to, text, **fields)

"""A platform that cannot be reached: nothing is given up, nobody else waits, and it goes on by itself."""

from __future__ import annotations

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.kit.errors import Transient
from tests.integration.channels.conftest import Shop, until

TOKEN = "700000001:AAHdemoDemoDemoDemoDemoDemoDemo"
KEY = "vk1.a.demoDemoDemo"
GROUP = 221004567
PERSON = 612345987


async def _states(shop: Shop) -> list[tuple[str, int]]:
    rows = await shop.fetch("SELECT state, attempts FROM outgoing WHERE tenant_id = $1 ORDER BY seq")
    return [(row["state"], row["attempts"]) for row in rows]


async def test_a_reply_outlives_ten_minutes_without_the_platform(shop: Shop) -> None:
    async with TelegramEmulator(time_factor=0.01) as telegram:
        telegram.add_bot(TOKEN)
        settings = {"base_url": telegram.url}
        await shop.life.add(shop.tenant_id, "telegram", secrets={"token": TOKEN}, settings=settings)
        telegram.user_says(TOKEN, PERSON, "Сколько стоит экран?")
        await until(shop.stored, "stored")
        await _darken(shop, telegram)
        await shop.reply("8 900 ₽")
        tries = 0
        for _ in range(600):
            tries += await shop.sender.step()
            shop.clock.advance(1.0)
        assert await _states(shop) == [("pending", 0)]
        assert 60 < tries < 200
        await telegram.come_back()
        for _ in range(20):
            await shop.sender.step()
            shop.clock.advance(1.0)
        assert [item.text for item in telegram.log.all] == ["8 900 ₽"]
        assert await _states(shop) == [("sent", 1)]


async def test_channels_at_one_dead_address_share_its_breaker_and_others_do_not(shop: Shop) -> None:
    async with TelegramEmulator(time_factor=0.01) as telegram, VkEmulator(time_factor=0.01) as vk:
        await _connect(shop, telegram, vk)
        await _darken(shop, telegram)
        for row in await shop.fetch("SELECT dialog_id FROM dialog WHERE tenant_id = $1"):
            await shop.reply("8 900 ₽", row["dialog_id"])
        for _ in range(30):
            await shop.sender.step()
            shop.clock.advance(1.0)
        assert [item.text for item in vk.log.all] == ["8 900 ₽"]
        assert sorted(state for state, _ in await _states(shop)) == ["pending", "pending", "sent"]
        await telegram.come_back()
        for _ in range(30):
            await shop.sender.step()
            shop.clock.advance(1.0)
        assert len(telegram.log.all) == 2


async def test_a_platform_that_swallows_messages_is_not_given_all_of_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("battcrm.transport.sender._SILENT", -1.0)
    async with TelegramEmulator(time_factor=0.01) as telegram:
        telegram.add_bot(TOKEN)
        settings = {"base_url": telegram.url}
        await shop.life.add(shop.tenant_id, "telegram", secrets={"token": TOKEN}, settings=settings)
        for number in range(5):
            telegram.user_says(TOKEN, PERSON + number, "Сколько стоит экран?")

        async def heard() -> bool:
            return len(await shop.stored()) == 5

        await until(heard, "five dialogues")
        telegram.faults.add(Fault("lost_answer"), method="sendmessage", times=3)
        for row in await shop.fetch("SELECT dialog_id FROM dialog WHERE tenant_id = $1"):
            await shop.reply("8 900 ₽", row["dialog_id"])
            await shop.sender.step()
        assert sorted(state for state, _ in await _states(shop)) == ["pending", "pending", *["unknown"] * 3]
        for _ in range(10):
            shop.clock.advance(1.0)
            await shop.sender.step()
        assert sorted(state for state, _ in await _states(shop)) == ["sent", "sent", *["unknown"] * 3]


async def _darken(shop: Shop, telegram: TelegramEmulator) -> None:
    """Away, with no connection left open: a call on a dying one has an outcome that nobody knows."""
    await telegram.go_dark()
    refused = 0
    while refused < 3:
        try:
            await shop.runtime.http.request("GET", telegram.url, idempotent=True)
        except Transient:
            refused += 1


async def _connect(shop: Shop, telegram: TelegramEmulator, vk: VkEmulator) -> None:
    other = TOKEN.replace("700000001", "700000002")
    for token in (TOKEN, other):
        telegram.add_bot(token)
        await shop.life.add(shop.tenant_id, "telegram", secrets={"token": token}, settings={"base_url": telegram.url})
        telegram.user_says(token, PERSON, "Сколько стоит экран?")
    vk.add_community(KEY, GROUP)
    await shop.life.add(
        shop.tenant_id, "vk", account_ref=str(GROUP), secrets={"token": KEY}, settings={"base_url": vk.url}
    )
    vk.user_says(KEY, PERSON, "Сколько стоит экран?")

    async def heard() -> bool:
        return len(await shop.stored()) == 3

    await until(heard, "three dialogues")

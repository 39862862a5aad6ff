"""A channel's whole life on its emulator: nothing is lost while its token is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.kit.errors import AuthExpired, Invalid, Permanent
from tests.integration.channels.conftest import Shop, until

BOT = 7012345678
TOKEN = f"{BOT}:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"
NEW = f"{BOT}:AAHnewwNewwNewwNewwNewwNewwNewwNeww1"
CHAT = 507318842
VK_TOKEN, GROUP, VK_USER = "vk1.a.demoDemoDemoDemoDemoDemoDemoKey", 221004567, 612345987


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(time_factor=0.01) as emulator:
        emulator.add_bot(TOKEN)
        yield emulator


@pytest.fixture
async def vk() -> AsyncIterator[VkEmulator]:
    async with VkEmulator(time_factor=0.01) as emulator:
        emulator.add_community(VK_TOKEN, GROUP)
        yield emulator


def reissue(emulator: TelegramEmulator) -> None:
    """BotFather gives a new token: the old one is dead, the bot is the same."""
    bot = emulator.bots.pop(TOKEN)
    bot.token, bot.revoked = NEW, False
    emulator.bots[NEW] = bot


async def connect(shop: Shop, emulator: TelegramEmulator, poll: bool = False) -> str:
    joined = await shop.life.add(
        shop.tenant_id, "telegram", secrets={"token": TOKEN}, settings={"base_url": emulator.url}, poll=poll
    )
    assert joined.problem is None
    return str(joined.view.channel_id)


async def test_a_whole_life(shop: Shop, telegram: TelegramEmulator) -> None:
    joined = await shop.life.add(
        shop.tenant_id, "telegram", secrets={"token": TOKEN}, settings={"base_url": telegram.url}
    )
    bot = telegram.bots[TOKEN]
    assert joined.view.account_ref == str(BOT)
    assert joined.link == f"https://t.me/{bot.username}"
    assert bot.webhook is not None
    assert bot.webhook.url == joined.hook_url
    assert bot.webhook.url.startswith(f"{shop.public_url}/hook/telegram/{joined.view.channel_id}/")
    assert bot.webhook.secret

    telegram.user_says(TOKEN, CHAT, "Сколько стоит экран на iPhone 13?")
    await telegram.delivered(TOKEN)
    assert [m["text"] for m in await shop.stored()] == ["Сколько стоит экран на iPhone 13?"]
    await shop.reply("8 900 ₽")
    await shop.sender.step()
    assert [r.text for r in telegram.log.of(str(BOT), str(CHAT))] == ["8 900 ₽"]

    bot.revoked = True
    telegram.user_says(TOKEN, CHAT, "А за час успеете?")
    await telegram.delivered(TOKEN)
    await shop.stored()
    await shop.reply("Успеем")
    await shop.sender.step()
    view, health = await shop.life.check(shop.tenant_id, "telegram")
    assert (view.state, health.state, view.waiting) == ("auth_expired", "token_revoked", 1)
    assert view.health["state"] == "token_revoked"

    reissue(telegram)
    renewed = await shop.life.enable(shop.tenant_id, "telegram", secrets={"token": NEW})
    assert (renewed.problem, renewed.view.state) == (None, "active")
    shop.clock.advance(16)
    await shop.sender.step()
    assert [r.text for r in telegram.log.of(str(BOT), str(CHAT))] == ["8 900 ₽", "Успеем"]
    telegram.user_says(NEW, CHAT, "Еду")
    await telegram.delivered(NEW)
    assert [m["text"] for m in await shop.stored()][1:] == ["А за час успеете?", "Еду"]
    states = await shop.fetch("SELECT state FROM outgoing WHERE tenant_id = $1")
    assert [row["state"] for row in states] == ["sent", "sent"]


async def test_refused_credentials_store_nothing(shop: Shop, telegram: TelegramEmulator) -> None:
    telegram.bots[TOKEN].revoked = True
    with pytest.raises(AuthExpired):
        await connect(shop, telegram)
    assert await shop.book.all(shop.tenant_id) == []


async def test_secrets_are_sealed_and_never_shown(shop: Shop, telegram: TelegramEmulator) -> None:
    with capture_logs() as logs:
        await connect(shop, telegram)
    row = await shop.row("SELECT * FROM channel WHERE tenant_id = $1")
    assert TOKEN.encode() not in row["secrets"]
    assert TOKEN not in f"{dict(row)}{logs}"


async def test_adding_an_account_again_renews_it(shop: Shop, telegram: TelegramEmulator) -> None:
    first = await connect(shop, telegram)
    reissue(telegram)
    joined = await shop.life.add(
        shop.tenant_id, "telegram", secrets={"token": NEW}, settings={"base_url": telegram.url}
    )
    assert (str(joined.view.channel_id), joined.renewed) == (first, True)
    assert len(await shop.book.all(shop.tenant_id)) == 1


async def test_another_accounts_token_is_not_taken(shop: Shop, telegram: TelegramEmulator) -> None:
    await connect(shop, telegram)
    other = "7000000001:AAHotherOtherOtherOtherOtherOther00"
    telegram.add_bot(other)
    with pytest.raises(Permanent, match="another account"):
        await shop.life.enable(shop.tenant_id, "telegram", secrets={"token": other})
    found = await shop.runtime.channels.find((await shop.book.all(shop.tenant_id))[0].channel_id)
    assert found is not None
    assert found.account.secrets["token"] == TOKEN


async def test_a_disabled_channel_is_quiet_until_enabled(shop: Shop, telegram: TelegramEmulator) -> None:
    await connect(shop, telegram)
    telegram.user_says(TOKEN, CHAT, "Добрый день")
    await telegram.delivered(TOKEN)
    await shop.stored()
    assert await shop.life.disable(shop.tenant_id, "telegram") is None
    assert telegram.bots[TOKEN].webhook is None
    await shop.reply("Здравствуйте")
    telegram.user_says(TOKEN, CHAT, "Вы тут?")
    await shop.sender.step()
    shop.clock.advance(200)
    await shop.work()
    assert telegram.log.of(str(BOT), str(CHAT)) == []
    await shop.life.enable(shop.tenant_id, "telegram")
    await telegram.delivered(TOKEN)
    assert [m["text"] for m in await shop.stored()] == ["Добрый день", "Вы тут?"]
    await shop.sender.step()
    assert [r.text for r in telegram.log.of(str(BOT), str(CHAT))] == ["Здравствуйте"]


async def test_removal_wipes_secrets_and_keeps_the_dialogue(shop: Shop, telegram: TelegramEmulator) -> None:
    await connect(shop, telegram)
    telegram.user_says(TOKEN, CHAT, "Добрый день")
    await telegram.delivered(TOKEN)
    await shop.life.remove(shop.tenant_id, "telegram")
    row = await shop.row("SELECT * FROM channel WHERE tenant_id = $1")
    assert (row["state"], row["secrets"]) == ("removed", b"")
    assert telegram.bots[TOKEN].webhook is None
    assert [m["text"] for m in await shop.stored()] == ["Добрый день"]
    assert await shop.book.all(shop.tenant_id) == []
    with pytest.raises(Invalid):
        await shop.life.enable(shop.tenant_id, "telegram")


async def test_without_a_public_address_telegram_is_polled(shop: Shop, telegram: TelegramEmulator) -> None:
    shop.life._probe._public_url = None
    with pytest.raises(Invalid) as refused:
        await connect(shop, telegram)
    assert "--poll" in refused.value.remedy
    await connect(shop, telegram, poll=True)
    assert telegram.bots[TOKEN].webhook is None
    assert (await shop.book.all(shop.tenant_id))[0].mode == "poll"


async def test_vk_confirms_and_is_switched_on_again(shop: Shop, vk: VkEmulator) -> None:
    joined = await shop.life.add(
        shop.tenant_id,
        "vk",
        account_ref=str(GROUP),
        secrets={"token": VK_TOKEN},
        settings={"base_url": vk.url},
    )
    community = vk.communities[VK_TOKEN]
    (server,) = community.servers.values()
    await until(lambda: server.status == "ok", "VK has the confirmation")
    assert joined.view.account_ref == str(GROUP)
    vk.user_says(VK_TOKEN, VK_USER, "Здравствуйте")
    await until(shop.stored, "VK's message is stored")

    server.status = "failed"  # what VK does after ten failed deliveries
    shop.clock.advance(200)
    with capture_logs() as logs:
        await shop.work()
    await until(lambda: server.status == "ok", "the server is on again")
    assert [entry["event"] for entry in logs].count("channel.mended") == 1
    vk.user_says(VK_TOKEN, VK_USER, "Вы ещё тут?")
    await until(lambda: _texts(shop, ["Здравствуйте", "Вы ещё тут?"]))


async def _texts(shop: Shop, wanted: list[str]) -> bool:
    return [m["text"] for m in await shop.stored()] == wanted


async def test_health_is_said_once_when_it_goes_and_once_when_it_is_back(
    shop: Shop, telegram: TelegramEmulator
) -> None:
    await connect(shop, telegram)
    telegram.faults.add(Fault("server_error"), method="getwebhookinfo", times=3)
    with capture_logs() as logs:
        for _ in range(6):
            shop.clock.advance(181)
            await shop.work()
    said = [(e["event"], e["state"]) for e in logs if e["event"].startswith("channel.")]
    assert said == [("channel.down", "unreachable"), ("channel.back", "ok")]


async def test_health_stops_a_channel_whose_token_died_and_starts_it_again(
    shop: Shop, telegram: TelegramEmulator
) -> None:
    await connect(shop, telegram)
    telegram.bots[TOKEN].revoked = True
    shop.clock.advance(181)
    await shop.work()
    assert (await shop.book.all(shop.tenant_id))[0].state == "auth_expired"
    telegram.bots[TOKEN].revoked = False
    shop.clock.advance(61)
    await shop.work()
    assert (await shop.book.all(shop.tenant_id))[0].state == "active"


async def test_rotation_seals_with_the_newest_key(shop: Shop, telegram: TelegramEmulator) -> None:
    from battcrm.kit.crypto import Vault

    await connect(shop, telegram)
    old, new = bytes(range(32)), bytes(range(32, 64))
    assert await shop.channels.rotate_secrets(shop.tenant_id) == (0, 1)
    shop.channels._vault = Vault([new, old])
    assert await shop.channels.rotate_secrets(shop.tenant_id) == (1, 1)
    row = await shop.row("SELECT channel_id, secrets FROM channel WHERE tenant_id = $1")
    assert Vault([new]).open(row["secrets"], row["channel_id"].bytes)["token"] == TOKEN
    with pytest.raises(Permanent):
        Vault([old]).open(row["secrets"], row["channel_id"].bytes)

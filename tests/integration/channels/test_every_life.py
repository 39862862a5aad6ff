"""The same life for every messenger: connect, talk, token revoked, health shown, new token, nothing lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import pytest

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator
from tests.integration.channels.conftest import Shop, until
from tests.support.waiting import PATIENCE

NUMBER = 221004567
PERSON = 612345987


class Side(Protocol):
    """A platform from its other side."""

    @property
    def emulator(self) -> Emulator: ...

    account_ref: str
    settings: Mapping[str, Any]
    secrets: dict[str, str]

    def says(self, text: str) -> None: ...

    def revoke(self) -> None: ...

    def reissue(self) -> dict[str, str]: ...


class Telegram:
    account_ref = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self.emulator = TelegramEmulator(time_factor=0.01)
        self.secrets = {"token": f"{NUMBER}:AAHdemoDemoDemoDemoDemoDemoDemo"}
        self.emulator.add_bot(self.secrets["token"])

    def says(self, text: str) -> None:
        self.emulator.user_says(self.secrets["token"], PERSON, text)

    def revoke(self) -> None:
        self.emulator.bots[self.secrets["token"]].revoked = True

    def reissue(self) -> dict[str, str]:
        bot = self.emulator.bots.pop(self.secrets["token"])
        self.secrets = {"token": f"{NUMBER}:AAHnewNewNewNewNewNewNewNewNewN"}
        bot.token, bot.revoked = self.secrets["token"], False
        self.emulator.bots[bot.token] = bot
        return self.secrets


class Vk:
    account_ref = str(NUMBER)
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self.emulator = VkEmulator(time_factor=0.01)
        self.secrets = {"token": "vk1.a.demoDemoDemo"}
        self.emulator.add_community(self.secrets["token"], NUMBER)

    def says(self, text: str) -> None:
        self.emulator.user_says(self.secrets["token"], PERSON, text)

    def revoke(self) -> None:
        self.emulator.communities[self.secrets["token"]].revoked = True

    def reissue(self) -> dict[str, str]:
        community = self.emulator.communities.pop(self.secrets["token"])
        self.secrets = {"token": "vk1.a.newNewNew"}
        community.token, community.revoked = self.secrets["token"], False
        self.emulator.communities[community.token] = community
        return self.secrets


class WhatsApp:
    account_ref = str(NUMBER)
    settings: Mapping[str, Any] = MappingProxyType({"waba_id": "104567890123456"})

    def __init__(self) -> None:
        self.emulator = WhatsAppEmulator(time_factor=0.01)
        self.secrets = {"token": "EAAdemo", "app_secret": "demo-app-secret"}
        self.number = self.emulator.add_number("EAAdemo", str(NUMBER), "demo-app-secret")

    def says(self, text: str) -> None:
        self.emulator.user_says(str(NUMBER), "79000009911", text)

    def revoke(self) -> None:
        self.number.revoked = True

    def reissue(self) -> dict[str, str]:
        self.number.token, self.number.revoked = "EAAnew", False
        return {"token": "EAAnew"}


class Avito:
    account_ref = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self.emulator = AvitoEmulator(time_factor=0.01, answer_in=PATIENCE)
        self.secrets = {"client_id": "demo", "client_secret": "demo-client-secret"}
        self.account = self.emulator.add_account("demo", "demo-client-secret", NUMBER)
        self.chat = self.emulator.open_chat(NUMBER)

    def says(self, text: str) -> None:
        self.emulator.user_says(NUMBER, self.chat, text)

    def revoke(self) -> None:
        self.account.revoked = True

    def reissue(self) -> dict[str, str]:
        self.account.client_secret, self.account.revoked = "new-client-secret", False
        self.account.tokens.clear()
        return {"client_secret": "new-client-secret"}


class Max:
    account_ref = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self.emulator = MaxEmulator(time_factor=0.01)
        self.secrets = {"token": "demo-max-bot-token"}
        self.bot = self.emulator.add_bot("demo-max-bot-token", NUMBER)

    def says(self, text: str) -> None:
        self.emulator.user_says(NUMBER, PERSON, text)

    def revoke(self) -> None:
        self.bot.revoked = True

    def reissue(self) -> dict[str, str]:
        self.bot.token, self.bot.revoked = "new-max-bot-token", False
        return {"token": "new-max-bot-token"}


SIDES: dict[str, type[Side]] = {"telegram": Telegram, "vk": Vk, "whatsapp": WhatsApp, "avito": Avito, "max": Max}


@pytest.fixture(params=sorted(SIDES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def side(kind: str) -> AsyncIterator[Side]:
    found = SIDES[kind]()
    async with found.emulator:
        yield found


async def test_nothing_is_lost_while_the_token_is_refused(shop: Shop, kind: str, side: Side) -> None:
    joined = await shop.life.add(
        shop.tenant_id,
        kind,
        account_ref=side.account_ref,
        secrets=side.secrets,
        settings={"base_url": side.emulator.url, **side.settings},
    )
    assert joined.problem is None
    assert joined.view.account_ref == str(NUMBER)
    await shop.work()

    side.says("Сколько стоит экран?")
    await _heard(shop, "Сколько стоит экран?")
    await shop.reply("8 900 ₽")
    await shop.sender.step()
    assert _shown(side) == ["8 900 ₽"]

    side.revoke()
    side.says("А за час успеете?")
    await _heard(shop, "Сколько стоит экран?", "А за час успеете?")
    await shop.reply("Успеем")
    shop.clock.advance(61)
    await shop.sender.step()
    await shop.work()
    view = (await shop.book.all(shop.tenant_id))[0]
    assert (view.state, view.health["state"], view.waiting) == ("auth_expired", "token_revoked", 1)

    renewed = await shop.life.enable(shop.tenant_id, kind, secrets=side.reissue())
    assert (renewed.problem, renewed.view.state) == (None, "active")
    await shop.sender.step()
    assert _shown(side) == ["8 900 ₽", "Успеем"]
    side.says("Еду")
    await _heard(shop, "Сколько стоит экран?", "А за час успеете?", "Еду")


def _shown(side: Side) -> list[str]:
    return [item.text for item in side.emulator.log.all]


async def _heard(shop: Shop, *texts: str) -> None:
    async def heard() -> bool:
        return [m["text"] for m in await shop.stored()] == list(texts)

    await until(heard, f"stored: {texts}")

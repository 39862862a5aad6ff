"""The five platforms of a run from their other side: accounts, people who write, what waits to be delivered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.devkit.emulators.base import Emulator, Received
from battcrm.devkit.emulators.delivery import WebhookQueue
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator

_FIRST_ACCOUNT: Final = {"telegram": 710_000, "vk": 720_000, "whatsapp": 730_000, "avito": 740_000, "max": 750_000}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the owner of an account would paste."""

    account_ref: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)


class Side(Protocol):
    """One platform. `sends` are its methods that show something to a person, `emits` its name for a webhook's fault."""

    kind: str
    sends: str
    emits: str

    @property
    def emulator(self) -> Emulator:
        """The server."""
        ...

    def register(self, tenant: int) -> Credentials:
        """Make the tenant's account."""
        ...

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        """A person writes: the chat and the message as our tables name them."""
        ...

    def queues(self) -> Iterable[WebhookQueue]:
        """What is delivered by."""
        ...

    def typing(self) -> int:
        """How often people were shown that an answer is being written."""
        ...


def account_of(kind: str, tenant: int) -> int:
    """The number of a tenant's account; no two accounts of a run share one."""
    return (_FIRST_ACCOUNT[kind] + tenant) * 100


class _Telegram:
    kind, sends, emits = "telegram", "sendmessage", "update"

    def __init__(self) -> None:
        self.emulator = TelegramEmulator()

    def register(self, tenant: int) -> Credentials:
        self.emulator.add_bot(self._token(tenant))
        return Credentials(secrets={"token": self._token(tenant)})

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        return str(person), str(self.emulator.user_says(self._token(tenant), person, text))

    def queues(self) -> Iterable[WebhookQueue]:
        return (bot.queue for bot in self.emulator.bots.values())

    def typing(self) -> int:
        return sum(len(bot.actions) for bot in self.emulator.bots.values())

    def _token(self, tenant: int) -> str:
        return f"{account_of(self.kind, tenant)}:{'B' * 35}"


class _Vk:
    kind, sends, emits = "vk", "messages.send", "event"

    def __init__(self) -> None:
        self.emulator = VkEmulator()

    def register(self, tenant: int) -> Credentials:
        group = account_of(self.kind, tenant)
        self.emulator.add_community(self._token(tenant), group)
        return Credentials(str(group), {"token": self._token(tenant)})

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        token = self._token(tenant)
        seq = self.emulator.user_says(token, person, text)
        return str(person), str(self.emulator.communities[token].peers[person].messages[seq]["id"])

    def queues(self) -> Iterable[WebhookQueue]:
        servers = (server for c in self.emulator.communities.values() for server in c.servers.values())
        return (server.queue for server in servers if server.queue is not None)

    def typing(self) -> int:
        actions = [action for c in self.emulator.communities.values() for action in c.actions]
        return sum(1 for _, _, what in actions if what == "typing")

    def _token(self, tenant: int) -> str:
        return f"vk1.a.bench{tenant}"


class _WhatsApp:
    kind, sends, emits = "whatsapp", "messages", "webhook"

    def __init__(self) -> None:
        self.emulator = WhatsAppEmulator()

    def register(self, tenant: int) -> Credentials:
        number = str(account_of(self.kind, tenant))
        token, waba = f"EAAbench{tenant}", f"1045678{tenant:04d}"
        self.emulator.add_number(token, number, "bench-app-secret", waba_id=waba)
        return Credentials(number, {"token": token, "app_secret": "bench-app-secret"}, {"waba_id": waba})

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        number, phone = str(account_of(self.kind, tenant)), f"7{person:010d}"
        wamid = self.emulator.user_says(number, phone, text)
        known = self.emulator.numbers[number].person(phone)
        return known.chat if known else phone, wamid

    def queues(self) -> Iterable[WebhookQueue]:
        return (number.queue for number in self.emulator.numbers.values())

    def typing(self) -> int:
        return sum(len(number.actions) for number in self.emulator.numbers.values())


class _Avito:
    kind, sends, emits = "avito", "messages", "webhook"

    def __init__(self) -> None:
        self.emulator = AvitoEmulator()

    def register(self, tenant: int) -> Credentials:
        client = f"bench{tenant}"
        self.emulator.add_account(client, "bench-client-secret", account_of(self.kind, tenant))
        return Credentials(secrets={"client_id": client, "client_secret": "bench-client-secret"})

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        account = account_of(self.kind, tenant)
        chat = self.emulator.open_chat(account, person)
        return chat, self.emulator.user_says(account, chat, text)

    def queues(self) -> Iterable[WebhookQueue]:
        return (queue for account in self.emulator.accounts.values() for queue in account.queues.values())

    def typing(self) -> int:
        return 0


class _Max:
    kind, sends, emits = "max", "messages", "webhook"

    def __init__(self) -> None:
        self.emulator = MaxEmulator()

    def register(self, tenant: int) -> Credentials:
        token = f"bench-max-bot-{tenant}"
        self.emulator.add_bot(token, account_of(self.kind, tenant))
        return Credentials(secrets={"token": token})

    def say(self, tenant: int, person: int, text: str) -> tuple[str, str]:
        bot = account_of(self.kind, tenant)
        mid = self.emulator.user_says(bot, person, text)
        return str(self.emulator.dialog(bot, person).chat_id), mid

    def queues(self) -> Iterable[WebhookQueue]:
        return (s.queue for bot in self.emulator.bots.values() for s in bot.subscriptions.values())

    def typing(self) -> int:
        return sum(len(bot.actions) for bot in self.emulator.bots.values())


def sides() -> dict[str, Side]:
    """All five, not started."""
    made: tuple[Side, ...] = (_Telegram(), _Vk(), _WhatsApp(), _Avito(), _Max())
    return {side.kind: side for side in made}


def shown(side: Side) -> list[Received]:
    """What people were sent, in order; edits are no messages of their own."""
    return [item for item in side.emulator.log.all if item.method.lower().startswith(("send", side.sends))]

"""The people on the other side of the two doors: a Telegram user and a visitor of the chat page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.telegram.methods import new_chat
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Permanent
from battcrm.kit.ids import IdFactory
from battcrm.kit.text import loads


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person was shown."""

    text: str
    buttons: tuple[str, ...] = ()


class Guest(Protocol):
    """A person in one chat. Every act returns when the shop has accepted it."""

    @property
    def chat(self) -> str:
        """The chat as the channel names it."""
        ...

    async def say(self, *texts: str) -> None:
        """Write one message after the other."""
        ...

    async def twice(self, text: str) -> None:
        """Write once; the platform delivers it twice."""
        ...

    async def edit(self, text: str) -> None:
        """Change the last message."""
        ...

    async def press(self, title: str) -> None:
        """Press the newest button with this title."""
        ...

    async def received(self) -> list[Reply]:
        """Everything the shop has said so far."""
        ...


class TelegramGuest:
    """A person with the emulated Telegram."""

    def __init__(self, emulator: TelegramEmulator, token: str, chat: int, name: str) -> None:
        self._emulator, self._token, self._chat = emulator, token, chat
        self._last = 0
        bot = emulator.bot(token)
        if bot is not None:
            new_chat(bot, chat, name)

    @property
    def chat(self) -> str:
        """The chat's id."""
        return str(self._chat)

    async def say(self, *texts: str) -> None:
        """Messages through the webhook."""
        for text in texts:
            self._last = self._emulator.user_says(self._token, self._chat, text)
        await self._emulator.delivered(self._token)

    async def twice(self, text: str) -> None:
        """The same update two times."""
        bot = self._token.partition(":")[0]
        self._emulator.faults.add(Fault("duplicate"), method="update", account=bot, chat=self.chat)
        await self.say(text)

    async def edit(self, text: str) -> None:
        """An `edited_message`."""
        self._emulator.edit(self._token, self._chat, self._last, text)
        await self._emulator.delivered(self._token)

    async def press(self, title: str) -> None:
        """A callback query."""
        try:
            self._emulator.press(self._token, self._chat, title)
        except KeyError as error:
            raise Permanent(f"there is no button {title!r}", code="no_button") from error
        await self._emulator.delivered(self._token)

    async def received(self) -> list[Reply]:
        """Messages the emulator was asked to show."""
        bot = self._token.partition(":")[0]
        return [Reply(item.text, item.buttons) for item in self._emulator.log.of(bot, self.chat)]


@dataclass(slots=True)
class WebGuest:
    """A visitor of the chat page, through its public API."""

    http: AioHttp
    url: str
    name: str
    ids: IdFactory
    token: str = ""
    visitor: str = ""
    _sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def chat(self) -> str:
        """The visitor's id."""
        return self.visitor

    async def enter(self) -> None:
        """Open the page: a session."""
        session = await self._call("POST", "session", {})
        self.token, self.visitor = str(session["token"]), str(session["visitor_id"])

    async def say(self, *texts: str) -> None:
        """Messages with client-made ids."""
        for text in texts:
            await self._post({"text": text})

    async def twice(self, text: str) -> None:
        """The page repeats a message whose answer it did not see."""
        await self._post({"text": text})
        await self._call("POST", "messages", self._sent[-1])

    async def edit(self, text: str) -> None:
        """The page has no editing."""
        raise Permanent(f"the web chat cannot edit to {text!r}", code="unsupported")

    async def press(self, title: str) -> None:
        """A button of the newest reply that has it."""
        for item in reversed(await self._history()):
            for button in item["buttons"]:
                if button["title"] == title:
                    await self._post({"button": {"payload": button["payload"], "title": title}})
                    return
        raise Permanent(f"there is no button {title!r}", code="no_button")

    async def received(self) -> list[Reply]:
        """The shop's side of the history."""
        shown = [item for item in await self._history() if item["author"] == "shop"]
        return [Reply(item["text"], tuple(b["title"] for b in item["buttons"])) for item in shown]

    async def _history(self) -> list[dict[str, Any]]:
        answer = await self._call("GET", "history")
        items: list[dict[str, Any]] = answer["items"]
        return items

    async def _post(self, content: dict[str, Any]) -> None:
        message = {"client_message_id": str(self.ids.new()), "name": self.name, **content}
        self._sent.append(message)
        await self._call("POST", "messages", message)

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self.http.request(method, f"{self.url}/{path}", headers=headers, json=body)
        if answer.status >= 300:
            raise Permanent(f"the web chat answered {answer.status}", code="webchat")
        document: dict[str, Any] = loads(answer.body)
        return document

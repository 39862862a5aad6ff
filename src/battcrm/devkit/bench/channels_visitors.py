"""People on the web chat: a session, messages, and the page's event stream, over the gateway's own HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from battcrm.kit.text import dumps, loads

_PATIENCE: Final = 40.0
_AGAIN: Final = 0.5


@dataclass(slots=True)
class _Visitor:
    """One open page. `seen` = items of the shop by id, with the moment each was shown."""

    channel: str
    address: str
    token: str = ""
    visitor: str = ""
    messages: int = 0
    last_word: float = 0.0
    seen: dict[str, tuple[float, str]] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None


class Visitors:
    """Everybody on the chat pages of a run. Each person comes from an address of their own, as the limits expect."""

    def __init__(self, gateway: str, channels: list[str]) -> None:
        parts = urlsplit(gateway)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._channels = channels
        self._people: dict[int, _Visitor] = {}
        self._pages = asyncio.TaskGroup()
        self.ack_ms: list[float] = []
        self.refused = 0

    async def __aenter__(self) -> Visitors:
        await self._pages.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        for person in self._people.values():
            if person.reading is not None:
                person.reading.cancel()
        await self._pages.__aexit__(*failure)

    async def say(self, tenant: int, number: int, text: str, *, twice: bool) -> tuple[str, str]:
        """A person writes: chat and message as our tables name them."""
        person = await self._entered(tenant, number)
        person.messages += 1
        ident = f"m{number}-{person.messages}"
        body = {"client_message_id": ident, "text": text}
        for _ in range(2 if twice else 1):
            began = time.monotonic()
            await self._insist(person, "POST", "messages", body)
            self.ack_ms.append((time.monotonic() - began) * 1000)
        person.last_word = time.monotonic()
        if person.reading is None or person.reading.done():
            person.reading = self._pages.create_task(self._read(person))
        return person.visitor, ident

    async def shown(self) -> list[dict[str, Any]]:
        """What every page shows in the end, read once more as a reloaded page would."""
        found = []
        for person in self._people.values():
            items = (await self._insist(person, "GET", "history"))["items"]
            ours = [item for item in items if item["author"] == "shop"]
            for item in ours:
                at, text = person.seen.get(item["id"], (None, item["text"]))
                found.append({"chat": person.visitor, "message_id": item["id"], "text": text, "at": at})
        return found

    async def _entered(self, tenant: int, number: int) -> _Visitor:
        person = self._people.get(number)
        if person is None:
            address = f"127.{2 + number // 60_000 % 200}.{number // 250 % 240 + 1}.{number % 250 + 1}"
            person = self._people[number] = _Visitor(self._channels[tenant], address)
            session = await self._insist(person, "POST", "session", {})
            person.token, person.visitor = session["token"], session["visitor_id"]
        return person

    async def _insist(self, person: _Visitor, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Repeated until it is accepted, as the page does; the message keeps its id."""
        while True:
            try:
                async with asyncio.timeout(15):
                    status, answer = await self._call(person, method, path, body)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                status, answer = 0, b""
            if 200 <= status < 300:
                decoded: dict[str, Any] = loads(answer)
                return decoded
            self.refused += 1
            await asyncio.sleep(_AGAIN)

    async def _call(self, person: _Visitor, method: str, path: str, body: Any) -> tuple[int, bytes]:
        reader, writer = await self._open(person, method, path, dumps(body) if body is not None else b"")
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head[9:12]), await reader.read()
        finally:
            writer.close()

    async def _open(
        self, person: _Visitor, method: str, path: str, body: bytes
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port, local_addr=(person.address, 0))
        head = [
            f"{method} /chat/{person.channel}/{path} HTTP/1.1",
            f"Host: {self._host}",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if person.token:
            head.append(f"Authorization: Bearer {person.token}")
        writer.write("\r\n".join((*head, "", "")).encode() + body)
        return reader, writer

    async def _read(self, person: _Visitor) -> None:
        """Keep the page open until its last word was long ago; a broken stream is opened again."""
        while time.monotonic() - person.last_word < _PATIENCE:
            try:
                async with asyncio.timeout(_PATIENCE):
                    async for item in self._events(person):
                        if item["author"] == "shop":
                            person.seen.setdefault(item["id"], (time.monotonic(), item["text"]))
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(_AGAIN)

    async def _events(self, person: _Visitor) -> AsyncIterator[dict[str, Any]]:
        last = max(person.seen, key=int, default="")
        reader, writer = await self._open(person, "GET", f"events?after={last}" if last else "events", b"")
        try:
            await reader.readuntil(b"\r\n\r\n")
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    yield loads(line.removeprefix(b"data: "))
        finally:
            writer.close()

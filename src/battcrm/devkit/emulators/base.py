"""What every emulator has: a loopback server, scripted faults, and a log of what it received.

An emulator is strict about its vendor's wire format and knows nothing of our code's types. It runs inside a test's event
loop or as a process of its own (`python -m battcrm.devkit.emulators.<kind> --port N`).
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.text import dumps

ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with a call.

    `rate_limited` (wait `seconds`), `server_error` (answer `status`, nothing done), `slow` (answer after `seconds`),
    `lost_answer` (done, then the connection is cut), `revoked` (credentials refused), `blocked` (recipient refuses us);
    an emulator may know more and ignores none.
    """

    kind: str
    seconds: float = 1.0
    status: int = 502


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    method: str
    account: str
    chat: str
    left: int


class Faults:
    """Faults to come, first match first."""

    def __init__(self) -> None:
        self._script: deque[_Scripted] = deque()

    def add(self, fault: Fault, *, method: str = ANY, account: str = ANY, chat: str = ANY, times: int = 1) -> None:
        """The next `times` matching calls suffer the fault."""
        self._script.append(_Scripted(fault, method.lower(), account, chat, times))

    def take(self, method: str, account: str, chat: str) -> Fault | None:
        """The fault for this call, used up; None = all is well."""
        if not self._script:
            return None
        for item in self._script:
            if item.method in (ANY, method) and item.account in (ANY, account) and item.chat in (ANY, chat):
                item.left -= 1
                if item.left <= 0:
                    self._script.remove(item)
                return item.fault
        return None

    def clear(self) -> None:
        """All is well from now on."""
        self._script.clear()


@dataclass(slots=True)
class Received:
    """One message that reached the platform and would be shown to the person. `at` is seconds of the monotonic clock."""

    at: float
    account: str
    chat: str
    method: str
    message_id: str
    text: str = ""
    buttons: tuple[str, ...] = ()
    attachment: str | None = None
    payload: dict[str, Any] = field(default_factory=dict, repr=False)


class ReceivedLog:
    """Everything that was shown, in order and by chat. Appending is all it costs."""

    def __init__(self) -> None:
        self.all: list[Received] = []
        self.by_chat: dict[tuple[str, str], list[Received]] = defaultdict(list)
        self.listeners: list[Callable[[Received], None]] = []

    def add(self, item: Received) -> None:
        """Record one message and tell the listeners (synchronously; they must be quick)."""
        self.all.append(item)
        self.by_chat[item.account, item.chat].append(item)
        for listener in self.listeners:
            listener(item)

    def of(self, account: str, chat: str) -> list[Received]:
        """What one chat was shown."""
        return list(self.by_chat.get((account, chat), ()))


class Emulator:
    """A loopback server. Subclasses add routes to `app` in their constructor; `async with` starts and stops it."""

    def __init__(self, *, clock: Clock | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.clock: Clock = clock or SystemClock()
        self.faults = Faults()
        self.log = ReceivedLog()
        self.app = web.Application(client_max_size=64 * 1024 * 1024)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._held: socket.socket | None = None
        self._host, self._port = host, port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, without a slash; known once started."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> Self:
        """Listen; port 0 picks a free one."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await self._runner.setup()
        await self.come_back()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def come_back(self) -> None:
        """Listen again after `go_dark`, at the same address."""
        if self._runner is not None and self._site is None:
            self._leave_port()
            self._site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
            await self._site.start()

    async def go_dark(self) -> None:
        """Be unreachable: new connections are refused, open ones end once their call is answered. Webhooks go on."""
        if self._runner is None or self._site is None:
            return
        site, self._site = self._site, None
        await site.stop()
        self._held = _hold(self._host, self._port)
        server = self._runner.server
        open_now = list(server.connections) if server is not None else []
        await asyncio.gather(*(connection.shutdown(1.0) for connection in open_now))

    def _leave_port(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    async def stop(self) -> None:
        """Close the listener and every connection."""
        self._leave_port()
        if self._runner is not None:
            runner, self._runner, self._site = self._runner, None, None
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _hold(host: str, port: int) -> socket.socket:
    """A socket that has the port and does not listen: who connects is refused, and nobody else gets the port."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, port))
    return held


def json_answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=dumps(document), status=status, content_type="application/json", headers=headers)


def cut_connection(request: web.Request) -> web.Response:
    """Close the client's connection without an answer; return the result from the handler."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)

"""A TCP proxy whose line can be made slow, thin, deaf or dead while connections run through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Final, Self

_CHUNK: Final = 64 * 1024
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Link:
    """One connection: two streams to either side. `asked` since something was sent up that was not answered yet."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    asked: bool = False

    def reset(self) -> None:
        """RST to both sides, as a firewall or a dying kernel does it."""
        for writer in (self.near, self.far):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass
class Proxy:
    """Stands before one server. `in_doubt` counts calls that were cut while their answer was outstanding."""

    host: str
    port: int
    delay: float = 0.0
    """Seconds that every chunk waits, in either direction."""
    bandwidth: float | None = None
    """Bytes a second for each direction of a connection."""
    mute: bool = False
    """Requests pass, answers vanish."""
    in_doubt: int = 0
    here: int = 0
    _server: asyncio.Server | None = None
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> Self:
        """Listen on a free port, `here`."""
        self._flowing.set()
        await self.listen()
        return self

    async def listen(self) -> None:
        """Take connections (again, at the same port)."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.here)
            self.here = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Nobody listens any more; what is connected is reset."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
        self.reset()

    def reset(self) -> None:
        """Cut every connection."""
        for link in list(self._links):
            self.in_doubt += link.asked
            link.reset()

    def freeze(self) -> None:
        """Half-open: connections stay and nothing passes, in no direction, until `thaw` or `reset`."""
        self._flowing.clear()

    def thaw(self) -> None:
        """What was held passes."""
        self._flowing.set()

    def heal(self) -> None:
        """No fault any more, for connections that are there or will come."""
        self.delay, self.bandwidth, self.mute = 0.0, None, False
        self.thaw()

    async def stop(self) -> None:
        """Cut everything and close."""
        self.heal()
        while self._tasks:
            await self.refuse()
            await asyncio.wait(list(self._tasks), timeout=0.5)
        await self.refuse()

    async def _connected(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            back, far = await asyncio.open_connection(self.host, self.port)
        except OSError:
            near.transport.abort()
            return
        link = _Link(near, far)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link, reader, far, up=True))
                group.create_task(self._pump(link, back, near, up=False))
        finally:
            self._links.discard(link)
            near.transport.abort()
            far.transport.abort()

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                link.asked = up or (link.asked and self.mute)
                await self._pass(data)
                if self.mute and not up:
                    continue
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    async def _pass(self, data: bytes) -> None:
        await self._flowing.wait()
        wait = self.delay + (len(data) / self.bandwidth if self.bandwidth else 0.0)
        if wait:
            await asyncio.sleep(wait)

"""The load generator's process: sends the plan's calls at their moments, whatever the answers do (open loop)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from battcrm.devkit.bench.plan import Call, load

_TIMEOUT: Final = 15.0


class Sockets:
    """Keep-alive HTTP/1.1 connections to one host; just enough of a client to cost little."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def post(self, path: str, body: bytes, secret: str) -> int:
        """Status of the answer; raises OSError when the connection breaks."""
        reader, writer = self._idle.pop() if self._idle else await self._open()
        try:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
                f"X-Telegram-Bot-Api-Secret-Token: {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            raw = await reader.readuntil(b"\r\n\r\n")
            status = int(raw[9:12])
            length = _length(raw)
            if length:
                await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return status

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


async def run(calls: list[Call], hooks: list[tuple[str, str]], base: str, start: float) -> list[list[float | int]]:
    """Send everything; rows of (index, scheduled, sent, answered, status) on the monotonic clock. Status 0 = no answer."""
    parts = urlsplit(base)
    sockets = Sockets(parts.hostname or "127.0.0.1", parts.port or 80)
    log: list[list[float | int]] = []

    async def one(index: int, call: Call, scheduled: float) -> None:
        path, secret = hooks[call.tenant]
        for attempt in range(6):
            sent = time.monotonic()
            try:
                async with asyncio.timeout(_TIMEOUT):
                    status = await sockets.post(path, call.body, secret)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                status = 0
            log.append([index, scheduled, sent, time.monotonic(), status])
            if 200 <= status < 300:
                return
            # The platform's own behaviour: anything but 2xx is delivered again, later and later.
            await asyncio.sleep(0.5 * 2**attempt)

    async with asyncio.TaskGroup() as group:
        for index, call in enumerate(calls):
            scheduled = start + call.at
            delay = scheduled - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            group.create_task(one(index, call, scheduled))
    sockets.close()
    return log


def main() -> None:
    """`python -m battcrm.devkit.bench.generator PLAN HOOKS BASE START OUT`."""
    plan, hooks, base, start, out = sys.argv[1:6]
    calls = load(Path(plan))
    pairs = [(path, secret) for path, secret in orjson.loads(Path(hooks).read_bytes())]
    try:
        import uvloop

        rows = uvloop.run(run(calls, pairs, base, float(start)))
    except ImportError:
        rows = asyncio.run(run(calls, pairs, base, float(start)))
    Path(out).write_bytes(orjson.dumps(rows))


if __name__ == "__main__":
    main()

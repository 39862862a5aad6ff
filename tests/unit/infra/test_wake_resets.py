"""A connection to Redis that breaks under a writer, on the loop that production runs: the signals go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from battcrm.infra.redis import AWAY
from battcrm.infra.wake import Wakeups
from tests.support.waiting import eventually


class _Pipe:
    """What redis-py does on uvloop when the transport was closed a moment ago."""

    def __init__(self, broken: list[Exception], sent: list[str]) -> None:
        self._broken, self._sent, self._names = broken, sent, list[str]()

    async def __aenter__(self) -> _Pipe:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def publish(self, name: str, _data: bytes) -> None:
        self._names.append(name)

    async def execute(self) -> None:
        if self._broken:
            raise self._broken.pop()
        self._sent.extend(self._names)


class _Redis:
    def __init__(self, *broken: Exception) -> None:
        self.broken, self.sent = list(broken), list[str]()

    def pipeline(self, transaction: bool) -> _Pipe:
        return _Pipe(self.broken, self.sent)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
        ConnectionResetError("reset"),
    ],
)
async def test_publishing_survives_a_closed_transport(error: Exception) -> None:
    redis: Any = _Redis(error)
    wakeups = Wakeups(redis)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(wakeups._publish(redis))
        wakeups.notify("lost")
        await eventually(lambda: not redis.broken)

        def kept() -> bool:
            wakeups.notify("kept")
            return bool(redis.sent)

        await eventually(kept)
        task.cancel()
    assert redis.sent[0] == "wake:kept"
    assert isinstance(error, AWAY)

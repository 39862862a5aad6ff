"""Wake-ups: what is due now is looked at now. Only a hint: every sleeper also polls once a second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis

from battcrm.infra.redis import AWAY

log = structlog.get_logger(__name__)
PREFIX: Final = "wake:"
_GATHER: Final = 0.01


class Wakeups:
    """Named signals between roles: at once inside the process, over Redis pub/sub between processes.

    Publishing is fire and forget and coalesced: while one publish of a name is on its way, further ones are one. What a
    process has published itself it has acted upon already.
    """

    def __init__(self, redis: Redis | None = None) -> None:
        self._redis = redis
        self._own = os.urandom(8)
        self._events: dict[str, asyncio.Event] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._pending: set[str] = set()
        self._publisher: asyncio.Event = asyncio.Event()

    def notify(self, name: str) -> None:
        """Wake everybody who waits for `name`, here and elsewhere. Never blocks, never fails."""
        self._signal(name)
        if self._redis is not None:
            self._pending.add(name)
            self._publisher.set()

    async def flush(self) -> None:
        """Publish what waits, now: for short-lived commands, which never `run`. Without Redis nothing happens."""
        if self._redis is None or not self._pending:
            return
        names, self._pending = self._pending, set()
        try:
            for name in names:
                await self._redis.publish(PREFIX + name, self._own)
        except AWAY as error:
            log.warning("wakeups.lost", error=type(error).__name__)

    def listen(self, name: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on every signal; returns the function that stops it."""
        self._listeners.setdefault(name, []).append(callback)
        return lambda: self._listeners[name].remove(callback)

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait for a signal at most `seconds`; True if there was one."""
        event = self._events.setdefault(name, asyncio.Event())
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            event.clear()
        return True

    async def run(self) -> None:
        """Carry signals to and from Redis until cancelled; without Redis there is nothing to do."""
        if self._redis is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(self._redis))
            group.create_task(self._subscribe(self._redis))

    def _signal(self, name: str) -> None:
        event = self._events.get(name)
        if event is not None:
            event.set()
        for callback in self._listeners.get(name, ()):
            callback()

    async def _publish(self, redis: Redis) -> None:
        while True:
            await self._publisher.wait()
            self._publisher.clear()
            names, self._pending = self._pending, set()
            try:
                async with redis.pipeline(transaction=False) as pipe:
                    for name in names:
                        pipe.publish(PREFIX + name, self._own)
                    await pipe.execute()
            except AWAY:
                # A lost hint costs at most one poll interval.
                await asyncio.sleep(0.5)
            await asyncio.sleep(_GATHER)

    async def _subscribe(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.psubscribe(PREFIX + "*")
                    while True:
                        message = await pubsub.get_message(timeout=30.0)
                        if message is not None and message["data"] != self._own:
                            self._signal(_text(message["channel"]).removeprefix(PREFIX))
            except AWAY as error:
                log.warning("wakeups.lost", error=type(error).__name__)
                await asyncio.sleep(1.0)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

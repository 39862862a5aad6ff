"""Typing signals to messengers: few, late ones dropped, beside the sending and never before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from battcrm.infra.postgres import UNAVAILABLE
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import Capabilities, HttpClient
from battcrm.transport.limits import SendLimits
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
_AT_ONCE: Final = 8
_WAITING: Final = 100
_LONGEST: Final = 3.0
_AGAIN: Final = 5.0
_SHARE: Final = 0.1


class TypingSignals:
    """One process's share. A tenth of what a platform allows is used at most; what comes too fast is dropped."""

    def __init__(self, channels: ChannelDirectory, clock: Clock, http_for: Callable[[Connected], HttpClient]) -> None:
        self._channels = channels
        self._clock = clock
        self._http_for = http_for
        self._wanted: asyncio.Queue[tuple[UUID, str, str | None]] = asyncio.Queue(_WAITING)
        self._limits: dict[UUID, SendLimits] = {}

    def writing(self, channel_id: UUID, chat: str, message_id: str | None) -> None:
        """An answer is being written in the chat."""
        if not self._wanted.full():
            self._wanted.put_nowait((channel_id, chat, message_id))

    async def run(self) -> None:
        """Send signals until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            channel_id, chat, message_id = await self._wanted.get()
            try:
                async with asyncio.timeout(_LONGEST):
                    await self._show(channel_id, chat, message_id)
            except (BattError, TimeoutError, *UNAVAILABLE) as error:
                log.debug("typing.dropped", channel_id=str(channel_id), error=type(error).__name__)

    async def _show(self, channel_id: UUID, chat: str, message_id: str | None) -> None:
        connected = await self._channels.find(channel_id)
        if connected is None or connected.state != "active":
            return
        manifest = manifest_of(connected.account.kind)
        if not manifest.capabilities.typing:
            return
        if self._limit(channel_id, manifest.capabilities).try_acquire(chat) > 0.0:
            return
        await manifest.sender(connected.account, self._http_for(connected)).typing(chat, message_id)

    def _limit(self, channel_id: UUID, capabilities: Capabilities) -> SendLimits:
        found = self._limits.get(channel_id)
        if found is None:
            rate = max(1.0, capabilities.per_second * _SHARE)
            found = SendLimits(self._clock, rate=rate, chat_interval=_AGAIN, burst=1, chat_burst=1)
            self._limits[channel_id] = found
        return found

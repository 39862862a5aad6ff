"""How fast one account may speak: a bucket for the channel, one per chat, and a gate the platform can close.

In process only; what several processes share (the gate in the channel's row, Redis counters) is the out worker's.
"""

from __future__ import annotations

from typing import Final

from battcrm.kit.clock import Clock
from battcrm.transport.base import Capabilities

_KEPT_CHATS: Final = 10_000
_ROUNDING: Final = 1e-5


class SendLimits:
    """Generic cell rate limits in seconds of the injected clock. One instance per connected account.

    `rate` is messages a second for the account, `chat_interval` seconds between messages of one chat; both allow a
    short burst. Waiting is fair in order of arrival within one chat.
    """

    def __init__(
        self, clock: Clock, *, rate: float, chat_interval: float, burst: int | None = None, chat_burst: int = 3
    ) -> None:
        self._clock = clock
        self._step = 1.0 / rate if rate > 0 else 0.0
        self._slack = self._step * max(0, (burst if burst is not None else max(1, int(rate))) - 1)
        self._chat_step = max(0.0, chat_interval)
        self._chat_slack = self._chat_step * max(0, chat_burst - 1)
        self._next = 0.0
        self._gate = 0.0
        self._chats: dict[str, float] = {}
        self._sweep_at = _KEPT_CHATS

    @classmethod
    def of(cls, capabilities: Capabilities, clock: Clock) -> SendLimits:
        """Limits as the channel's manifest declares them."""
        return cls(clock, rate=capabilities.per_second, chat_interval=capabilities.per_chat_interval)

    def hold(self, retry_after: float, chat: str | None = None) -> None:
        """The platform asked for a pause: of one chat, or of the whole account. A gate never moves earlier."""
        until = self._clock.monotonic() + max(0.0, retry_after)
        if chat is None:
            self._gate = max(self._gate, until)
        else:
            self._chats[chat] = max(self._chats.get(chat, 0.0), until + self._chat_slack)

    def wait(self, chat: str) -> float:
        """Seconds until a message to the chat may go, without booking it; 0.0 = now."""
        now = self._clock.monotonic()
        chat_at = self._chats.get(chat, 0.0) - self._chat_slack
        delay = max(self._gate - now, self._next - self._slack - now, chat_at - now)
        return delay if delay > _ROUNDING else 0.0

    def try_acquire(self, chat: str) -> float:
        """Book one message if it may go now and return 0.0; otherwise book nothing and return the seconds to wait."""
        delay = self.wait(chat)
        if delay > 0.0:
            return delay
        now = self._clock.monotonic()
        self._next = max(self._next, now) + self._step
        if self._chat_step:
            self._chats[chat] = max(self._chats.get(chat, 0.0), now) + self._chat_step
            if len(self._chats) > self._sweep_at:
                self._forget(now)
        return 0.0

    async def acquire(self, chat: str) -> None:
        """Wait until one message to the chat may go, and book it. Cancelling while waiting books nothing."""
        while (delay := self.try_acquire(chat)) > 0.0:
            await self._clock.sleep(delay)

    def _forget(self, now: float) -> None:
        """Drop chats whose bucket is full again: forgetting them changes nothing. Amortised over as many bookings."""
        self._chats = {chat: at for chat, at in self._chats.items() if at > now}
        self._sweep_at = max(_KEPT_CHATS, 2 * len(self._chats))

"""Reconciliation: read what the webhook may have missed. Avito promises no retries, so this is how nothing is lost."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, Final

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import Invalid, Permanent
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.avito.client import LAST_OFFSET, PAGE, AvitoApi, Chat
from battcrm.transport.avito.parse import from_history
from battcrm.transport.base import ChannelAccount, HttpClient

INTERVAL: Final = 30.0
OVERLAP: Final = 600
FIRST_LOOK: Final = 86_400

Batch = tuple[list[UnifiedMessage], list[bytes], str]


class AvitoPoller:
    """Reads unread chats every `interval` seconds. Its messages have the dedup keys of their webhooks.

    The offset is the newest time seen, in Unix seconds. Each round reads ten minutes before it again, because webhook
    and history do not become visible in order. Setting `poll_unread_only=false` also reads chats somebody has opened in
    Avito meanwhile, at the price of listing all of them.
    """

    def __init__(
        self,
        account: ChannelAccount,
        http: HttpClient,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._account = account
        self._api = AvitoApi(account, http, clock=self._clock)
        self._interval = wire.real(account.settings.get("poll_interval")) or INTERVAL
        self._unread_only = account.settings.get("poll_unread_only", True) is not False

    async def batches(self, offset: str | None) -> AsyncGenerator[Batch, None]:
        """Yields one batch a chat with the old offset, then an empty one with the new: a broken round is read again."""
        newest = wire.whole(offset) or 0
        while True:
            since = newest - OVERLAP if newest else int(self._clock.now().timestamp()) - FIRST_LOOK
            seen = newest
            for chat in await self._api.chats(unread_only=self._unread_only):
                if chat.updated and chat.updated < since:
                    continue
                items = await self._since(chat, since)
                seen = max(seen, *(_created(item) for item in items), 0)
                if items:
                    yield self._parsed(items, chat), [json.dumps(item).encode() for item in items], str(newest)
            newest = seen
            yield [], [], str(newest)
            await self._clock.sleep(self._interval)

    async def _since(self, chat: Chat, since: int) -> list[dict[str, Any]]:
        """The chat's messages of that time, oldest first. A chat that vanished meanwhile has none."""
        found: list[dict[str, Any]] = []
        for offset in range(0, LAST_OFFSET + 1, PAGE):
            try:
                page = await self._api.messages(chat.id, offset=offset)
            except Permanent as error:
                if error.code != "recipient_gone":
                    raise
                return found
            found += [item for item in page if _created(item) >= since]
            if len(page) < PAGE or min(map(_created, page)) < since:
                break
        # Times are whole seconds: within one of them only the order of the answer, newest first, tells.
        return sorted(reversed(found), key=_created)

    def _parsed(self, items: list[dict[str, Any]], chat: Chat) -> list[UnifiedMessage]:
        messages: list[UnifiedMessage] = []
        for item in items:
            try:
                messages.append(from_history(item, chat.raw, self._account))
            except Invalid:
                continue
        return messages


def _created(item: dict[str, Any]) -> int:
    return wire.whole(item.get("created")) or 0

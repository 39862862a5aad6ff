"""Long polling of one bot, for installations without a public address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.telegram.client import BotApi
from battcrm.transport.telegram.parse import ALLOWED_UPDATES, parse_update

BATCH: Final = 100


class TelegramPoller:
    """getUpdates in a loop. Asking for the next batch confirms the last one to Telegram: commit first."""

    def __init__(self, account: ChannelAccount, http: HttpClient, *, wait: int = 25) -> None:
        """`wait`: seconds Telegram holds an empty poll (at most 50)."""
        self._account = account
        self._api = BotApi(account, http)
        self._wait = wait

    async def batches(self, offset: str | None) -> AsyncIterator[tuple[list[UnifiedMessage], list[bytes], str]]:
        """Yields (messages, raw updates, offset to store). A raw update without a message could not be parsed or had
        nothing for us. Raises Conflict (code `webhook_active` or `other_poller`) when Telegram refuses a second reader.
        """
        position = int(offset) if offset else 0
        while True:
            arguments = {
                "offset": position,
                "limit": BATCH,
                "timeout": self._wait,
                "allowed_updates": list(ALLOWED_UPDATES),
            }
            found = await self._api.call("getUpdates", arguments, timeout=self._wait + 10.0, idempotent=True)
            updates = list(wire.objects(found))
            if not updates:
                continue
            messages: list[UnifiedMessage] = []
            for update in updates:
                try:
                    messages += parse_update(update, self._account)
                except Invalid:
                    continue
            position = max(position, *((wire.size(u.get("update_id")) or 0) + 1 for u in updates))
            yield messages, [dumps(u) for u in updates], str(position)

"""Long polling of one bot: for development. MAX keeps updates for a short time only."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Final

from battcrm.kit.errors import Conflict, Invalid
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.max.client import UPDATES, MaxApi
from battcrm.transport.max.parse import parse_update

BATCH: Final = 100


class MaxPoller:
    """`GET /updates` in a loop. The offset is MAX's `marker`; it moves only when the next batch is asked for."""

    def __init__(self, account: ChannelAccount, http: HttpClient, *, wait: int = 25) -> None:
        """`wait`: seconds MAX holds an empty poll (at most 90)."""
        self._account = account
        self._api = MaxApi(account, http)
        self._wait = wait

    async def batches(self, offset: str | None) -> AsyncGenerator[tuple[list[UnifiedMessage], list[bytes], str], None]:
        """Yields (messages, raw updates, marker to store), also for an empty poll.

        Raises Conflict (`webhook_active`) while a subscription exists: MAX gives updates to one of the two only.
        """
        if await self._api.subscriptions():
            raise Conflict("the bot has a webhook: disconnect it before polling", code="webhook_active")
        marker = offset or None
        while True:
            params = {"limit": str(BATCH), "timeout": str(self._wait), "types": ",".join(UPDATES)}
            if marker:
                params["marker"] = marker
            answer = await self._api.call("GET", "/updates", params=params, timeout=self._wait + 10.0, idempotent=True)
            marker = wire.ident(answer.get("marker")) or marker
            updates = wire.objects(answer.get("updates"))
            messages: list[UnifiedMessage] = []
            for update in updates:
                try:
                    messages += parse_update(update, self._account)
                except Invalid:
                    continue
            yield messages, [json.dumps(update).encode() for update in updates], marker or ""

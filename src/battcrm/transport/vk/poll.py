"""Bots Long Poll of one community, for installations without a public address."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.kit.text import dumps, loads
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.vk.client import EVENTS, VkApi
from battcrm.transport.vk.parse import parse_event

MAX_FAILURES: Final = 5


class VkPoller:
    """`a_check` in a loop. The offset is VK's `ts`; it moves only when the next batch is asked for: commit first."""

    def __init__(self, account: ChannelAccount, http: HttpClient, *, wait: int = 25) -> None:
        """`wait`: seconds VK holds an empty poll (at most 90)."""
        self._account = account
        self._http = http
        self._api = VkApi(account, http)
        self._wait = wait

    async def batches(self, offset: str | None) -> AsyncGenerator[tuple[list[UnifiedMessage], list[bytes], str], None]:
        """Yields (messages, raw updates, `ts` to store). A raw update without a message had nothing for us.

        A history that VK no longer has (`failed` 1 or 3) is skipped to what it has. Raises Permanent
        (`bad_version`) where VK refuses the protocol version, Transient where it keeps refusing our key.
        """
        await self._enable()
        server, fresh = await self._server()
        ts = offset or fresh
        failures = 0
        while True:
            answer = await self._check(server, ts)
            failed = wire.whole(answer.get("failed"))
            if failed is not None:
                failures += 1
                if failures > MAX_FAILURES:
                    raise Transient("VK keeps refusing the long poll", code="long_poll_refused", retry_after=30.0)
                server, ts = await self._recover(failed, answer, server, ts)
                continue
            failures = 0
            ts = wire.ident(answer.get("ts")) or ts
            updates = wire.objects(answer.get("updates"))
            if updates:
                yield self._parsed(updates), [dumps(update) for update in updates], ts

    def _parsed(self, updates: list[dict[str, Any]]) -> list[UnifiedMessage]:
        messages: list[UnifiedMessage] = []
        for update in updates:
            try:
                messages += parse_event(update, self._account)
            except Invalid:
                continue
        return messages

    async def _recover(
        self, failed: int, answer: dict[str, Any], server: dict[str, str], ts: str
    ) -> tuple[dict[str, str], str]:
        if failed == 1:
            return server, wire.ident(answer.get("ts")) or ts
        if failed == 4:
            raise Permanent("VK refuses this long poll version", code="bad_version")
        renewed, fresh = await self._server()
        return renewed, fresh if failed == 3 else ts

    async def _enable(self) -> None:
        """An event type that is not switched on never comes; forgetting one is the classic "buttons do not work"."""
        group = {"group_id": self._account.account_ref}
        flags = {**group, "enabled": 1, "api_version": self._api.version, **EVENTS}
        await self._api.call("groups.setLongPollSettings", flags, idempotent=True)

    async def _server(self) -> tuple[dict[str, str], str]:
        given = wire.obj(
            await self._api.call("groups.getLongPollServer", {"group_id": self._account.account_ref}, idempotent=True)
        )
        url, key, ts = (wire.ident(given.get(name)) for name in ("server", "key", "ts"))
        if url is None or key is None or ts is None:
            raise Transient("VK gave no long poll server", code="unavailable")
        return {"url": url, "key": key}, ts

    async def _check(self, server: dict[str, str], ts: str) -> dict[str, Any]:
        params = {"act": "a_check", "key": server["key"], "ts": ts, "wait": str(self._wait)}
        answer = await self._http.request(
            "GET", server["url"], params=params, timeout=self._wait + 10.0, idempotent=True
        )
        try:
            return wire.obj(loads(answer.body))
        except (ValueError, RecursionError):
            raise Transient(f"VK's long poll answered {answer.status}", code="unavailable") from None

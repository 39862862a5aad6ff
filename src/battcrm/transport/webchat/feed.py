"""The web chat's ports on PostgreSQL: accounts by public key, and a visitor's dialogue as a resumable feed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import UNAVAILABLE, Pool, unavailable
from battcrm.infra.wake import Wakeups
from battcrm.models.outgoing import OutButton
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.base import ChannelAccount, feed_wake
from battcrm.transport.door import Door
from battcrm.transport.webchat.ports import FeedItem

_SHOWN: Final = frozenset({"sent", "delivered", "read"})
_WAITING: Final = frozenset({"pending", "sending"})

_AFTER: Final = """
SELECT m.seq, m.direction, m.author, m.text, m.content, m.external_id, m.state, m.received_at, m.kind
FROM dialog d JOIN message m ON m.tenant_id = d.tenant_id AND m.dialog_id = d.dialog_id
WHERE d.tenant_id = $1 AND d.channel_id = $2 AND d.external_chat_id = $3 AND m.seq > $4 AND m.deleted_at IS NULL
ORDER BY m.seq LIMIT $5
"""
_NEWEST: Final = """
SELECT * FROM (
  SELECT m.seq, m.direction, m.author, m.text, m.content, m.external_id, m.state, m.received_at, m.kind
  FROM dialog d JOIN message m ON m.tenant_id = d.tenant_id AND m.dialog_id = d.dialog_id
  WHERE d.tenant_id = $1 AND d.channel_id = $2 AND d.external_chat_id = $3 AND m.deleted_at IS NULL
  ORDER BY m.seq DESC LIMIT $4
) newest ORDER BY seq
"""


class PgChatAccounts:
    """Web chats by their public key, which is the channel's id."""

    def __init__(self, channels: ChannelDirectory) -> None:
        self._channels = channels

    async def find(self, public_key: str) -> ChannelAccount | None:
        """The active web chat of this key, or None."""
        try:
            channel_id = UUID(public_key)
        except ValueError:
            return None
        connected = await self._channels.find(channel_id)
        if connected is None or connected.account.kind != "webchat" or connected.state != "active":
            return None
        account = connected.account
        return replace(account, settings={"shop_name": connected.tenant_name, **account.settings})


class DoorOfChat:
    """The door as the web chat's routes call it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def accept(self, account: ChannelAccount, messages: list[UnifiedMessage], raw: bytes) -> None:
        """Commit; a message accepted before is accepted again without effect."""
        await self._door.accept(account, messages, raw)


class PgChatFeed:
    """A visitor's dialogue in the order of its messages.

    A reply that is still being sent holds back what comes after it, so a cursor never skips anything.
    """

    def __init__(self, pool: Pool, wakeups: Wakeups) -> None:
        self._pool = pool
        self._wakeups = wakeups

    async def since(self, account: ChannelAccount, visitor_id: str, after: str | None, limit: int) -> list[FeedItem]:
        """Items after the cursor, oldest first; without a cursor the newest ones."""
        scope = (account.tenant_id, account.channel_id, visitor_id)
        try:
            if after is not None and after.isdigit() and len(after) < 18:
                rows = await self._pool.fetch(_AFTER, *scope, int(after), limit)
            else:
                rows = await self._pool.fetch(_NEWEST, *scope, limit)
        except UNAVAILABLE as error:
            raise unavailable(error) from error
        items: list[FeedItem] = []
        for row in rows:
            if row["direction"] == "out" and row["state"] in _WAITING:
                break
            if row["direction"] == "in" or row["state"] in _SHOWN:
                items.append(_item(row))
        return items

    async def wait(self, account: ChannelAccount, visitor_id: str, timeout: float) -> None:
        """Until the chat's next signal, at most `timeout` seconds (a second without signals between processes)."""
        event = asyncio.Event()
        forget = self._wakeups.listen(feed_wake(account.channel_id, visitor_id), event.set)
        try:
            async with asyncio.timeout(min(timeout, 1.0)):
                await event.wait()
        except TimeoutError:
            return
        finally:
            forget()


def _item(row: Any) -> FeedItem:
    content: dict[str, Any] = row["content"]
    ours = row["direction"] == "out"
    buttons = [OutButton(**b) for line in content.get("buttons", ()) for b in line] if ours else []
    return FeedItem(
        id=str(row["seq"]),
        author="shop" if ours else "visitor",
        text=row["text"] or content.get("button", {}).get("title", ""),
        at=row["received_at"],
        client_message_id=None if ours else row["external_id"],
        buttons=tuple(buttons),
        attachments=tuple(a.get("filename") or a.get("kind", "") for a in content.get("attachments", ())),
    )

"""What the web chat's routes need from the rest of the system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from battcrm.models.outgoing import OutButton
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.base import ChannelAccount


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One message as the visitor sees it. `id` is the cursor: it grows in the order of showing.

    `author` is visitor | shop; `client_message_id` is set on the visitor's own messages.
    """

    id: str
    author: str
    text: str
    at: datetime
    name: str | None = None
    client_message_id: str | None = None
    buttons: tuple[OutButton, ...] = ()
    attachments: tuple[str, ...] = ()


class ChatDoor(Protocol):
    """The gateway's inbox."""

    async def accept(self, account: ChannelAccount, messages: list[UnifiedMessage], raw: bytes) -> None:
        """Return once the messages are committed; what was accepted before is silently accepted again.

        Raises Transient (answered 503 with Retry-After) when nothing can be stored.
        """
        ...


class ChatFeed(Protocol):
    """The visitor's own dialogue, both sides."""

    async def since(self, account: ChannelAccount, visitor_id: str, after: str | None, limit: int) -> list[FeedItem]:
        """Items after the cursor, oldest first; without a cursor the newest `limit` items, oldest first.

        An unknown cursor counts as none.
        """
        ...

    async def wait(self, account: ChannelAccount, visitor_id: str, timeout: float) -> None:
        """Return when there may be something new, at the latest after `timeout` seconds. May return early."""
        ...


class ChatAccounts(Protocol):
    """Web chats by their public key."""

    async def find(self, public_key: str) -> ChannelAccount | None:
        """The enabled web chat of this key, or None."""
        ...

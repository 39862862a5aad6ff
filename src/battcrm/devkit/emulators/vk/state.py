"""What the emulated VK knows: communities, people, messages, uploads, events on their way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.devkit.emulators.delivery import Delivery, WebhookQueue
from battcrm.kit.text import dumps

VERSION: Final = "5.199"
EVENTS: Final = (
    "message_new",
    "message_edit",
    "message_reply",
    "message_event",
    "message_allow",
    "message_deny",
    "message_read",
    "message_typing_state",
)
HISTORY: Final = 1000


class ApiError(Exception):
    """An answer with `error`; HTTP 200 all the same."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class Server:
    """A callback server of a community. `status`: unconfigured, wait, failed or ok."""

    id: int
    url: str
    title: str
    secret_key: str
    status: str = "unconfigured"
    events: frozenset[str] = frozenset()
    queue: WebhookQueue | None = None
    failures: int = 0


@dataclass(slots=True)
class Peer:
    """A person's chat with the community."""

    id: int
    last_seq: int = 0
    allowed: bool = False
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Community:
    """One community and its key."""

    token: str
    id: int
    name: str
    screen_name: str
    permissions: tuple[str, ...] = ("messages", "manage", "photos", "docs")
    confirmation: str = "c0nf1rm"
    revoked: bool = False
    bot_features: bool = True
    peers: dict[int, Peer] = field(default_factory=dict)
    servers: dict[int, Server] = field(default_factory=dict)
    uploads: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    actions: list[tuple[float, str, str]] = field(default_factory=list)
    presses: dict[str, bool] = field(default_factory=dict)
    last_message: int = 1000
    last_file: int = 457_240_000
    poll_events: frozenset[str] = frozenset()
    poll_key: str = "key1"
    poll_ts: int = 1841
    poll_broken: int = 0
    history: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    polling: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    counter: int = 0

    def peer(self, number: int) -> Peer:
        """The chat with a person, made on the first word."""
        return self.peers.setdefault(number, Peer(number))

    def envelope(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """An event as VK wraps it; `event_id` is new."""
        self.counter += 1
        event_id = f"{self.counter:08x}" + "e" * 32
        return {"group_id": self.id, "type": kind, "event_id": event_id, "v": VERSION, "object": content}

    def emit(self, kind: str, content: dict[str, Any], peer: int, *, copies: int = 1, hold: bool = False) -> None:
        """Give an event to the servers and the poll that asked for its kind.

        `hold` keeps it back until the peer's next event has gone first; `copies` > 1 repeats the same event_id.
        """
        event = self.envelope(kind, content)
        if hold:
            self.held[peer] = (kind, event)
            return
        for _ in range(copies):
            self._hand_over(kind, event, peer)
        late = self.held.pop(peer, None)
        if late is not None:
            self._hand_over(*late, peer)

    def _hand_over(self, kind: str, event: dict[str, Any], peer: int) -> None:
        for server in self.servers.values():
            if server.queue is not None and kind in server.events:
                secret = {"secret": server.secret_key} if server.secret_key else {}
                server.queue.push(Delivery(str(peer), dumps(event | secret)))
        if kind in self.poll_events:
            self.poll_ts += 1
            self.history.append((self.poll_ts, event))
            del self.history[:-HISTORY]
            self.news.set()

    def next_ids(self, peer: Peer) -> tuple[int, int]:
        """A new message id (per community) and its number inside the conversation."""
        self.last_message += 1
        peer.last_seq += 1
        return self.last_message, peer.last_seq

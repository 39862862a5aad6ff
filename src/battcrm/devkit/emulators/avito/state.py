"""What the emulated Avito knows: accounts, their keys and tokens, chats, messages, subscriptions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from battcrm.devkit.emulators.delivery import WebhookQueue

DAY = 86_400


class ApiError(Exception):
    """An answer with `error`."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"code": self.status, "message": self.message}}


@dataclass(slots=True)
class Chat:
    """A chat with one customer; `item` is the ad it is about (None: a profile chat)."""

    id: str
    user_id: int
    name: str
    item: dict[str, Any] | None
    created: int
    kind: str = "u2i"
    messages: list[dict[str, Any]] = field(default_factory=list)
    unread: bool = False
    blocked: bool = False

    def named(self, number: str) -> dict[str, Any] | None:
        """The message with this id."""
        return next((m for m in self.messages if m["id"] == number), None)


@dataclass(slots=True)
class Account:
    """One seller and the API key of the account."""

    client_id: str
    client_secret: str
    id: int
    name: str
    refresh_token: str | None = None
    life: int = DAY
    revoked: bool = False
    paid: bool = True
    tokens: dict[str, float] = field(default_factory=dict)
    grants: list[str] = field(default_factory=list)
    chats: dict[str, Chat] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    voices: dict[str, bytes] = field(default_factory=dict)
    queues: dict[str, WebhookQueue] = field(default_factory=dict)
    held: dict[str, bytes] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    lossy: bool = False
    counter: int = 0

    def next_id(self, what: str) -> str:
        """32 hexadecimal digits, different each time."""
        self.counter += 1
        return hashlib.blake2b(f"{self.id}:{what}:{self.counter}".encode(), digest_size=16).hexdigest()

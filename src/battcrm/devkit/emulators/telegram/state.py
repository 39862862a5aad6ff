"""What the emulated Telegram knows: bots, chats, messages, files, updates on their way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from battcrm.devkit.emulators.delivery import Delivery, Target, WebhookQueue
from battcrm.kit.text import dumps, loads

DEFAULT_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "my_chat_member",
)


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass(slots=True)
class Chat:
    """A chat of one bot. Message ids grow over both directions."""

    id: int
    user: dict[str, Any]
    type: str = "private"
    last_id: int = 0
    blocked: bool = False
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """The `Chat` object."""
        if self.type != "private":
            return {"id": self.id, "type": self.type, "title": f"chat {self.id}"}
        return {"id": self.id, "type": "private"} | {
            k: v for k, v in self.user.items() if k in ("first_name", "last_name", "username")
        }

    def next_id(self) -> int:
        """A new message id."""
        self.last_id += 1
        return self.last_id


@dataclass(slots=True)
class Webhook:
    """A registered webhook."""

    url: str
    secret: str | None = None
    allowed: tuple[str, ...] = DEFAULT_UPDATES
    max_connections: int = 40


@dataclass(slots=True)
class Bot:
    """One bot: its token's other side."""

    token: str
    id: int
    username: str
    queue: WebhookQueue
    title: str = "Сервис «Починим»"
    revoked: bool = False
    webhook: Webhook | None = None
    allowed: tuple[str, ...] = DEFAULT_UPDATES
    chats: dict[int, Chat] = field(default_factory=dict)
    pending: deque[dict[str, Any]] = field(default_factory=deque)
    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    queries: dict[str, bool] = field(default_factory=dict)
    actions: list[tuple[float, str, str]] = field(default_factory=list)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    next_update: int = 884_120_300
    poll: asyncio.Future[bool] | None = None
    last_error: tuple[float, str] | None = None

    def describe(self) -> dict[str, Any]:
        """The `User` object of the bot."""
        return {"id": self.id, "is_bot": True, "first_name": self.title, "username": self.username}

    def emit(self, kind: str, content: dict[str, Any], chat: int, *, copies: int = 1, hold: bool = False) -> int:
        """Give an update to the webhook or to the poller; its update_id. Kinds not asked for are lost, as in reality.

        `hold` keeps it back until the chat's next update has gone first; `copies` > 1 repeats the same update_id.
        """
        allowed = self.webhook.allowed if self.webhook else self.allowed
        number = self.next_update
        update: dict[str, Any] = {"update_id": number, kind: content}
        self.next_update += 1
        if kind not in allowed:
            return number
        if hold:
            self.held[chat] = update
            return number
        for _ in range(copies):
            self._hand_over(update, chat)
        late = self.held.pop(chat, None)
        if late is not None:
            self._hand_over(late, chat)
        return number

    def _hand_over(self, update: dict[str, Any], chat: int) -> None:
        if self.webhook is None:
            self.pending.append(update)
            self.end_poll(replaced=False)
            return
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.secret} if self.webhook.secret else {}
        self.queue.push(Delivery(str(chat), dumps(update), headers))

    def end_poll(self, *, replaced: bool) -> None:
        """Answer the waiting getUpdates: an update is there, or another poller took over."""
        if self.poll is not None and not self.poll.done():
            self.poll.set_result(replaced)

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Switch between webhook and polling; what waits moves along."""
        before, self.webhook = self.webhook, webhook
        if webhook is None:
            self.queue.retarget(Target())
            self.pending.extend(_decoded(d) for d in self.queue.take_back())
            return
        self.queue.retarget(Target(webhook.url, webhook.max_connections))
        if before is None:
            waiting, self.pending = list(self.pending), deque()
            for update in waiting:
                self._hand_over(update, chat_of(update))

    def waiting(self) -> int:
        """`pending_update_count`."""
        return len(self.pending) + self.queue.pending


def _decoded(delivery: Delivery) -> dict[str, Any]:
    decoded: dict[str, Any] = loads(delivery.body)
    return decoded


def chat_of(update: dict[str, Any]) -> int:
    """The chat an update is queued under."""
    for value in update.values():
        if isinstance(value, dict):
            holder = value if "chat" in value else value.get("message", {})
            if "chat" in holder:
                return int(holder["chat"]["id"])
    return 0

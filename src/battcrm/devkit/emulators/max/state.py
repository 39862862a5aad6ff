"""What the emulated MAX knows: bots, dialogues, messages, uploads, subscriptions, updates on their way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.devkit.emulators.delivery import Delivery, WebhookQueue
from battcrm.kit.text import dumps

UPDATE_TYPES: Final = frozenset(
    {
        "message_created",
        "message_callback",
        "message_edited",
        "message_removed",
        "bot_added",
        "bot_removed",
        "bot_started",
        "bot_stopped",
        "dialog_muted",
        "dialog_unmuted",
        "dialog_cleared",
        "dialog_removed",
        "user_added",
        "user_removed",
        "chat_title_changed",
    }
)
HISTORY: Final = 1000


class ApiError(Exception):
    """An answer with `code` and `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"code": self.code, "message": self.message}


@dataclass(slots=True)
class Dialog:
    """A person's dialogue with a bot; `messages` by mid, `ours` are those of the bot."""

    chat_id: int
    user: dict[str, Any]
    suspended: bool = False
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Upload:
    """One file: its address takes it once."""

    kind: str
    token: str
    content: bytes | None = None
    filename: str = ""


@dataclass(slots=True)
class Subscription:
    """A webhook."""

    url: str
    secret: str
    update_types: frozenset[str]
    queue: WebhookQueue
    since: int


@dataclass(slots=True)
class Bot:
    """One bot and its token."""

    token: str
    id: int
    name: str
    username: str
    revoked: bool = False
    dialogs: dict[int, Dialog] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    presses: dict[str, str | None] = field(default_factory=dict)
    actions: list[tuple[int, str]] = field(default_factory=list)
    history: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    marker: int = 1_090_523
    counter: int = 0

    def next_mid(self, chat_id: int) -> tuple[str, int]:
        """A new message's id and its place in the order, beyond 2^53."""
        self.counter += 1
        return f"mid.{chat_id & 0xFFFFFFFFFFFFFFFF:016x}019d{self.counter:012x}", 116_328_147_937_082_000 + self.counter

    def card(self) -> dict[str, Any]:
        """The bot as a sender."""
        return {
            "user_id": self.id,
            "first_name": self.name,
            "username": self.username,
            "is_bot": True,
            "last_activity_time": 1_795_337_999_000,
            "name": self.name,
        }

    def emit(self, update: dict[str, Any], chat_id: int, *, copies: int = 1, hold: bool = False) -> None:
        """Give an update to the webhooks that asked for its type and to the poll."""
        if hold:
            self.held[chat_id] = update
            return
        late = self.held.pop(chat_id, None)
        for one in (*([update] * copies), *([late] if late else [])):
            self._hand_over(one, chat_id)

    def _hand_over(self, update: dict[str, Any], chat_id: int) -> None:
        for subscription in self.subscriptions.values():
            if update["update_type"] in subscription.update_types:
                head = {"X-Max-Bot-Api-Secret": subscription.secret} if subscription.secret else {}
                subscription.queue.push(Delivery(str(chat_id), dumps(update), head))
        self.history.append((self.marker, update))
        self.marker += 1
        del self.history[:-HISTORY]

"""The messenger of the scripts: what a person sees, and the accidents a script orders."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid, OutcomeUnknown, RateLimited, Transient
from battcrm.models.outgoing import OutgoingCommand, Sent
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import registry
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient, Manifest, Verdict, WebhookRequest

BUTTONS: Final = "script"
PLAIN: Final = "script_plain"
ORDERED: Final = "script_ordered"
_BUSY_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Shown:
    """One message a person sees: (title, payload) of its buttons, and when it came."""

    channel_id: UUID
    chat: str
    text: str
    buttons: tuple[tuple[str, str], ...]
    at: datetime


@dataclass(slots=True)
class Phone:
    """All chats of one script."""

    clock: Clock
    shown: list[Shown] = field(default_factory=list)
    accidents: deque[str] = field(default_factory=deque)

    def take(self, account: ChannelAccount, command: OutgoingCommand) -> Sent:
        """Show one message, or have the accident whose turn it is."""
        accident = self.accidents.popleft() if self.accidents else None
        if accident == "refused":
            raise Transient("connection refused", code="connect")
        if accident == "busy":
            raise RateLimited("too many requests", code="rate", retry_after=_BUSY_SECONDS)
        if accident == "swallowed":
            raise OutcomeUnknown("no answer", code="timeout")
        buttons = tuple((b.title, b.payload) for row in command.buttons for b in row)
        self.shown.append(Shown(account.channel_id, command.conversation_id, command.text, buttons, self.clock.now()))
        if accident == "lost":
            raise OutcomeUnknown("no answer", code="timeout")
        return Sent(f"out-{len(self.shown)}")


@dataclass(frozen=True, slots=True)
class _Sender:
    account: ChannelAccount
    phone: Phone

    async def send(self, command: OutgoingCommand) -> Sent:
        return self.phone.take(self.account, command)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Buttons do not spin here."""

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:
        """Nobody sees it."""

    async def check(self) -> dict[str, Any]:
        return {"account": self.account.account_ref}


class Messengers:
    """The channel kinds of the scripts, registered while open; each script's own phone answers for its channels."""

    def __init__(self) -> None:
        self.phones: dict[UUID, Phone] = {}

    def open(self) -> None:
        """Register the kinds. Only one at a time in a process."""
        for kind in (BUTTONS, PLAIN, ORDERED):
            registry.register(self._manifest(kind))

    def close(self) -> None:
        """Take the kinds away again."""
        for kind in (BUTTONS, PLAIN, ORDERED):
            registry.unregister(kind)

    def _manifest(self, kind: str) -> Manifest:
        able = Capabilities(
            text_limit=4096,
            caption_limit=None,
            buttons=0 if kind == PLAIN else 10,
            button_title_limit=60,
            ordered_by_platform=kind == ORDERED,
            per_second=10_000,
            per_chat_interval=0.0,
        )
        return Manifest(kind=kind, title="Script", capabilities=able, parse=_parse, verify=_verify, sender=self._sender)

    def _sender(self, account: ChannelAccount, _http: HttpClient) -> _Sender:
        return _Sender(account, self.phones[account.channel_id])


def _parse(_body: bytes, _account: ChannelAccount | None) -> list[UnifiedMessage]:
    raise Invalid("scripts have no webhook body", field="body")


def _verify(_request: WebhookRequest, _account: ChannelAccount) -> Verdict:
    return Verdict(False, "scripts have no webhook")

"""The bench's messenger: a channel of its own whose accidents are chosen by the test."""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from battcrm.kit.errors import Invalid, OutcomeUnknown, RateLimited, Transient
from battcrm.models.outgoing import OutgoingCommand, Sent
from battcrm.models.unified import Attachment, Content, Conversation, Direction, Kind, Sender, Status, UnifiedMessage
from battcrm.transport import registry
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient, Manifest, Verdict, WebhookRequest

KIND: Final = "bench"
SECRET_HEADER: Final = "x-bench-secret"  # noqa: S105 - a header's name


class Accident(StrEnum):
    """What happens to one send."""

    REFUSED = "refused"
    """No connection: nothing was sent."""
    BUSY = "busy"
    """429 for the whole account, three seconds."""
    SWALLOWED = "swallowed"
    """The request went out, no answer came, and the messenger never saw it."""
    ANSWER_LOST = "answer_lost"
    """The messenger has it; its answer did not arrive."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One message the customer sees. `begun` is the send's number in order of first bytes."""

    chat: str
    text: str
    key: str
    begun: int


@dataclass
class Messenger:
    """Accepts sends, remembers what it showed. `hold` stops sends before or after they are accepted."""

    shown: list[Shown] = field(default_factory=list)
    accidents: deque[Accident] = field(default_factory=deque)
    hold: str | None = None
    begun: int = 0
    in_flight: int = 0
    _release: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let the held sends go on, and hold no more."""
        self.hold = None
        self._release.set()
        self._release = asyncio.Event()

    async def send(self, account: ChannelAccount, command: OutgoingCommand) -> Sent:
        """Deliver one command, or have an accident."""
        accident = self.accidents.popleft() if self.accidents else None
        if accident is Accident.REFUSED:
            raise Transient("connection refused", code="connect")
        if accident is Accident.BUSY:
            raise RateLimited("too many requests", code="rate", retry_after=3.0)
        self.begun += 1
        number = self.begun
        self.in_flight += 1
        try:
            await self._held("before")
            if accident is Accident.SWALLOWED:
                raise OutcomeUnknown("no answer", code="timeout")
            chat = f"{account.account_ref}/{command.conversation_id}"
            self.shown.append(Shown(chat, command.text, command.idempotency_key, number))
            await self._held("after")
            if accident is Accident.ANSWER_LOST:
                raise OutcomeUnknown("no answer", code="timeout")
            return Sent(f"out-{number}")
        finally:
            self.in_flight -= 1

    async def _held(self, place: str) -> None:
        if self.hold == place:
            await self._release.wait()

    def manifest(self, **capabilities: Any) -> Manifest:
        """The channel's manifest; its sends come to this messenger."""
        able = Capabilities(text_limit=4096, caption_limit=None, per_second=10_000, per_chat_interval=0.0)
        if capabilities:
            able = Capabilities(**{**{n: getattr(able, n) for n in able.__slots__}, **capabilities})
        return Manifest(
            kind=KIND,
            title="Bench",
            capabilities=able,
            parse=parse,
            verify=verify,
            sender=lambda account, _http: BenchSender(account, self, _http),
        )

    def connect(self, **capabilities: Any) -> None:
        """Make this the channel's only messenger in the process."""
        registry.register(self.manifest(**capabilities))


@dataclass(frozen=True, slots=True)
class BenchSender:
    """The Sender of the bench's channel."""

    account: ChannelAccount
    messenger: Messenger
    http: HttpClient

    async def send(self, command: OutgoingCommand) -> Sent:
        """Through the messenger, with its accidents."""
        return await self.messenger.send(self.account, command)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Buttons do not spin here."""

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:
        """Nobody sees it."""

    async def check(self) -> dict[str, Any]:
        """The account is always good."""
        return {"account": self.account.account_ref}


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """The secret in a header."""
    given = request.headers.get(SECRET_HEADER, "")
    return Verdict(hmac.compare_digest(given.encode(), account.secrets["secret"].encode()), "secret")


def parse(body: bytes, _account: ChannelAccount | None) -> list[UnifiedMessage]:
    """`{"events": [{"id", "chat", "text", "kind"?, "rev"?, ...}]}`. Invalid for anything else."""
    try:
        events = orjson.loads(body)["events"]
        return [event(**item) for item in events]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Invalid(f"not a bench body: {type(error).__name__}", field="body") from error


def event(
    chat: str,
    id: str | None = None,
    text: str = "",
    kind: str = "message",
    rev: int = 0,
    seq: str | None = None,
    media: Sequence[str] = (),
    state: str | None = None,
    client_ref: str | None = None,
    echo: bool = False,
    user: str | None = None,
) -> UnifiedMessage:
    """One event of the bench's platform as a unified message."""
    out = Direction.OUT if echo else Direction.IN
    status = Status(message_id=id, state=state or "sent", client_ref=client_ref) if state or client_ref else None
    return UnifiedMessage(
        channel=KIND,
        account_ref=None,
        dedup_key=f"{chat}:{id}:{kind}:{rev}:{state or ''}:{int(echo)}",
        kind=Kind(kind),
        conversation=Conversation(chat),
        direction=out,
        sender=Sender(id=user or chat),
        message=Content(id=id, seq=seq, text=text, attachments=tuple(Attachment(kind=m) for m in media)),
        status=status,
    )

"""What every channel is: a manifest with capabilities, a parser, an authenticity check and a sender.

A channel folder has the same files: manifest.py, parse.py, verify.py, client.py, send.py, errors.py (poll.py and
lifecycle.py where the platform has long polling or webhook registration). `manifest.MANIFEST` is all that the
registry needs; nothing outside the folder names the channel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from battcrm.infra.exchange import HttpResponse
from battcrm.models.outgoing import OutgoingCommand, Sent
from battcrm.models.unified import Attachment, UnifiedMessage

__all__ = [
    "Capabilities",
    "ChannelAccount",
    "FetchedFile",
    "Files",
    "HttpClient",
    "HttpResponse",
    "Hydrator",
    "Lifecycle",
    "Manifest",
    "Poller",
    "Reply",
    "Sender",
    "TokenStore",
    "Tokens",
    "Verdict",
    "WebhookHealth",
    "WebhookRequest",
]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; the rest is degraded by transport/degrade.py. Sizes in bytes, times in seconds."""

    text_limit: int
    caption_limit: int | None
    text_unit: str = "chars"  # chars | utf16
    buttons: int = 0
    buttons_per_row: int = 1
    button_title_limit: int = 20
    button_payload_limit: int = 64
    url_buttons: bool = False
    ask_contact: bool = False
    ask_location: bool = False
    typing: bool = False
    mark_read: bool = False
    edit: bool = False
    receipts: frozenset[str] = frozenset()
    attachments_out: frozenset[str] = frozenset()
    max_file_out: int = 0
    max_file_in: int = 0
    idempotent_send: bool = False
    ordered_by_platform: bool = False
    per_second: float = 30.0
    per_chat_interval: float = 1.0
    long_poll: bool = False
    reply_window: float | None = None
    forbids_contacts: bool = False


@dataclass(frozen=True, slots=True)
class ChannelAccount:
    """One connected account of a tenant, secrets decrypted; never logged (repr hides secrets)."""

    tenant_id: UUID
    channel_id: UUID
    kind: str
    account_ref: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokens: TokenStore | None = field(default=None, repr=False, compare=False)
    """Where tokens that the platform renews are kept for all processes; None = in this process only."""

    @property
    def base_url(self) -> str | None:
        """The tenant's own address of the platform's API, if set."""
        value = self.settings.get("base_url")
        return str(value) if value else None


Tokens = Mapping[str, str]


class TokenStore(Protocol):
    """Tokens that a platform gives for a while, shared by all processes (PROTOCOL E4)."""

    async def current(
        self,
        account: ChannelAccount,
        seed: str,
        usable: Callable[[Tokens], bool],
        renew: Callable[[Tokens | None], Awaitable[Tokens]],
    ) -> Tokens:
        """The stored tokens if they are `usable`, else what `renew` makes of them, stored before it is returned.

        One caller in all processes renews, the others wait for its result. Tokens of another `seed` (the credentials they
        were made from) count as none. Raises what `renew` raises; Transient (`token_busy`) after 30 s of waiting.
        """
        ...


def feed_wake(channel_id: UUID, chat: str) -> str:
    """Name of the wake-up of one chat of a channel with a live feed."""
    return f"feed:{channel_id}:{chat}"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request at the door, before anything is trusted. Header names are lower-case."""

    method: str
    path_secret: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the authenticity check. `immediate` short-circuits with a fixed answer (handshakes, probes)."""

    ok: bool
    reason: str = ""
    immediate: Reply | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the platform expects as HTTP answer."""

    status: int = 200
    body: bytes = b'{"ok":true}'
    content_type: str = "application/json"


class HttpClient(Protocol):
    """The part of infra/http.py a channel may use. Raises kit.errors: Transient (before the first byte), OutcomeUnknown."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        raw: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float = 20.0,
        idempotent: bool = False,
    ) -> HttpResponse:
        """One request, no retries; `raw` is sent as it is. `idempotent` lets a lost answer be Transient instead of OutcomeUnknown."""
        ...


class Sender(Protocol):
    """Speaks the platform's API for one account."""

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver one command. Raises the kit.errors tree, mapped by the channel's table."""
        ...

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Stop a button's spinner; a late or refused acknowledgement is not an error."""
        ...

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:
        """Show that an answer is being written, and with it that the chat was read, where the platform can; otherwise
        nothing. `message_id` is the customer's last message. May fail as `send` does; a refusal is not an error."""
        ...

    async def check(self) -> dict[str, Any]:
        """Validate credentials; returns the account as the platform describes it. AuthExpired if refused."""
        ...


class Poller(Protocol):
    """Long polling for channels that have it. The caller commits, then asks for the next batch."""

    def batches(self, offset: str | None) -> AsyncIterator[tuple[list[UnifiedMessage], list[bytes], str]]:
        """Yields (messages, their raw bodies, offset to store after the commit)."""
        ...


class Lifecycle(Protocol):
    """Connecting and disconnecting one account (channels that register webhooks themselves)."""

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Validate the credentials and register the webhook; idempotent. Returns the account as `Sender.check` does."""
        ...

    async def health(self) -> WebhookHealth:
        """The platform's own view of its deliveries to us."""
        ...

    async def disconnect(self) -> None:
        """Remove the webhook; what waits on the platform's side is kept."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """Deliveries as the platform sees them; None = it does not say."""

    url: str | None = None
    active: bool = True
    pending: int | None = None
    last_error_at: datetime | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A customer's file."""

    content: bytes = field(repr=False)
    mime: str | None = None
    filename: str | None = None


class Files(Protocol):
    """Fetches what customers sent."""

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The file of an inbound attachment. Permanent if it is gone or too large, Transient if not there yet."""
        ...


class Hydrator(Protocol):
    """Reads again what the platform's event left out."""

    async def hydrate(self, message: UnifiedMessage) -> UnifiedMessage | None:
        """The whole of a message that came `truncated`, by its conversation, id and seq; None if it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """All the registry knows about a channel.

    `parse(body, account)` returns every unified message of one POST; `[]` for an authentic body with nothing for us;
    raises Invalid for a body that is not the platform's. `account` may be None (command line, no secrets).
    `verify(request, account)` checks authenticity in constant time.
    """

    kind: str
    title: str
    capabilities: Capabilities
    parse: Callable[[bytes, ChannelAccount | None], list[UnifiedMessage]]
    verify: Callable[[WebhookRequest, ChannelAccount], Verdict]
    sender: Callable[[ChannelAccount, HttpClient], Sender]
    secret_in_body: bool = False
    accepted: Reply = field(default_factory=Reply)
    poller: Callable[[ChannelAccount, HttpClient], Poller] | None = None
    lifecycle: Callable[[ChannelAccount, HttpClient], Lifecycle] | None = None
    files: Callable[[ChannelAccount, HttpClient], Files] | None = None
    hydrator: Callable[[ChannelAccount, HttpClient], Hydrator] | None = None
    reconciles: bool = False
    """The platform may not repeat a delivery that failed: the health job also reads with the poller (PROTOCOL E4)."""
    required_secrets: tuple[str, ...] = ()
    default_base_url: str = ""
    live_feed: bool = False
    """The other end watches our own rows (web chat): the out worker signals `feed_wake` when one is sent."""

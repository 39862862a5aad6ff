"""Speaking in the web chat: a message is sent once it is stored, for the page reads our own feed."""

from __future__ import annotations

from typing import Any, Final

from battcrm.models.outgoing import OutgoingCommand, Sent
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient

CAPABILITIES: Final = Capabilities(
    text_limit=4000,
    caption_limit=1000,
    buttons=20,
    buttons_per_row=4,
    button_title_limit=80,
    button_payload_limit=256,
    url_buttons=True,
    attachments_out=frozenset({"photo", "document", "voice"}),
    max_file_out=20 * 1024 * 1024,
    max_file_in=20 * 1024 * 1024,
    idempotent_send=True,
    per_second=1000.0,
    per_chat_interval=0.0,
)


class WebchatSender:
    """There is no platform to call: the outgoing row itself is what the visitor's page receives."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:  # noqa: ARG002 - the interface of senders
        self._account = account

    async def send(self, command: OutgoingCommand) -> Sent:
        """Accepted at once, under the outgoing row's own id; a repeat is the same message."""
        return Sent(command.idempotency_key)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """The page itself marks a pressed button."""

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:
        """Not shown: the page never claims that somebody types."""

    async def check(self) -> dict[str, Any]:
        """The account as it is configured."""
        return {"account_ref": self._account.account_ref, "title": self._account.settings.get("shop_name")}

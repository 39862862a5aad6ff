"""Connecting a bot: validate the token, register the webhook, watch its health, take it away."""

from __future__ import annotations

from typing import Any, Final

from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookHealth
from battcrm.transport.telegram.client import BotApi
from battcrm.transport.telegram.parse import ALLOWED_UPDATES
from battcrm.transport.telegram.send import TelegramSender

MAX_CONNECTIONS: Final = 40


class TelegramLifecycle:
    """Webhook registration of one bot."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._http = http
        self._api = BotApi(account, http)

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Validate the token and register the webhook with the account's `webhook_secret`; the account as described.

        Waiting updates are kept: they are customers' messages.
        """
        described = await TelegramSender(self._account, self._http).check()
        arguments = {
            "url": webhook_url,
            "secret_token": self._account.secrets.get("webhook_secret"),
            "allowed_updates": list(ALLOWED_UPDATES),
            "max_connections": MAX_CONNECTIONS,
        }
        await self._api.call("setWebhook", arguments, idempotent=True)
        return described

    async def health(self) -> WebhookHealth:
        """The platform's view of the webhook: registered address, backlog, last failure."""
        info = wire.obj(await self._api.call("getWebhookInfo", idempotent=True))
        return WebhookHealth(
            active=bool(info.get("url")),
            url=wire.text(info.get("url")),
            pending=wire.size(info.get("pending_update_count")) or 0,
            last_error_at=wire.moment(info.get("last_error_date")),
            last_error=wire.text(info.get("last_error_message")),
        )

    async def disconnect(self) -> None:
        """Remove the webhook; updates wait up to 24 hours for the next one or for polling."""
        await self._api.call("deleteWebhook", {"drop_pending_updates": False}, idempotent=True)

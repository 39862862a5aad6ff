"""Connecting a MAX bot: check the token, subscribe, and tell when MAX has dropped the subscription."""

from __future__ import annotations

import re
from typing import Any, Final

from battcrm.kit.errors import Permanent
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookHealth
from battcrm.transport.max.client import UPDATES, MaxApi
from battcrm.transport.max.send import MaxSender

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{5,256}")


class MaxLifecycle:
    """Webhook subscription of one bot."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._sender = MaxSender(account, http)
        self._api = MaxApi(account, http)

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Subscribe the address (https, port 443, full certificate chain) and remove this channel's older ones.

        Calling it again renews what MAX dropped after eight hours without success. Store `settings` of the result:
        `health` and `disconnect` know our address by it.
        """
        described = await self._sender.check()
        body = {"url": webhook_url, "update_types": list(UPDATES), "secret": self._secret()}
        await self._api.call("POST", "/subscriptions", json=body, idempotent=True)
        family = webhook_url.rpartition("/")[0] + "/"
        for url in map(_url, await self._api.subscriptions()):
            if url and url != webhook_url and url.startswith(family):
                await self._remove(url)
        described["settings"] = {"webhook_url": webhook_url}
        return described

    async def health(self) -> WebhookHealth:
        """Whether our subscription (setting `webhook_url`, else any) stands with every type of update we read.

        Not active: `connect` again. MAX drops a subscription silently, so this is to be asked every few minutes.
        """
        wanted = wire.text(self._account.settings.get("webhook_url"))
        found = next((s for s in await self._api.subscriptions() if wanted in (None, _url(s))), None)
        if found is None:
            return WebhookHealth(active=False, last_error="not registered")
        given = found.get("update_types")
        # No list stands for all types.
        missing = [name for name in UPDATES if name not in given] if isinstance(given, list) else []
        error = f"missing update types: {', '.join(missing)}" if missing else None
        return WebhookHealth(url=_url(found), active=not missing, last_error=error)

    async def disconnect(self) -> None:
        """Remove our subscription; with it gone, long polling works."""
        wanted = wire.text(self._account.settings.get("webhook_url"))
        for url in map(_url, await self._api.subscriptions()):
            if url and wanted in (None, url):
                await self._remove(url)

    async def _remove(self, url: str) -> None:
        await self._api.call("DELETE", "/subscriptions", params={"url": url}, idempotent=True)

    def _secret(self) -> str:
        secret = self._account.secrets.get("webhook_secret", "")
        if not _SECRET.fullmatch(secret):
            raise Permanent("MAX takes a secret of 5–256 letters, digits, - and _", code="bad_secret")
        return secret


def _url(subscription: dict[str, Any]) -> str | None:
    return wire.text(subscription.get("url"))

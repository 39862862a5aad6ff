"""Connecting an Avito account: check the key, register the webhook, drop what an older address left behind."""

from __future__ import annotations

from typing import Any

from battcrm.transport import wire
from battcrm.transport.avito.client import AvitoApi
from battcrm.transport.avito.send import AvitoSender
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookHealth


class AvitoLifecycle:
    """Webhook registration of one account."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._sender = AvitoSender(account, http)
        self._api = AvitoApi(account, http)

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Register the address and remove this channel's older ones; Avito probes it with `{}` and wants 200 in 2 s.

        Store `settings` of the result: `health` and `disconnect` know our address by it.
        """
        described = await self._sender.check()
        await self._api.call("POST", "/messenger/v3/webhook", json={"url": webhook_url}, idempotent=True)
        # Subscriptions add up: an old address with another secret would be called for ever.
        family = webhook_url.rpartition("/")[0] + "/"
        for url in await self._urls():
            if url != webhook_url and url.startswith(family):
                await self._unsubscribe(url)
        described["settings"] = {"webhook_url": webhook_url}
        return described

    async def health(self) -> WebhookHealth:
        """Whether our address (setting `webhook_url`) is still subscribed. Avito tells nothing of failed deliveries."""
        urls = await self._urls()
        wanted = wire.text(self._account.settings.get("webhook_url"))
        url = wanted if wanted in urls else None if wanted else next(iter(urls), None)
        return WebhookHealth(url=url, active=url is not None, last_error=None if url else "not registered")

    async def disconnect(self) -> None:
        """Remove our address; other subscriptions of the account stay."""
        wanted = wire.text(self._account.settings.get("webhook_url"))
        for url in await self._urls():
            if wanted is None or url == wanted:
                await self._unsubscribe(url)

    async def _urls(self) -> list[str]:
        found = wire.obj(await self._api.call("POST", "/messenger/v1/subscriptions", json={}, idempotent=True))
        return [url for item in wire.objects(found.get("subscriptions")) if (url := wire.text(item.get("url")))]

    async def _unsubscribe(self, url: str) -> None:
        await self._api.call("POST", "/messenger/v1/webhook/unsubscribe", json={"url": url}, idempotent=True)

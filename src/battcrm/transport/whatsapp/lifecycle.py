"""Connecting a number: check the token, subscribe the application, point the number's webhook at us."""

from __future__ import annotations

from typing import Any

from battcrm.kit.errors import Invalid
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookHealth
from battcrm.transport.whatsapp.client import CloudApi
from battcrm.transport.whatsapp.send import WhatsAppSender


class WhatsAppLifecycle:
    """Webhook registration of one number."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._sender = WhatsAppSender(account, http)
        self._api = CloudApi(account, http)

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Subscribe the application to the WABA (setting `waba_id`) and override the callback address of this number.

        One Meta application has one address for everybody; the override is what keeps numbers, and tenants, apart.
        Meta calls the address with the `verify_token` at once. Setting `webhook_override=false` leaves the address
        to the application's dashboard.
        """
        described = await self._sender.check()
        await self._api.post(f"{self._waba()}/subscribed_apps", {}, idempotent=True)
        if self._account.settings.get("webhook_override", True):
            await self._override(webhook_url, self._account.secrets.get("verify_token", ""))
        return described

    async def health(self) -> WebhookHealth:
        """Whether an application is subscribed to the WABA, and the number's callback address."""
        subscribed = wire.objects((await self._api.get(f"{self._waba()}/subscribed_apps")).get("data"))
        number = await self._api.get(self._account.account_ref, {"fields": "id,webhook_configuration"})
        configured = wire.obj(number.get("webhook_configuration"))
        url = wire.text(configured.get("phone_number")) or wire.text(configured.get("application"))
        return WebhookHealth(
            url=url, active=bool(subscribed), last_error=None if subscribed else "no application is subscribed"
        )

    async def disconnect(self) -> None:
        """Remove the number's override; the application's own address stays."""
        await self._override("", "")

    async def _override(self, url: str, verify_token: str) -> None:
        configuration = {"override_callback_uri": url}
        if verify_token:
            configuration["verify_token"] = verify_token
        await self._api.post(self._account.account_ref, {"webhook_configuration": configuration}, idempotent=True)

    def _waba(self) -> str:
        waba = wire.ident(self._account.settings.get("waba_id"))
        if waba is None:
            raise Invalid("the WhatsApp Business Account id is missing", field="waba_id", remedy="WhatsApp → API setup")
        return waba

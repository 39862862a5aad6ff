"""Connecting a community: check the key, register the callback server, watch and re-enable it, take it away."""

from __future__ import annotations

from typing import Any, Final

from battcrm.kit.errors import Permanent
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient, WebhookHealth
from battcrm.transport.vk.client import EVENTS, VkApi
from battcrm.transport.vk.send import VkSender

TITLE: Final = "BattCRM"


class VkLifecycle:
    """Callback server of one community."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._sender = VkSender(account, http)
        self._api = VkApi(account, http)
        self._group = {"group_id": account.account_ref}

    async def connect(self, webhook_url: str) -> dict[str, Any]:
        """Register the webhook, or renew what is registered; VK then asks the address for the confirmation string.

        The string must be in the settings by then: store `settings` of `Sender.check` first. Calling this again makes
        VK ask again, and re-enables a server that VK had switched off.
        """
        described = await self._sender.check()
        server = {"url": webhook_url, "title": TITLE, "secret_key": self._secret()}
        known = await self._servers()
        found = next((item for item in known if item.get("url") == webhook_url), None)
        found = found or next((item for item in known if item.get("title") == TITLE), None)
        if found is None:
            added = wire.obj(await self._api.call("groups.addCallbackServer", {**self._group, **server}))
            server_id = wire.ident(added.get("server_id"))
        else:
            server_id = wire.ident(found.get("id"))
            arguments = {**self._group, "server_id": server_id, **server}
            await self._api.call("groups.editCallbackServer", arguments, idempotent=True)
        flags = {**self._group, "server_id": server_id, "api_version": self._api.version, **EVENTS}
        await self._api.call("groups.setCallbackSettings", flags, idempotent=True)
        described["settings"]["server_id"] = server_id
        return described

    async def health(self) -> WebhookHealth:
        """The state of our server in VK's list: `ok` is active; `failed` and `unconfigured` need `connect` again."""
        found = next((item for item in await self._servers() if item.get("title") == TITLE), None)
        if found is None:
            return WebhookHealth(active=False, last_error="not registered")
        state = wire.text(found.get("status")) or "unknown"
        return WebhookHealth(
            url=wire.text(found.get("url")), active=state in ("ok", "wait"), last_error=None if state == "ok" else state
        )

    async def disconnect(self) -> None:
        """Remove our callback server; other servers of the community stay."""
        for item in await self._servers():
            if item.get("title") == TITLE:
                arguments = {**self._group, "server_id": item.get("id")}
                await self._api.call("groups.deleteCallbackServer", arguments, idempotent=True)

    async def _servers(self) -> list[dict[str, Any]]:
        found = wire.obj(await self._api.call("groups.getCallbackServers", self._group, idempotent=True))
        return wire.objects(found.get("items"))

    def _secret(self) -> str:
        secret = self._account.secrets.get("webhook_secret", "")
        if not 1 <= len(secret) <= 50:
            raise Permanent("VK takes a secret of 1–50 characters", code="bad_secret")
        return secret

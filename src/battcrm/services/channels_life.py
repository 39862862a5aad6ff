"""A channel's life: connect, check, renew credentials, disable, enable, remove."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Pool
from battcrm.infra.redact import redact
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, Transient
from battcrm.services.channels import Channels
from battcrm.services.channels_sql import DUE_NOW, RENEW, SETTINGS, STATE, WIPE
from battcrm.services.channels_view import ChannelBook, ChannelView
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import ChannelAccount, Manifest
from battcrm.transport.health import EVERY_WHEN_ILL, OK, Health, HealthJob, HealthProbe
from battcrm.transport.health_rows import HealthRows
from battcrm.transport.registry import manifest_of

# Secrets that are ours to invent, where a channel has use for them.
_OURS: Final = ("webhook_secret", "verify_token", "session_secret")


@dataclass(frozen=True, slots=True)
class Joined:
    """A channel after it was connected or renewed. `problem` is why the platform does not deliver yet, if so."""

    view: ChannelView
    link: str | None
    hook_url: str | None
    health: Health
    renewed: bool = False

    @property
    def problem(self) -> str | None:
        """What keeps the channel from working; it is tried again every minute."""
        return None if self.health.state == OK else self.health.text or self.health.code


class ChannelLife:
    """Commands on channels of a tenant. Credentials are tried before anything is stored."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        channels: Channels,
        directory: ChannelDirectory,
        book: ChannelBook,
        rows: HealthRows,
        probe: HealthProbe,
        job: HealthJob,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._channels = channels
        self._directory = directory
        self._book = book
        self._rows = rows
        self._probe = probe
        self._job = job

    async def add(
        self,
        tenant_id: UUID,
        kind: str,
        *,
        account_ref: str = "",
        title: str = "",
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        poll: bool = False,
    ) -> Joined:
        """Connect an account; one that is connected already gets the new credentials and keeps its dialogues.

        AuthExpired if the platform refuses the credentials, Invalid for what is missing: nothing is stored then.
        """
        manifest = manifest_of(kind)
        wanted = {**(settings or {}), **({"mode": "poll"} if poll else {})}
        self._reachable(manifest, wanted)
        given = dict(secrets or {})
        draft = ChannelAccount(tenant_id, UUID(int=0), kind, account_ref, _completed(manifest, given), wanted)
        described = await self._described(manifest, draft)
        ref = str(described.get("account_ref") or account_ref or tenant_id)
        known = await self._book.by_account(tenant_id, kind, ref)
        # What trying the credentials has replaced (a refresh token works once) is what must be kept.
        learned = described.get("secrets") or {}
        if known is not None:
            joined = await self._renew(known, {**given, **learned}, wanted)
            return replace(joined, renewed=True)
        wanted |= described.get("settings") or {}
        new = await self._channels.add(
            tenant_id,
            kind,
            ref,
            title=title or str(described.get("title") or ""),
            secrets={**draft.secrets, **learned},
            settings=wanted,
        )
        return await self._join(new.channel_id, described)

    async def enable(
        self,
        tenant_id: UUID,
        channel: str,
        *,
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Joined:
        """Start a channel again, with new credentials if given. What waited to be sent is due at once."""
        found = await self._found(tenant_id, channel)
        return await self._renew(found, dict(secrets or {}), dict(settings or {}))

    async def disable(self, tenant_id: UUID, channel: str) -> str | None:
        """Stop a channel: nothing is sent, and the platform is told to stop. Returns why it could not be told, if so."""
        return await self._stop(await self._found(tenant_id, channel), "disabled")

    async def remove(self, tenant_id: UUID, channel: str) -> str | None:
        """As `disable`, for good: secrets and address are wiped; dialogues stay readable."""
        found = await self._found(tenant_id, channel)
        problem = await self._stop(found, "removed")
        key = random_secrets.token_urlsafe(24)
        await self._pool.execute(WIPE, tenant_id, found.account.channel_id, key)
        self._directory.changed()
        return problem

    async def check(self, tenant_id: UUID, channel: str) -> tuple[ChannelView, Health]:
        """Ask the platform now, mend what can be mended, keep what was seen."""
        found = await self._found(tenant_id, channel)
        health = await self._probe.look(found, mend=found.state != "disabled")
        if found.state != "disabled":
            await self._job.note(found, health)
        return await self._book.view(tenant_id, found.account.channel_id), health

    async def _renew(self, found: Connected, given: Mapping[str, str], settings: Mapping[str, Any]) -> Joined:
        account = found.account
        manifest = manifest_of(account.kind)
        wanted = {**account.settings, **settings}
        self._reachable(manifest, wanted)
        complete = _completed(manifest, {**account.secrets, **given})
        described = await self._described(manifest, replace(account, secrets=complete, settings=wanted))
        if described.get("account_ref") not in (None, "", account.account_ref):
            raise Permanent("the credentials belong to another account", code="wrong_account")
        sealed = self._channels.sealed(account.channel_id, complete)
        wanted |= described.get("settings") or {}
        await self._pool.execute(RENEW, account.tenant_id, account.channel_id, sealed, wanted)
        self._directory.changed()
        joined = await self._join(account.channel_id, described)
        await self._pool.execute(DUE_NOW, account.tenant_id, account.channel_id, self._clock.now())
        # Once more, now that what waited is due: out workers look at it at once.
        self._directory.changed()
        return joined

    async def _join(self, channel_id: UUID, described: Mapping[str, Any]) -> Joined:
        """Tell the platform where we are, look whether it agrees, and have the channel looked after."""
        connected = await self._fresh(channel_id)
        account = connected.account
        health = await self._register(connected)
        if health is None:
            health = await self._probe.look(await self._fresh(channel_id), mend=False)
        await self._job.note(connected, health)
        now = self._clock.now()
        await self._rows.watch(account.tenant_id, channel_id, now + EVERY_WHEN_ILL, now)
        view = await self._book.view(account.tenant_id, channel_id)
        link = described.get("link")
        return Joined(view, str(link) if link else None, self._probe.hook_url(connected), health)

    async def _register(self, connected: Connected) -> Health | None:
        """None when all went well; the stored channel stays, and the health job goes on trying."""
        account = connected.account
        manifest = manifest_of(account.kind)
        if manifest.lifecycle is None:
            return None
        lifecycle = manifest.lifecycle(account, self._probe.http(connected))
        url = self._probe.hook_url(connected)
        try:
            if url is None:
                # A webhook that is still registered elsewhere keeps most platforms from answering polls.
                if not manifest.reconciles:
                    await lifecycle.disconnect()
                return None
            described = await lifecycle.connect(url)
        except BattError as error:
            state = "token_revoked" if isinstance(error, AuthExpired) else "degraded"
            return Health(state, error.code, redact(error.text))
        learned = described.get("settings")
        if learned:
            await self._pool.execute(SETTINGS, account.tenant_id, account.channel_id, learned)
            self._directory.changed()
        return None

    async def _stop(self, found: Connected, state: str) -> str | None:
        account = found.account
        manifest = manifest_of(account.kind)
        problem = None
        await self._pool.execute(STATE, account.tenant_id, account.channel_id, state, "by its owner")
        self._directory.changed()
        if manifest.lifecycle is not None and account.secrets:
            try:
                await manifest.lifecycle(account, self._probe.http(found)).disconnect()
            except BattError as error:
                problem = redact(error.text)
        return problem

    async def _described(self, manifest: Manifest, account: ChannelAccount) -> dict[str, Any]:
        draft = Connected(account, "", "", "active", None)
        try:
            return await manifest.sender(account, self._probe.http(draft)).check()
        except Transient as error:
            if error.code != "unreachable":
                raise
            way = "check this machine's network, or give --setting proxy=… or base_url=…"
            raise Transient(
                f"{manifest.title} cannot be reached ({redact(error.text)}): {way}", code=error.code
            ) from None
        except (Permanent, Invalid) as error:
            if account.account_ref:
                raise
            raise Invalid(
                f"{manifest.title}: {redact(error.text)}", field="account", remedy="name the account with --account"
            ) from None

    def _reachable(self, manifest: Manifest, settings: Mapping[str, Any]) -> None:
        """A channel that nobody delivers to must not be stored."""
        if settings.get("mode") == "poll":
            if manifest.poller is None:
                raise Invalid(f"{manifest.title} cannot be polled", field="poll", remedy="set BATTCRM_PUBLIC_URL")
        elif manifest.lifecycle is not None and not self._probe.has_address:
            also = ", or add --poll" if manifest.poller is not None else ""
            raise Invalid(
                f"{manifest.title} delivers to a public address, and there is none",
                field="BATTCRM_PUBLIC_URL",
                remedy=f"set BATTCRM_PUBLIC_URL to the gateway's https address{also}",
            )

    async def _found(self, tenant_id: UUID, channel: str) -> Connected:
        return await self._fresh(await self._book.find(tenant_id, channel))

    async def _fresh(self, channel_id: UUID) -> Connected:
        self._directory.changed()
        connected = await self._directory.find(channel_id)
        if connected is None:
            raise Invalid("the channel is gone", field="channel")
        return connected


def _completed(manifest: Manifest, given: Mapping[str, str]) -> dict[str, str]:
    """The secrets with those that are ours to invent; Invalid names the first that only the owner knows."""
    complete = {name: value.strip() for name, value in given.items()}
    made = {name for name in _OURS if name in manifest.required_secrets}
    if manifest.lifecycle is not None:
        made.add("webhook_secret")
    for ours in made:
        # Hexadecimal digits and under 50 of them: what every platform takes.
        complete.setdefault(ours, random_secrets.token_hex(20))
    for name in manifest.required_secrets:
        if not complete.get(name):
            raise Invalid(f"{manifest.title} needs the secret {name!r}", field=name, remedy=f"give --secret {name}=…")
    return complete

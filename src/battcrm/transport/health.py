"""Health of channels: what the platform says of us, mended where it switched us off (PROTOCOL E4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from battcrm.infra.due import Claim
from battcrm.infra.redact import redact
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, RateLimited
from battcrm.models.unified import rfc3339
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import HttpClient, Lifecycle, Manifest, WebhookHealth
from battcrm.transport.door import Door
from battcrm.transport.health_rows import HealthRows
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
KIND: Final = "channel.health"
OK: Final = "ok"
DEGRADED: Final = "degraded"
UNREACHABLE: Final = "unreachable"
REVOKED: Final = "token_revoked"
EVERY: Final = timedelta(minutes=3)
EVERY_WHEN_ILL: Final = timedelta(minutes=1)
# Where a webhook may be lost for good, the look is also how it is found.
EVERY_WHEN_RECONCILING: Final = timedelta(seconds=90)
_FRESH: Final = timedelta(minutes=10)
_BACKLOG: Final = 100


@dataclass(frozen=True, slots=True)
class Health:
    """A channel as seen just now. `state` is ok, degraded, unreachable or token_revoked; `code` says why.

    `mended` = the platform had switched us off and was told to go on.
    """

    state: str
    code: str = ""
    text: str = ""
    webhook: WebhookHealth | None = None
    mended: bool = False

    def document(self) -> dict[str, Any]:
        """What is kept in the channel's row."""
        seen = self.webhook or WebhookHealth()
        parts: dict[str, Any] = {
            "state": self.state,
            "code": self.code,
            "text": self.text,
            "pending": seen.pending,
            "last_error": redact(seen.last_error) if seen.last_error else None,
            "last_error_at": rfc3339(seen.last_error_at),
        }
        return {name: value for name, value in parts.items() if value not in (None, "")}


class HealthProbe:
    """Asks the platform. Has no side but the platform's: nothing is stored."""

    def __init__(self, clock: Clock, http_for: Callable[[Connected], HttpClient], public_url: str | None) -> None:
        self._clock = clock
        self._http_for = http_for
        self._public_url = public_url

    def hook_url(self, connected: Connected) -> str | None:
        """The webhook address of a channel; None where this installation has no public address, or the channel is read by
        polling alone. One whose platform repeats nothing is polled beside its webhook."""
        account = connected.account
        polls = account.settings.get("mode") == "poll" and not manifest_of(account.kind).reconciles
        if self._public_url is None or polls:
            return None
        return f"{self._public_url}/hook/{account.kind}/{account.channel_id}/{connected.hook_key}"

    @property
    def has_address(self) -> bool:
        """Whether platforms can reach this installation."""
        return self._public_url is not None

    def http(self, connected: Connected) -> HttpClient:
        """The client for a channel's own proxy and certificates."""
        return self._http_for(connected)

    async def look(self, connected: Connected, *, mend: bool = True) -> Health:
        """The channel's health; with `mend` a webhook that is off or points elsewhere is registered again. Never raises
        what the platform answers."""
        manifest = manifest_of(connected.account.kind)
        try:
            return await self._look(connected, manifest, mend=mend)
        except AuthExpired as error:
            return Health(REVOKED, error.code, redact(error.text))
        except (Permanent, Invalid, RateLimited) as error:
            return Health(DEGRADED, error.code, redact(error.text))
        except BattError as error:
            return Health(UNREACHABLE, error.code, redact(error.text))

    async def _look(self, connected: Connected, manifest: Manifest, *, mend: bool) -> Health:
        account, http = connected.account, self.http(connected)
        wanted = self.hook_url(connected)
        polls = account.settings.get("mode") == "poll" and wanted is None
        if manifest.lifecycle is None or polls:
            await manifest.sender(account, http).check()
            return Health(OK)
        lifecycle = manifest.lifecycle(account, http)
        seen = await lifecycle.health()
        off = not seen.active or (wanted is not None and seen.url is not None and seen.url != wanted)
        if not off:
            return self._judge(seen)
        if wanted is None or not mend:
            return Health(DEGRADED, "webhook_off", webhook=seen)
        return await self._register(lifecycle, wanted)

    async def _register(self, lifecycle: Lifecycle, wanted: str) -> Health:
        await lifecycle.connect(wanted)
        seen = await lifecycle.health()
        if not seen.active:
            return Health(DEGRADED, "webhook_off", webhook=seen)
        return Health(OK, webhook=seen, mended=True)

    def _judge(self, seen: WebhookHealth) -> Health:
        failing = seen.last_error_at is not None and self._clock.now() - seen.last_error_at < _FRESH
        if failing and seen.pending != 0:
            return Health(DEGRADED, "deliveries_fail", webhook=seen)
        if (seen.pending or 0) >= _BACKLOG:
            return Health(DEGRADED, "backlog", webhook=seen)
        return Health(OK, webhook=seen)


class HealthJob:
    """The handler of due-work of kind `channel.health`: one row a channel, for ever."""

    def __init__(
        self, rows: HealthRows, probe: HealthProbe, channels: ChannelDirectory, door: Door, clock: Clock
    ) -> None:
        self._rows = rows
        self.probe = probe
        self._channels = channels
        self._door = door
        self._clock = clock

    async def handle(self, claim: Claim) -> datetime | None:
        """Look at one channel; when to look again, None for one that is disabled or gone."""
        connected = await self._rows.channel(self._channels, claim)
        if connected is None or connected.state not in ("active", "auth_expired"):
            return None
        health = await self.probe.look(connected)
        await self.note(connected, health)
        if health.state == OK and connected.state == "active":
            await self._reconcile(connected, since_fault=health.mended)
        well = EVERY_WHEN_RECONCILING if manifest_of(connected.account.kind).reconciles else EVERY
        return self._clock.now() + (well if health.state == OK else EVERY_WHEN_ILL)

    async def note(self, connected: Connected, health: Health) -> None:
        """Store what was seen, log a change once, stop or start the channel by what its credentials are worth."""
        account = connected.account
        before = await self._rows.store(account, health.document(), self._clock.now())
        known = {"channel_id": str(account.channel_id), "channel": account.kind, "state": health.state}
        if before != health.state and not (before is None and health.state == OK):
            if health.state == OK:
                log.info("channel.back", **known)
            else:
                log.warning("channel.down", code=health.code, **known)
        if health.mended:
            log.info("channel.mended", **known)
        if health.state == REVOKED and connected.state == "active":
            await self._channels.set_state(account, "auth_expired", health.text or health.code)
        elif health.state == OK and connected.state == "auth_expired":
            await self._rows.revive(account, self._clock.now())
            self._channels.changed()

    async def _reconcile(self, connected: Connected, *, since_fault: bool) -> None:
        """Read what a platform that does not repeat deliveries may have failed to deliver; the door knows duplicates."""
        account = connected.account
        manifest = manifest_of(account.kind)
        polls = account.settings.get("mode") == "poll"
        if manifest.poller is None or polls or not manifest.reconciles:
            return
        offset = await self._rows.offset(account)
        batches = manifest.poller(account, self.probe.http(connected)).batches(offset)
        found = 0
        try:
            async for messages, raws, following in batches:
                found += await self._door.accept(account, messages, b"[" + b",".join(raws) + b"]")
                await self._rows.save_offset(account, following)
                if not raws:
                    break
        except BattError as error:
            log.warning("reconciliation.failed", channel_id=str(account.channel_id), code=error.code)
        finally:
            close = getattr(batches, "aclose", None)
            if close is not None:
                await close()
        if found:
            log.info("reconciliation.found", channel_id=str(account.channel_id), messages=found, fault=since_fault)

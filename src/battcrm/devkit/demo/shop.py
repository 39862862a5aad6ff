"""The shop «Ремонт на Лесной» in a database: tenant, settings, price list, past repairs, channels. Safe to repeat."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.demo.history import SHOP, generate
from battcrm.devkit.demo.load_history import load
from battcrm.kit.errors import Invalid, Permanent
from battcrm.models.config import SECTIONS
from battcrm.response.hours import WEEKDAYS
from battcrm.services.channels import Channels
from battcrm.services.imports.service import Imports
from battcrm.services.tenants import Tenants, TenantView
from battcrm.transport.accounts import WAKE, Connected
from battcrm.workers.runtime import Runtime

SLUG: Final = "lesnaya"
SEED: Final = 2026
REPAIRS: Final = 2000
BOT: Final = "700700700"
_FRESH: Final = timedelta(days=14)

_COUNT: Final = (
    "SELECT count(*) AS n, max(opened_at) AS newest FROM repair_record WHERE tenant_id = $1 AND source = 'demo'"
)
_CHANNEL: Final = "SELECT channel_id FROM channel WHERE tenant_id = $1 AND kind = $2 AND account_ref = $3"
_MOVE: Final = """
UPDATE channel SET settings = $3, state = 'active', state_reason = NULL, gate_until = NULL, version = version + 1
WHERE tenant_id = $1 AND channel_id = $2
"""
_PUBLISHED: Final = """
SELECT t.config_version, c.document FROM tenant t
JOIN tenant_config c ON c.tenant_id = t.tenant_id AND c.version = t.config_version
WHERE t.tenant_id = $1 FOR UPDATE OF t
"""
_PUBLISH: Final = """
WITH published AS (
  INSERT INTO tenant_config (tenant_id, version, state, document, author, created_at, published_at)
  VALUES ($1, $2, 'published', $3, 'demo', $4, $4) RETURNING version
)
UPDATE tenant SET config_version = (SELECT version FROM published) WHERE tenant_id = $1
"""

DOCUMENT: Final[dict[str, Any]] = {
    # A real debounce, only shorter than a shop's: the audience waits.
    "dialog": {"quiet": 0.8, "unfinished": 0.4, "media": 1.5, "cap": 6.0},
    "response": {
        "languages": ["ru", "en"],
        "shop": {
            "name": SHOP,
            "phone": "+7 812 555-01-23",
            "services": ["phone", "tablet", "laptop", "scooter"],
            "by_language": {
                "ru": {
                    "address": "Санкт-Петербург, Лесной пр., 18",
                    "directions": "5 минут от метро «Лесная».",
                    "payment": "наличные, карта, СБП",
                    "delivery": "Курьер по городу: забираем и привозим, 400 ₽ в обе стороны.",
                    "warranty": "Гарантия на работу и наши детали — 90 дней.",
                },
                "en": {
                    "address": "18 Lesnoy Prospekt, St Petersburg",
                    "directions": "5 minutes from Lesnaya metro station.",
                    "payment": "cash, card, SBP",
                    "delivery": "A courier in the city: there and back for 400 ₽.",
                    "warranty": "90 days on our work and our parts.",
                },
            },
        },
        "hours": {"week": {day: ["10:00-21:00"] for day in WEEKDAYS}, "answer_minutes": 15},
        "quote": {"diagnostics_price": 0},
    },
}


@dataclass(frozen=True, slots=True)
class Shop:
    """The seeded shop and its two doors; `real_bot` is set when a Telegram token was given."""

    tenant: TenantView
    telegram: Connected
    webchat: Connected
    real_bot: Connected | None = None

    @property
    def tenant_id(self) -> UUID:
        """The tenant."""
        return self.tenant.tenant_id


async def open_shop(runtime: Runtime, telegram_url: str, real_token: str | None) -> Shop:
    """Make what is missing and point the emulated bot at this run's emulator."""
    tenants = Tenants(runtime.pool, runtime.clock, runtime.ids)
    try:
        tenant = await tenants.find(SLUG)
        await _configure(runtime, tenant.tenant_id)
    except Invalid:
        tenant = await tenants.create(SLUG, SHOP, document=DOCUMENT)
    await _remember(runtime, tenant.tenant_id)
    bot = {"token": f"{BOT}:{secrets.token_urlsafe(26)}", "webhook_secret": secrets.token_urlsafe(24)}
    chat = {"session_secret": secrets.token_urlsafe(32)}
    real = await _real_bot(runtime, tenant.tenant_id, real_token) if real_token else None
    return Shop(
        tenant,
        await _channel(runtime, tenant.tenant_id, "telegram", BOT, bot, {"base_url": telegram_url}),
        await _channel(runtime, tenant.tenant_id, "webchat", SLUG, chat, {"title": SHOP}),
        real,
    )


async def _configure(runtime: Runtime, tenant_id: UUID) -> None:
    """A home made by an older demo gets today's settings as a new version."""
    SECTIONS.validate(DOCUMENT)
    async with runtime.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_PUBLISHED, tenant_id)
        if row is not None and row["document"] != DOCUMENT:
            await connection.execute(_PUBLISH, tenant_id, row["config_version"] + 1, DOCUMENT, runtime.clock.now())


async def _remember(runtime: Runtime, tenant_id: UUID) -> None:
    """The past, unless it is there and still ends about now."""
    now = runtime.clock.now()
    row = await runtime.pool.fetchrow(_COUNT, tenant_id)
    if row is not None and row["n"] >= REPAIRS and now - row["newest"] < _FRESH:
        return
    imports = Imports(runtime.pool, runtime.clock, runtime.ids)
    await load(runtime.pool, imports, tenant_id, generate(SEED, REPAIRS, now=now), now)


async def _real_bot(runtime: Runtime, tenant_id: UUID, token: str) -> Connected:
    """A bot of the outer world, read by long polling."""
    ref, _, rest = token.partition(":")
    if not ref.isdecimal() or not rest:
        raise Invalid(
            "TELEGRAM_BOT_TOKEN: expected <digits>:<secret>",
            field="TELEGRAM_BOT_TOKEN",
            remedy="copy it from @BotFather",
        )
    given = {"token": token, "webhook_secret": secrets.token_urlsafe(24)}
    return await _channel(runtime, tenant_id, "telegram", ref, given, {"mode": "poll"})


async def _channel(
    runtime: Runtime, tenant_id: UUID, kind: str, ref: str, given: Mapping[str, str], settings: dict[str, Any]
) -> Connected:
    channel_id = await runtime.pool.fetchval(_CHANNEL, tenant_id, kind, ref)
    if channel_id is None:
        channels = Channels(runtime.pool, runtime.vault, runtime.clock, runtime.ids, runtime.wakeups)
        new = await channels.add(tenant_id, kind, ref, title=SHOP, secrets=given, settings=settings)
        channel_id = new.channel_id
    else:
        await runtime.pool.execute(_MOVE, tenant_id, channel_id, settings)
        runtime.wakeups.notify(WAKE)
    found = await runtime.channels.find(channel_id)
    if found is None:
        raise Permanent(f"the channel {kind} is gone", code="no_channel")
    return found

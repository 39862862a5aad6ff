"""The shop of one script in the database: tenant, settings, channels and prices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from battcrm.devkit.scripts.format import Channel, Price, Shop
from battcrm.devkit.scripts.messenger import BUTTONS, ORDERED, PLAIN
from battcrm.infra.postgres import Pool, columns
from battcrm.kit.crypto import Vault
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.config import SECTIONS
from battcrm.services.operator_outcomes import OUTCOMES_KIND
from battcrm.transport.base import ChannelAccount

_TENANT: Final = """
INSERT INTO tenant (tenant_id, bucket, slug, name, timezone, config_version, created_at)
VALUES ($1, $2, $3, 'Мастерская', $4, 1, $5)
"""
_CONFIG: Final = """
INSERT INTO tenant_config (tenant_id, version, state, document, created_at) VALUES ($1, 1, 'published', $2, $3)
"""
# The row of the tenant's outcomes, as the caretaker would make it, from the first day on.
_CARE: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
VALUES ($1, $1, $2, $3, 'all', '{}'::jsonb, $4, $5)
"""
_CHANNEL: Final = """
INSERT INTO channel (tenant_id, channel_id, kind, account_ref, title, hook_key, secrets, settings, health, created_at)
VALUES ($1, $2, $3, $4, $4, 'key', $5, '{}'::jsonb, '{}'::jsonb, $6)
"""
_PRICES: Final = """
INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_name, part_price, labour_price, stock,
                        quality, priced_at, currency, source, active, version)
SELECT $1, r.own, r.brand, r.model, r.repair_type, NULL, r.part, r.labour, 3, 'original', $2, 'RUB', 'script', true, 1
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
  AS r(own, brand, model, repair_type, part, labour)
"""
_REPAIRS: Final = """
INSERT INTO repair_record (tenant_id, repair_id, brand, model, repair_types, part_owner, labour_amount, part_amount,
                           total_amount, status, opened_at, closed_at, source)
SELECT $1, r.own, r.brand, r.model, ARRAY[r.repair_type], 'shop', r.labour, r.part, r.labour + r.part, 'done',
  r.closed - interval '1 day', r.closed, 'script'
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[])
  AS r(own, brand, model, repair_type, part, labour, closed)
"""
_PHONES: Final = (
    ("Apple", "iPhone 11", 8), ("Apple", "iPhone 12", 10), ("Apple", "iPhone 12 Pro", 12), ("Apple", "iPhone 13", 12),
    ("Apple", "iPhone 13 Pro", 16), ("Apple", "iPhone 14", 14), ("Apple", "iPhone XR", 7), ("Samsung", "Galaxy A52", 6),
    ("Samsung", "Galaxy S21", 11), ("Xiaomi", "Redmi Note 10 Pro", 5), ("Xiaomi", "Redmi Note 11", 5),
)  # fmt: skip
_WORK: Final = (("screen", 1500, 600), ("battery", 1000, 200), ("charging_port", 1200, 90), ("back_glass", 1600, 150))
USUAL: Final = (
    *(
        Price(brand=brand, model=model, repair=repair, labour=labour, part=part * level)
        for brand, model, level in _PHONES
        for repair, labour, part in _WORK
    ),
    Price(brand="Kugoo", model="S3", repair="wheel", labour=900, part=700),
    Price(brand="Apple", model="iPhone 13", repair="screen", labour=1500, part=7200, repairs=6),
)
"""What a shop has when its script says nothing else: eleven phones and a scooter."""
DEFAULTS: Final[dict[str, Any]] = {
    "response": {
        "shop": {
            "name": "Мастерская", "address": "ул. Лесная, 5", "payment": "наличные, карта",
            "warranty": "Гарантия на работу 90 дней.", "services": ["phone", "tablet", "laptop", "scooter"],
        },
        "hours": {"week": {d: ["10:00-20:00"] for d in ("mon", "tue", "wed", "thu", "fri", "sat")}},
    },
}  # fmt: skip


def start_of(shop: Shop) -> datetime:
    """The script's first moment."""
    return shop.start.replace(tzinfo=ZoneInfo(shop.timezone)).astimezone(UTC)


def document_of(shop: Shop) -> dict[str, Any]:
    """The tenant's document: the usual one with the script's own values over it. Invalid names a wrong value."""
    document = _over(DEFAULTS, shop.config)
    SECTIONS.validate(document)
    return document


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in own.items():
        below = merged.get(name)
        merged[name] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


async def open_shop(
    pool: Pool, vault: Vault, ids: IdFactory, tenant_id: UUID, shop: Shop, channels: Mapping[str, Channel]
) -> dict[str, ChannelAccount]:
    """A new tenant; the accounts of its channels by the script's names."""
    now = start_of(shop)
    await pool.execute(_TENANT, tenant_id, bucket_of(tenant_id), f"script-{tenant_id.hex}", shop.timezone, now)
    await pool.execute(_CONFIG, tenant_id, document_of(shop), now)
    tomorrow = now + timedelta(days=1)
    await pool.execute(_CARE, tenant_id, bucket_of(tenant_id), OUTCOMES_KIND, tomorrow, now)
    accounts = {}
    for name, able in channels.items():
        channel = ids.new()
        kind = ORDERED if able.ordered else BUTTONS if able.buttons else PLAIN
        reference = f"{name}-{channel.hex[-6:]}"
        sealed = vault.seal({"secret": "none"}, channel.bytes)
        await pool.execute(_CHANNEL, tenant_id, channel, kind, reference, sealed, now)
        accounts[name] = ChannelAccount(tenant_id, channel, kind, reference)
    prices = USUAL if shop.prices == "usual" else () if shop.prices == "none" else shop.prices
    await _price(pool, ids, tenant_id, prices, now)
    return accounts


async def _price(pool: Pool, ids: IdFactory, tenant_id: UUID, prices: tuple[Price, ...], now: datetime) -> None:
    listed = [(ids.new(), p.brand, p.model, p.repair, p.part * 100, p.labour * 100) for p in prices if not p.repairs]
    past = [
        (ids.new(), p.brand, p.model, p.repair, p.part * 100, p.labour * 100, now - timedelta(days=3 + number))
        for p in prices
        for number in range(p.repairs)
    ]
    if listed:
        await pool.execute(_PRICES, tenant_id, now - timedelta(days=2), *columns(listed, 6))
    if past:
        await pool.execute(_REPAIRS, tenant_id, *columns(past, 7))

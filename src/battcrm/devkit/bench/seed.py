"""Tenants, channels, prices and past repairs for a run, written in bulk."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from battcrm.devkit.bench.mix import MODELS, REPAIRS
from battcrm.kit.clock import SystemClock
from battcrm.kit.crypto import Vault
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.kit.text import dumps

REPAIRS_EACH: Final = 8
SECRET: Final = "bench-webhook-secret"  # noqa: S105 - of a throw-away world

_COLUMNS: Final = {
    "tenant": ("tenant_id", "bucket", "slug", "name", "config_version", "created_at"),
    "tenant_config": ("tenant_id", "version", "state", "document", "created_at"),
    "channel": (
        "tenant_id", "channel_id", "kind", "account_ref", "title", "hook_key", "secrets", "settings", "health",
        "created_at",
    ),
    "price_item": (
        "tenant_id", "price_item_id", "brand", "model", "repair_type", "part_name", "part_price", "labour_price",
        "stock", "priced_at", "source",
    ),
    "repair_record": (
        "tenant_id", "repair_id", "brand", "model", "repair_types", "part_owner", "labour_amount", "part_amount",
        "total_amount", "status", "opened_at", "closed_at", "source",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """A seeded tenant and its one channel."""

    tenant_id: UUID
    channel_id: UUID
    bot_id: int
    hook: str


async def seed_shops(
    database_url: str, telegram_url: str | None, key: bytes, count: int, debounce: float
) -> list[Shop]:
    """Write `count` shops with a Telegram bot each (none without its address), a price list and past repairs of the
    mix's devices."""
    clock = SystemClock()
    ids, vault = IdFactory(clock), Vault([key])
    now = clock.now()
    document = {"dialog": {"quiet": debounce, "unfinished": 0 if not debounce else 1.5, "media": debounce}}
    shops: list[Shop] = []
    rows: dict[str, list[tuple[Any, ...]]] = {
        "tenant": [], "tenant_config": [], "channel": [], "price_item": [], "repair_record": []
    }  # fmt: skip
    rng = random.Random(20_26)
    for number in range(count):
        tenant_id, channel_id, bot_id = ids.new(), ids.new(), 700_000_000 + number
        token = f"{bot_id}:{'B' * 35}"
        sealed = vault.seal({"token": token, "webhook_secret": SECRET}, channel_id.bytes)
        settings = {"base_url": telegram_url}
        shops.append(Shop(tenant_id, channel_id, bot_id, f"/hook/telegram/{channel_id}/bench{number}"))
        rows["tenant"].append((tenant_id, bucket_of(tenant_id), f"bench-{number}", f"Shop {number}", 1, now))
        rows["tenant_config"].append((tenant_id, 1, "published", document, now))
        name = f"bench{number}"
        bot = (tenant_id, channel_id, "telegram", str(bot_id), "Bench", name, sealed, settings, dict[str, Any](), now)
        if telegram_url is not None:
            rows["channel"].append(bot)
        _catalogue(rows, tenant_id, ids, rng, now)
    # A plain connection: COPY is binary, and the pool's JSON codec is not.
    connection = await asyncpg.connect(database_url)
    try:
        for table, records in rows.items():
            await connection.copy_records_to_table(table, records=_encoded(records), columns=_COLUMNS[table])
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return shops


def _encoded(records: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(dumps(v).decode() if isinstance(v, dict) else v for v in record) for record in records]


def _catalogue(
    rows: dict[str, list[tuple[Any, ...]]], tenant_id: UUID, ids: IdFactory, rng: random.Random, now: Any
) -> None:
    for place, (brand, model, _) in enumerate(MODELS):
        for repair, _texts in REPAIRS:
            part = 150_000 + 30_000 * place + rng.randrange(0, 60_000, 5_000)
            labour = 120_000 + rng.randrange(0, 80_000, 10_000)
            rows["price_item"].append(
                (tenant_id, ids.new(), brand, model, repair, f"{model} {repair}", part, labour, 3, now, "bench")
            )
            for _ in range(REPAIRS_EACH):
                opened = now - timedelta(days=rng.uniform(2, 150))
                spread = 1 + rng.uniform(-0.12, 0.12)
                amounts = (int(labour * spread), int(part * spread))
                rows["repair_record"].append(
                    (
                        tenant_id,
                        ids.new(),
                        brand,
                        model,
                        [repair],
                        "shop",
                        *amounts,
                        sum(amounts),
                        "done",
                        opened,
                        opened + timedelta(days=1),
                        "bench",
                    )
                )

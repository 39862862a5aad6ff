"""Shops with a past, in bulk: tenants, clients, appeals and repairs that the graph is then projected from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from battcrm.devkit.bench.mix import MODELS, REPAIRS
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory, bucket_of

_PAST_DAYS: Final = 540
_COLUMNS: Final = {
    "tenant": ("tenant_id", "bucket", "slug", "name", "config_version", "created_at"),
    "client": ("tenant_id", "client_id", "created_at"),
    "appeal": (
        "tenant_id", "appeal_id", "client_id", "dialog_id", "episode_id", "number", "status", "brand", "model",
        "device_class", "repair_types", "opened_at", "touched_at", "closed_at",
    ),
    "repair_record": (
        "tenant_id", "repair_id", "client_id", "appeal_id", "brand", "model", "repair_types", "part_owner",
        "labour_amount", "part_amount", "total_amount", "status", "opened_at", "closed_at", "source",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How much past. Every third appeal became a repair; `lone` more appeals belong to the first client of all."""

    tenants: int
    clients: int
    appeals: int
    lone: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """A client who may ask again, and about what."""

    tenant_id: UUID
    client_id: UUID
    brand: str
    model: str
    repair_type: str


async def seed_past(url: str, size: Size, clock: Clock, seed: int) -> list[Asking]:
    """Write the past tenant by tenant with COPY. Returns one asking client for each appeal of every 50th."""
    connection = await asyncpg.connect(url)
    rng, ids = random.Random(seed), IdFactory(clock)
    asking: list[Asking] = []
    try:
        for number in range(size.tenants):
            tenant_id = ids.new()
            rows = _shop(tenant_id, number, size, rng, ids, clock.now())
            for table, records in rows.items():
                await connection.copy_records_to_table(table, records=records, columns=_COLUMNS[table])
            asking += _asking(rows["appeal"])
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return asking


def _shop(
    tenant_id: UUID, number: int, size: Size, rng: random.Random, ids: IdFactory, now: datetime
) -> dict[str, list[tuple[Any, ...]]]:
    clients = [ids.new() for _ in range(_part(size.clients, size.tenants, number))]
    owners = [rng.choice(clients) for _ in range(_part(size.appeals, size.tenants, number))]
    if number == 0:
        owners += clients[:1] * size.lone
    appeals = list(_appeals(tenant_id, owners, rng, ids, now))
    return {
        "tenant": [(tenant_id, bucket_of(tenant_id), f"past-{number}", f"Shop {number}", 1, now)],
        "client": [(tenant_id, client, now) for client in clients],
        "appeal": appeals,
        "repair_record": [_repair(appeal, rng, ids) for appeal in appeals[::3]],
    }


def _part(total: int, parts: int, number: int) -> int:
    """An even share, the remainder to the first."""
    return total // parts + (number < total % parts)


def _appeals(
    tenant_id: UUID, owners: list[UUID], rng: random.Random, ids: IdFactory, now: datetime
) -> Iterator[tuple[Any, ...]]:
    for place, owner in enumerate(owners, 1):
        brand, model, _ = rng.choice(MODELS)
        kind = rng.choice(REPAIRS)[0]
        opened = now - timedelta(days=rng.uniform(2, _PAST_DAYS))
        closed = opened + timedelta(days=1)
        yield (
            tenant_id, ids.new(), owner, ids.new(), ids.new(), place, "done", brand, model, "phone", [kind], opened,
            closed, closed,
        )  # fmt: skip


def _repair(appeal: tuple[Any, ...], rng: random.Random, ids: IdFactory) -> tuple[Any, ...]:
    tenant_id, appeal_id, client_id = appeal[:3]
    brand, model = appeal[7:9]
    labour, part = rng.randrange(150_000, 250_000, 5_000), rng.randrange(300_000, 500_000, 5_000)
    return (
        tenant_id, ids.new(), client_id, appeal_id, brand, model, appeal[10], "shop", labour, part, labour + part,
        "done", appeal[11], appeal[13], "bench",
    )  # fmt: skip


def _asking(appeals: list[tuple[Any, ...]]) -> list[Asking]:
    return [Asking(row[0], row[2], row[7], row[8], row[10][0]) for row in appeals[::50]]

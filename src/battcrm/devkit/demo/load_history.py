"""The generated past through the doors a shop's own past takes: the import service, or a file for it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from battcrm.devkit.demo.history import History, ListedPrice, PastRepair
from battcrm.infra.postgres import Pool
from battcrm.kit.ids import derived_id
from battcrm.services.imports.parsing import Item
from battcrm.services.imports.records import ImportReport, PriceRecord, RepairRecord
from battcrm.services.imports.service import Imports

SOURCE: Final = "demo"
_CLIENTS: Final = """
INSERT INTO client (tenant_id, client_id, display_name, created_at)
SELECT $1, c.own, c.name, $2 FROM unnest($3::uuid[], $4::text[]) AS c(own, name)
ON CONFLICT (tenant_id, client_id) DO NOTHING
"""


async def load(
    pool: Pool, imports: Imports, tenant_id: UUID, history: History, now: datetime
) -> tuple[ImportReport, ImportReport]:
    """Put the past into a tenant: clients first, then prices and repairs. Loading twice changes nothing."""
    numbers = sorted({r.client for r in history.repairs if r.client is not None})
    own = [client_of(tenant_id, number) for number in numbers]
    await pool.execute(_CLIENTS, tenant_id, now, own, [f"Клиент {number}" for number in numbers])
    prices = await imports.run(tenant_id, _prices(history.prices), source=SOURCE)
    return prices, await imports.run(tenant_id, _repairs(tenant_id, history.repairs), source=SOURCE)


def client_of(tenant_id: UUID, number: int) -> UUID:
    """The made-up client's id."""
    return derived_id("demo-client", str(tenant_id), str(number))


def write_csv(history: History, path: Path) -> None:
    """The repairs as a shop would export them, for `battcrm import repairs` and `battcrm eval pricing`."""
    titles = ("Номер", "Бренд", "Модель", "Вид ремонта", "Чья деталь", "Цена работы", "Цена детали", "Итого")
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow((*titles, "Статус", "Принят", "Дата выдачи"))
        for r in history.repairs:
            if r.closed_at is None:
                continue  # an export of finished orders
            owner = {"client": "клиент", "shop": "мастерская"}.get(r.part_owner or "", "")
            amounts = (f"{value // 100},{value % 100:02d}" for value in (r.labour, r.part, r.total))
            times = (r.opened_at.isoformat(), r.closed_at.isoformat())
            status = "выдан" if r.status == "done" else "отказ"
            writer.writerow((r.number, r.brand, r.model, ", ".join(r.repair_types), owner, *amounts, status, *times))


def _prices(lines: tuple[ListedPrice, ...]) -> Iterator[Item]:
    for row, p in enumerate(lines, 1):
        own = "|".join((p.brand, p.model, p.repair_type, p.quality))
        record = PriceRecord(
            own, p.brand, p.model, p.repair_type, p.part_name or None, p.part_price, p.labour_price,
            p.stock if p.part_price else None, p.quality, p.priced_at,
        )  # fmt: skip
        yield Item(row, record)


def _repairs(tenant_id: UUID, repairs: tuple[PastRepair, ...]) -> Iterator[Item]:
    for r in repairs:
        client = None if r.client is None else client_of(tenant_id, r.client)
        record = RepairRecord(
            str(r.number), r.brand, r.model, r.device_class, r.repair_types, r.part_owner, r.labour, r.part, r.total,
            r.status, r.opened_at, r.closed_at, client_id=client,
        )  # fmt: skip
        yield Item(r.number, record)

"""From a row's cells to a record, or to the error that names field and remedy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from battcrm.kit.errors import Invalid
from battcrm.services.imports import columns, values
from battcrm.services.imports.files import open_rows
from battcrm.services.imports.records import PriceRecord, RepairRecord, Resolve, RowError


@dataclass(frozen=True, slots=True)
class Reading:
    """What does not change from row to row. `listed_at` dates prices without a date: when the list was written."""

    resolve: Resolve
    zone: ZoneInfo
    now: datetime
    listed_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One row: its number, and a record or an error. `known` = the catalogue knows the model."""

    row: int
    record: PriceRecord | RepairRecord | None
    error: RowError | None = None
    known: bool = True


def read_prices(path: Path, given: Mapping[str, str], reading: Reading) -> Iterator[Item]:
    """Price records of a file. Raises Invalid for a file without the columns that are needed."""
    return _read(path, "price", columns.PRICE_FIELDS, given, reading)


def read_repairs(path: Path, given: Mapping[str, str], reading: Reading) -> Iterator[Item]:
    """Repair records of a file. Raises Invalid for a file without the columns that are needed."""
    return _read(path, "repair", columns.REPAIR_FIELDS, given, reading)


def _read(
    path: Path, kind: str, fields: Mapping[str, tuple[str, ...]], given: Mapping[str, str], reading: Reading
) -> Iterator[Item]:
    with open_rows(path) as rows:
        first = next(rows, None)
        if first is None:
            raise Invalid(f"{path.name} is empty", field="FILE", remedy="the first row must name the columns")
        header = [values.text(cell) for cell in first[1]]
        where = columns.guess(header, fields, given)
        columns.require(where, kind, header)
        for number, cells in rows:
            row = {name: cells[at] if at < len(cells) else None for name, at in where.items()}
            yield _item(number, row, kind, reading)


def _item(number: int, row: Mapping[str, Any], kind: str, reading: Reading) -> Item:
    try:
        brand, model, known = _device(row, reading)
        record: PriceRecord | RepairRecord
        record = _price(row, brand, model, reading) if kind == "price" else _repair(row, brand, model, reading)
    except Invalid as error:
        return Item(number, None, RowError(number, error.field, error.text, error.remedy))
    return Item(number, record, known=known)


def _device(row: Mapping[str, Any], reading: Reading) -> tuple[str, str, bool]:
    brand, model = values.text(row.get("brand")), values.text(row.get("model"))
    if not model:
        raise Invalid("the model is missing", field="model", remedy="fill the cell")
    found = reading.resolve(brand or None, model)
    if found is not None:
        return found[0], found[1], True
    if not brand:
        raise Invalid(f"unknown model {model[:60]!r}", field="model", remedy="add the brand, or correct the model")
    return brand[:100], model[:200], False


def _price(row: Mapping[str, Any], brand: str, model: str, reading: Reading) -> PriceRecord:
    kinds = values.repair_types(row.get("repair_type"), "repair_type")
    if len(kinds) > 1:
        raise Invalid("several repairs in one price", field="repair_type", remedy="one row for each repair")
    part = values.money(row.get("part_price"), "part_price") or None
    labour = values.money(row.get("labour_price"), "labour_price") or None
    if part is None and labour is None:
        raise Invalid("no price above zero", field="part_price", remedy="fill the price of the part or of the work")
    name, quality = values.text(row.get("part_name")) or None, values.text(row.get("quality")) or None
    own = values.text(row.get("external_id")) or _key(brand, model, kinds[0], name, quality)
    stock = values.count(row.get("stock"), "stock")
    priced = values.moment(row.get("priced_at"), "priced_at", reading.zone, reading.now) or reading.listed_at
    return PriceRecord(own, brand, model, kinds[0], name, part, labour, stock, quality, priced)


def _repair(row: Mapping[str, Any], brand: str, model: str, reading: Reading) -> RepairRecord:
    kinds = values.repair_types(row.get("repair_types"), "repair_types")
    closed = values.moment(row.get("closed_at"), "closed_at", reading.zone, reading.now)
    if closed is None:
        raise Invalid("the date is missing", field="closed_at", remedy="fill the day the repair was finished")
    opened = values.moment(row.get("opened_at"), "opened_at", reading.zone, reading.now) or closed
    if opened > closed:
        raise Invalid("finished before it was opened", field="opened_at", remedy="correct one of the dates")
    labour, part, total = _amounts(row)
    state = values.status(row.get("status"))
    owner = values.part_owner(row.get("part_owner"), "part_owner")
    note = values.text(row.get("note"))[:2000] or None
    phone = values.text(row.get("phone")) or None
    own = values.text(row.get("external_id")) or _key(closed, brand, model, kinds, labour, part, total, phone, note)
    return RepairRecord(
        own,
        brand,
        model,
        values.text(row.get("device_class")) or None,
        kinds,
        owner,
        labour,
        part,
        total,
        state,
        opened,
        closed if state != "open" else None,
        note,
        phone=phone,
    )


def _amounts(row: Mapping[str, Any]) -> tuple[int, int, int]:
    """Labour, part and total; the one that is missing follows from the others, and they must agree."""
    labour, part, total = (values.money(row.get(name), name) for name in ("labour", "part", "total"))
    if labour is None and total is None:
        raise Invalid("no amount", field="labour", remedy="fill the price of the work, or the total")
    if labour is None:
        labour = (total or 0) - (part or 0)
    if total is None:
        total = labour + (part or 0)
    if part is None:
        part = total - labour
    if labour < 0 or part < 0 or labour + part != total:
        raise Invalid("work and part do not add up to the total", field="total", remedy="correct one of the amounts")
    return labour, part, total


def _key(*parts: object) -> str:
    """An id for a row that has none: the same content is the same row."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=16).hexdigest()

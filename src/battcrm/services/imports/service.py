"""The import itself: batches, idempotence by external id and content hash, events for what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from typing import Any, Final
from uuid import UUID

import phonenumbers

from battcrm.events.catalogue import Event, PriceChanged, RepairRecorded
from battcrm.events.outbox import append
from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, columns, unavailable
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.services.imports import store
from battcrm.services.imports.parsing import Item
from battcrm.services.imports.records import ImportReport, PriceRecord, RepairRecord, RowError

BATCH: Final = 1000
Record = PriceRecord | RepairRecord
Progress = Callable[[int], None]


class Imports:
    """Brings records into one tenant. Running the same import again changes nothing and emits nothing."""

    def __init__(self, pool: Pool, clock: Clock, ids: IdFactory, *, batch: int = BATCH) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._batch = batch

    async def run(
        self,
        tenant_id: UUID,
        items: Iterable[Item],
        *,
        source: str,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import records of one kind from `source` (part of their identity). Each batch is its own transaction.

        A dry run does everything but write. Raises Transient when the database is away; what was committed stays and
        the next run continues from there.
        """
        report = ImportReport(dry_run=dry_run)
        seen: dict[bytes, tuple[int, bytes]] = {}
        pending: list[Record] = []
        for item in items:
            report.rows += 1
            record = _accept(item, report, seen)
            if record is not None:
                pending.append(record)
            if len(pending) >= self._batch:
                await self._flush(tenant_id, source, pending, report)
                pending = []
            if progress is not None and report.rows % 500 == 0:
                progress(report.rows)
        await self._flush(tenant_id, source, pending, report)
        if progress is not None:
            progress(report.rows)
        return report

    async def _flush(self, tenant_id: UUID, source: str, records: Sequence[Record], report: ImportReport) -> None:
        if not records:
            return
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._write(connection, tenant_id, source, records, report)
        except UNAVAILABLE as error:
            raise unavailable(error) from error

    async def _write(
        self, connection: Connection, tenant_id: UUID, source: str, records: Sequence[Record], report: ImportReport
    ) -> None:
        entity = "price" if isinstance(records[0], PriceRecord) else "repair"
        await connection.execute(store.LOCK, tenant_id)
        rows = await connection.fetch(store.KNOWN, tenant_id, source, entity, [r.external_id for r in records])
        known = {row["external_id"]: (row["internal_id"], row["hash"]) for row in rows}
        changed: list[tuple[UUID, bytes, Record]] = []
        for record in records:
            digest = _digest(record)
            own, old = known.get(record.external_id, (None, None))
            if old == digest:
                report.unchanged += 1
                continue
            changed.append((own or self._ids.new(), digest, record))
            report.created += own is None
            report.updated += own is not None
        if changed and not report.dry_run:
            await self._save(connection, tenant_id, source, entity, changed)

    async def _save(
        self,
        connection: Connection,
        tenant_id: UUID,
        source: str,
        entity: str,
        changed: Sequence[tuple[UUID, bytes, Record]],
    ) -> None:
        now = self._clock.now()
        events: list[Event] = []
        prices = [(own, record) for own, _, record in changed if isinstance(record, PriceRecord)]
        repairs = [(own, record) for own, _, record in changed if isinstance(record, RepairRecord)]
        if prices:
            values = columns([_price_row(own, record) for own, record in prices], 12)
            saved = await connection.fetch(store.PRICES, tenant_id, source, *values)
            events += [PriceChanged(tenant_id, r["price_item_id"], r["price_item_id"], r["version"]) for r in saved]
        if repairs:
            owners = await self._clients(connection, tenant_id, [record for _, record in repairs])
            rows = [_repair_row(own, record, owners) for own, record in repairs]
            saved = await connection.fetch(store.REPAIRS, tenant_id, source, *columns(rows, 14))
            clients = {row[0]: row[1] for row in rows}
            events += [
                RepairRecorded(tenant_id, clients[r["repair_id"]] or r["repair_id"], r["repair_id"], r["version"])
                for r in saved
            ]
        refs = columns([(record.external_id, own, digest) for own, digest, record in changed], 3)
        await connection.execute(store.REMEMBER, tenant_id, source, entity, now, *refs)
        await append(connection, events, self._ids, now)

    async def _clients(
        self, connection: Connection, tenant_id: UUID, records: Sequence[RepairRecord]
    ) -> dict[str, UUID]:
        """Clients by the phone as written. An import makes no clients: a number in a journal is no consent."""
        normal = {r.phone: _e164(r.phone) for r in records if r.phone and r.client_id is None}
        wanted = sorted({phone for phone in normal.values() if phone})
        if not wanted:
            return {}
        rows = await connection.fetch(store.PHONES, tenant_id, wanted)
        found = {row["phone"]: row["client_id"] for row in rows}
        return {raw: found[phone] for raw, phone in normal.items() if phone in found}


def _accept(item: Item, report: ImportReport, seen: dict[bytes, tuple[int, bytes]]) -> Record | None:
    """The record, unless it is wrong or repeats an earlier row."""
    if item.record is None:
        if item.error is not None:
            report.reject(item.error)
        return None
    own = hashlib.blake2b(item.record.external_id.encode("utf-8", "replace"), digest_size=12).digest()
    digest = _digest(item.record)
    first = seen.setdefault(own, (item.row, digest))
    if first[0] != item.row:
        if first[1] == digest:
            report.duplicates += 1
        else:
            remedy = f"keep one of the rows {first[0]} and {item.row}, or give them different ids"
            report.reject(RowError(item.row, "external_id", f"contradicts row {first[0]}", remedy))
        return None
    report.unknown_models += not item.known
    return item.record


def _digest(record: Record) -> bytes:
    values = astuple(record)
    body = "\x1f".join(value.isoformat() if hasattr(value, "isoformat") else repr(value) for value in values)
    return hashlib.blake2b(body.encode("utf-8", "replace"), digest_size=16).digest()


def _price_row(own: UUID, r: PriceRecord) -> tuple[Any, ...]:
    head = (own, r.brand, r.model, r.repair_type, r.part_name, r.part_price, r.labour_price)
    return (*head, r.stock, r.quality, r.priced_at, r.currency, r.active)


def _repair_row(own: UUID, r: RepairRecord, owners: dict[str, UUID]) -> tuple[Any, ...]:
    client = r.client_id or owners.get(r.phone or "")
    head = (own, client, r.brand, r.model, r.device_class, ",".join(r.repair_types), r.part_owner)
    return (*head, r.labour, r.part, r.total, r.status, r.opened_at, r.closed_at, r.note)


def _e164(raw: str) -> str | None:
    try:
        number = phonenumbers.parse(raw, "RU")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

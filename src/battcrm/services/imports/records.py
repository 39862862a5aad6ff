"""What an import takes, whatever it was read from, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

ERROR_LIMIT: Final = 200
Resolve = Callable[[str | None, str], tuple[str, str] | None]
"""Canonical (brand, model) for what a shop wrote, or None when the catalogue does not know it."""


@dataclass(frozen=True, slots=True)
class PriceRecord:
    """A price line. Kopecks. `external_id` identifies it in its source for ever."""

    external_id: str
    brand: str
    model: str
    repair_type: str
    part_name: str | None
    part_price: int | None
    labour_price: int | None
    stock: int | None
    quality: str | None
    priced_at: datetime
    currency: str = "RUB"
    active: bool = True


@dataclass(frozen=True, slots=True)
class RepairRecord:
    """A past repair. Kopecks. `client_id` is one of our clients, if known."""

    external_id: str
    brand: str
    model: str
    device_class: str | None
    repair_types: tuple[str, ...]
    part_owner: str | None
    labour: int
    part: int
    total: int
    status: str
    opened_at: datetime
    closed_at: datetime | None
    note: str | None = None
    client_id: UUID | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was left out: its number in the file, the field, what is wrong, how to mend it."""

    row: int
    field: str
    text: str
    remedy: str


@dataclass(slots=True)
class ImportReport:
    """Counts of one import; `errors` holds the first 200 of `rejected`."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    rejected: int = 0
    unknown_models: int = 0
    dry_run: bool = False
    errors: list[RowError] = field(default_factory=list)

    def reject(self, error: RowError) -> None:
        """Count a row that was left out."""
        self.rejected += 1
        if len(self.errors) < ERROR_LIMIT:
            self.errors.append(error)

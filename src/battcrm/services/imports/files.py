"""Rows of a CSV or XLSX file, one at a time, whatever its encoding and delimiter."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from battcrm.kit.errors import Invalid

Row = tuple[int, list[Any]]
_SAMPLE: Final = 262_144
_MAX_CELL: Final = 100_000


@contextmanager
def open_rows(path: Path) -> Iterator[Iterator[Row]]:
    """Rows as (number counted from 1, cells), the header first, empty rows left out. Invalid if it is no table."""
    try:
        if path.suffix.lower() == ".xlsx":
            with _workbook(path) as rows:
                yield rows
        else:
            with path.open("r", encoding=_encoding(path), newline="") as handle:
                yield _csv(handle)
    except OSError as error:
        raise Invalid(f"cannot read {path.name}: {error.strerror}", field="FILE", remedy="check the path") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} mixes encodings", field="FILE", remedy="save it as CSV UTF-8") from None


def _encoding(path: Path) -> str:
    """utf-8-sig when the beginning decodes as UTF-8, else the one Russian Windows programs write."""
    with path.open("rb") as handle:
        sample = handle.read(_SAMPLE)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < _SAMPLE)
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8-sig"


def _csv(handle: io.TextIOBase | Any) -> Iterator[Row]:
    first = handle.readline()
    handle.seek(0)
    delimiter = max(";\t,|", key=first.count)
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(handle, delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, list(cells)
    except csv.Error as error:
        raise Invalid(f"line {reader.line_num}: {error}", field="FILE", remedy="save it again as CSV") from None


@contextmanager
def _workbook(path: Path) -> Iterator[Iterator[Row]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError):
        raise Invalid(f"{path.name} is not a workbook", field="FILE", remedy="save it as .xlsx or .csv") from None
    try:
        sheet = book.worksheets[0]
        yield (
            (number, list(cells))
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1)
            if any(cell is not None and str(cell).strip() for cell in cells)
        )
    finally:
        book.close()

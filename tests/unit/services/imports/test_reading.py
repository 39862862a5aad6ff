from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from battcrm.kit.errors import Invalid
from battcrm.services.imports import columns, values
from battcrm.services.imports.files import open_rows
from battcrm.services.imports.parsing import Reading, read_prices, read_repairs
from battcrm.services.imports.records import PriceRecord, RepairRecord

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")


def resolve(brand: str | None, model: str) -> tuple[str, str] | None:
    known = {"айфон 13": ("Apple", "iPhone 13"), "iphone 13": ("Apple", "iPhone 13")}
    return known.get(model.casefold())


READING = Reading(resolve, MOSCOW, NOW, NOW)


@pytest.mark.parametrize(
    ("cell", "kopecks"),
    [
        ("12 500,00 ₽", 1_250_000),
        ("12\u00a0500,5 руб.", 1_250_050),
        ("12.500,50", 1_250_050),
        ("12,500.50", 1_250_050),
        ("12.500", 1_250_000),
        ("1.250.000", 125_000_000),
        ("99,9", 9_990),
        ("0", 0),
        (1500, 150_000),
        (1500.0, 150_000),
        (1500.5, 150_050),
        ("500р", 50_000),
        ("", None),
        ("—", None),
        (None, None),
    ],
)
def test_money(cell: Any, kopecks: int | None) -> None:
    assert values.money(cell, "total") == kopecks


@pytest.mark.parametrize(
    "cell", ["-5", "abc", "12 000 - 15 000", "от 500", "1e9", "9" * 40, "١٢x", "=A1", ",", "1,2,3", "12.50.000"]
)
def test_what_is_no_amount_names_the_field(cell: str) -> None:
    with pytest.raises(Invalid) as caught:
        values.money(cell, "total")
    assert (caught.value.field, bool(caught.value.remedy)) == ("total", True)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("31.12.2025", datetime(2025, 12, 31, 9, tzinfo=UTC)),
        ("31.12.2025 18:30", datetime(2025, 12, 31, 15, 30, tzinfo=UTC)),
        ("2025-12-31", datetime(2025, 12, 31, 9, tzinfo=UTC)),
        ("2025-12-31T18:30:00+00:00", datetime(2025, 12, 31, 18, 30, tzinfo=UTC)),
        (datetime(2025, 12, 31, 18, 30), datetime(2025, 12, 31, 15, 30, tzinfo=UTC)),  # noqa: DTZ001 - as Excel gives it
        ("", None),
    ],
)
def test_dates_are_in_the_shops_zone(cell: Any, expected: datetime | None) -> None:
    assert values.moment(cell, "closed_at", MOSCOW, NOW) == expected


@pytest.mark.parametrize("cell", ["32.12.2025", "yesterday", "01.01.2030", "01.01.1970"])
def test_impossible_dates(cell: str) -> None:
    with pytest.raises(Invalid):
        values.moment(cell, "closed_at", MOSCOW, NOW)


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        ("Замена экрана", ("screen",)),
        ("замена задней крышки", ("back_glass",)),
        ("АКБ + разъём зарядки", ("battery", "charging_port")),
        ("screen, battery", ("battery", "screen")),
        ("Чистка от пыли", ("cleaning",)),
    ],
)
def test_kinds_of_repair(cell: str, kinds: tuple[str, ...]) -> None:
    assert values.repair_types(cell, "repair_types") == kinds


def test_headers_are_guessed_and_can_be_told() -> None:
    header = ["Модель", "Вид ремонта", "Цена детали, руб.", "Цена работы", "Остаток", "Цена"]
    found = columns.guess(header, columns.PRICE_FIELDS, {})
    assert found == {"model": 0, "repair_type": 1, "part_price": 2, "labour_price": 3, "stock": 4}
    told = columns.guess(header, columns.PRICE_FIELDS, {"part_price": "цена"})
    assert told["part_price"] == 5
    for wrong in ({"colour": "Цена"}, {"part_price": "Стоимость"}):
        with pytest.raises(Invalid) as caught:
            columns.guess(header, columns.PRICE_FIELDS, wrong)
        assert caught.value.field == "--map"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_any_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    file = tmp_path / "list.csv"
    rows = [["Модель", "Ремонт", "Цена"], ["Айфон 13", "Экран", '"5 200"'], ["", "", ""], ["X", "АКБ", "1"]]
    file.write_text("\n".join(delimiter.join(row) for row in rows), encoding=encoding)
    with open_rows(file) as found:
        assert list(found) == [
            (1, ["Модель", "Ремонт", "Цена"]),
            (2, ["Айфон 13", "Экран", "5 200"]),
            (4, ["X", "АКБ", "1"]),
        ]


def test_a_price_list_with_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(
        "Модель;Бренд;Услуга;Цена детали;Цена работы;Остаток;Дата\n"
        "айфон 13;;Экран;5 200,00 ₽;1500;2 шт;30.05.2026\n"
        "X-900;;Экран;5200;1500;1;\n"
        "X-900;Noname;Экран;минус;1500;1;\n"
        "iPhone 13;;Экран, АКБ;5200;;;\n"
        "iPhone 13;;шаманство;5200;;;\n"
        "iPhone 13;;АКБ;0;0;;\n"
    )
    items = list(read_prices(file, {}, READING))
    record = items[0].record
    assert isinstance(record, PriceRecord)
    assert (record.brand, record.model, record.repair_type) == ("Apple", "iPhone 13", "screen")
    assert (record.part_price, record.labour_price, record.stock) == (520_000, 150_000, 2)
    assert record.priced_at == datetime(2026, 5, 30, 9, tzinfo=UTC)
    errors = [(i.error.row, i.error.field) for i in items if i.error]
    assert errors == [(3, "model"), (4, "part_price"), (5, "repair_type"), (6, "repair_type"), (7, "part_price")]
    assert all(i.error.remedy for i in items if i.error)


def test_a_journal_from_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Номер", "Модель", "Работы", "Чья деталь", "Итого", "Цена детали", "Статус", "Дата выдачи"])
    sheet.append([17, "iPhone 13", "экран", "мастерская", 7000, 5200.5, "Выдан", datetime(2026, 5, 30, 12, 0)])  # noqa: DTZ001 - as Excel stores it
    sheet.append([18, "iPhone 13", "экран", "чужая", 7000, 5200, "Выдан", "30.05.2026"])
    sheet.append([19, "iPhone 13", "экран", "", 500, 5200, "", "30.05.2026"])
    file = tmp_path / "journal.xlsx"
    book.save(file)
    first, second, third = read_repairs(file, {}, READING)
    record = first.record
    assert isinstance(record, RepairRecord)
    assert (record.external_id, record.labour, record.part, record.total) == ("17", 179_950, 520_050, 700_000)
    assert (record.status, record.part_owner) == ("done", "shop")
    assert second.error is not None
    assert second.error.field == "part_owner"
    assert third.error is not None
    assert third.error.field == "total"


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 no workbook", b"Model;Colour\niPhone;red\n"])
def test_a_file_that_is_no_table_of_ours(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / ("list.xlsx" if body.startswith(b"PK") else "list.csv")
    file.write_bytes(body)
    with pytest.raises(Invalid) as caught:
        list(read_prices(file, {}, READING))
    assert caught.value.remedy

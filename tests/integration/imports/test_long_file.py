"""A price list of a size no shop has: read and written in pieces, and nothing on the second time."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import ManualClock
from battcrm.kit.ids import IdFactory
from battcrm.services.imports.parsing import Reading, read_prices
from battcrm.services.imports.service import Imports

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_MODELS = ("iPhone 13", "iPhone 14 Pro", "iPhone 11", "iPhone 12 mini")


def write_list(path: Path, lines: int) -> None:
    """As an accounting program exports it: Windows-1251, semicolons, thousands with blanks, some rows wrong or twice."""
    with path.open("w", encoding="cp1251", newline="") as handle:
        handle.write("Код;Марка;Модель;Вид ремонта;Наименование;Цена детали;Цена работы;Остаток\r\n")
        for n in range(lines):
            price = "много" if n % 1000 == 999 else f"{1 + n % 40} {n % 1000:03d},50"
            own = n - 1 if n % 1000 == 500 else n
            model = _MODELS[own % len(_MODELS)]
            name = f"Дисплей {own}"
            cost = f"{1 + own % 40} {own % 1000:03d},50" if own != n else price
            handle.write(f"A{own};Apple;{model};экран;{name};{cost};1 200;{own % 7}\r\n")


async def imported_twice(database: str, path: Path, lines: int) -> None:
    clock = ManualClock(NOW)
    reading = Reading(Catalogue.load().resolve, ZoneInfo("Europe/Moscow"), NOW, NOW)
    pool: Pool = await open_pool(database, maximum=2)
    tenant = uuid4()
    seen: list[int] = []
    try:
        imports = Imports(pool, clock, IdFactory(clock))
        first = await imports.run(tenant, read_prices(path, {}, reading), source="file", progress=seen.append)
        wrong = lines // 1000
        assert (first.rows, first.rejected, first.duplicates) == (lines, wrong, wrong)
        assert first.created == lines - 2 * wrong
        assert seen[-1] == lines
        assert len(seen) == lines // 500 + 1
        second = await imports.run(tenant, read_prices(path, {}, reading), source="file")
        assert (second.created, second.updated, second.unchanged) == (0, 0, first.created)
        count = await pool.fetchval("SELECT count(*) FROM price_item WHERE tenant_id = $1", tenant)
        assert count == first.created
    finally:
        await pool.close()


async def test_a_long_list_with_mistakes(clean_database: str, tmp_path: Path) -> None:
    write_list(tmp_path / "list.csv", 4000)
    await imported_twice(clean_database, tmp_path / "list.csv", 4000)


@pytest.mark.long
async def test_two_hundred_thousand_lines_stay_small_in_memory(clean_database: str, tmp_path: Path) -> None:
    write_list(tmp_path / "list.csv", 200_000)
    tracemalloc.start()
    try:
        await imported_twice(clean_database, tmp_path / "list.csv", 200_000)
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()

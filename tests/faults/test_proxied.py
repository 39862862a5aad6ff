"""Faults of the lines between our processes and their servers, on real processes: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.devkit.faults import proxy_special, proxy_table
from battcrm.devkit.faults.proxy_run import Row, play

# A handful for every run; the whole table is the long form, and `make faults` writes it down.
HANDFUL = ("Redis connections reset", "messenger connections reset")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_handful_of_broken_lines() -> None:
    cases = [case for case in proxy_table.CASES if case.name in HANDFUL]
    assert len(cases) == len(HANDFUL)
    check([row async for row in play(cases, graph=False)])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("group", proxy_table.GROUPS)
async def test_the_whole_table(group: str, tmp_path: Path) -> None:
    check(await proxy_table.run([group], tmp_path))


def check(rows: list[Row]) -> None:
    assert [row for row in rows if not row.right] == []


def test_the_table_has_thirty_cases_and_the_page_shows_the_last_run() -> None:
    assert len(proxy_table.CASES) >= 30
    assert len({case.name for case in proxy_table.CASES}) == len(proxy_table.CASES)
    page = (Path(__file__).parents[2] / "docs/reference/faults.md").read_text("utf-8")
    lines = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    shown = {line[1].strip(): line for line in lines[1:]}
    assert len(shown) >= 25
    assert {case.name for case in proxy_table.CASES} >= set(shown) - set(proxy_special.NAMES)
    assert all(line[4].strip() == line[5].strip() == line[7].strip() == "0" for line in shown.values())


def test_a_row_with_anything_missing_is_not_right() -> None:
    good = Row("case", "group", "what", 100, 0, 100, 0, 0, 2, 2, 0, 0, 0, 0, 1.0)
    assert good.right
    for change in ({"lost": 1}, {"duplicated": 1}, {"unknown": 3}, {"effects": 1}, {"waiting": 1}, {"dead": 1}):
        values = {name: getattr(good, name) for name in good.__slots__} | change
        assert not Row(**values).right, change

"""Every rule of the protocol can still be taken out of the code, and its page says which test notices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.breaks.listed import ROOT, Break, load, problem
from tools.breaks.protocol import LIST, PAGE, attempt_all, page

LISTED = load(LIST)


def test_every_break_still_fits_the_code() -> None:
    assert [found for one in LISTED if (found := problem(one)) is not None] == []


@pytest.mark.parametrize("one", LISTED, ids=lambda one: one.name)
def test_the_test_that_must_notice_is_there(one: Break) -> None:
    assert one.tests
    for test in one.tests:
        file, _, name = test.partition("::")
        path = Path(ROOT, file)
        assert path.exists()
        assert not name or f"def {name}(" in path.read_text("utf-8")


def test_the_page_is_what_the_list_says() -> None:
    assert PAGE.read_text("utf-8") == page(LISTED)


def test_every_letter_of_the_protocol_has_its_rules() -> None:
    letters = {letter for one in LISTED for letter in re.findall(r"\b([A-K])\d?", one.rule.partition(":")[0])}
    assert letters >= set("ABCDEFGHIK")


@pytest.mark.long
@pytest.mark.timeout(3000)
async def test_every_break_is_noticed() -> None:
    assert await attempt_all(LISTED, processes=2, seconds=2700.0) == []

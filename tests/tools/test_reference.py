"""The generated pages say what the code says."""

from __future__ import annotations

import pytest

from tools.reference import PAGES, ROOT


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_current(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == PAGES[path](), "run: make docs"


def test_a_variable_and_a_metric_are_there() -> None:
    assert "| `DATABASE_URL` | not set |" in PAGES["docs/reference/configuration.md"]()
    assert "| `battcrm_turns_total` | counter | count | `state` |" in PAGES["docs/reference/metrics.md"]()

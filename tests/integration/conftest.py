"""What holds for all tests with servers."""

from __future__ import annotations

import pytest

from tests.support.patience import relax


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    relax(monkeypatch)

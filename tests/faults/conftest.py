"""A bench on this worker's database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from battcrm.devkit.faults.bench import Bench, bench


@pytest.fixture
async def world(clean_database: str) -> AsyncIterator[Bench]:
    async with bench(clean_database) as opened:
        yield opened

"""Fixtures of the channel contract: a fresh harness per test, stopped afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from battcrm.transport.base import HttpClient
from tests.contract.channels.harness import Harness, make_harness


@pytest.fixture
def harness(kind: str) -> Harness:
    return make_harness(kind)


@pytest.fixture
async def http(harness: Harness) -> AsyncIterator[HttpClient]:
    try:
        yield await harness.start()
    finally:
        await harness.stop()

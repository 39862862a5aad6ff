"""PROTOCOL K over random histories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.protocol.machine import machine
from tests.property.protocol.places import Place

_SETTINGS = settings(
    deadline=None,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
    print_blob=True,
    database=None,
)


@pytest.fixture
def place(clean_database: str, redis_url: str) -> Iterator[Place]:
    found = Place(clean_database, redis_url)
    yield found
    found.leave()


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_in_a_hundred_histories(place: Place) -> None:
    # The same hundred on every machine: a red run can be repeated. The long form looks for new ones.
    run_state_machine_as_test(machine(place), settings=settings(_SETTINGS, max_examples=100, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chunk", range(20))
def test_nothing_is_lost_or_doubled_in_two_thousand_histories(place: Place, chunk: int) -> None:
    """New ones each time, in parts that the processes of a run share."""
    run_state_machine_as_test(machine(place), settings=settings(_SETTINGS, max_examples=100, stateful_step_count=45))

"""The bot's behaviour over random histories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.behaviour.machine import machine
from tests.property.behaviour.place import Place

_SETTINGS = settings(
    deadline=None,
    stateful_step_count=18,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
    print_blob=True,
    database=None,
)


@pytest.fixture
def place(clean_database: str) -> Iterator[Place]:
    found = Place(clean_database)
    yield found
    found.leave()


@pytest.mark.timeout(900)
def test_the_bot_behaves_in_a_hundred_histories(place: Place) -> None:
    # The same hundred on every machine: a red run can be repeated. The long form looks for new ones.
    run_state_machine_as_test(machine(place), settings=settings(_SETTINGS, max_examples=100, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
def test_the_bot_behaves_in_two_thousand_histories(place: Place, part: int) -> None:
    with_seed = seed(part)(machine(place))
    run_state_machine_as_test(with_seed, settings=settings(_SETTINGS, max_examples=200, stateful_step_count=30))

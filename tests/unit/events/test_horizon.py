"""The relay's floor against a model of PostgreSQL: numbers drawn by transactions that end when they like."""

from __future__ import annotations

import random

import pytest

from battcrm.events.relay import Horizon


@pytest.mark.parametrize("seed", range(200))
def test_nothing_appears_below_what_is_settled(seed: int) -> None:
    chance = random.Random(seed)
    horizon = Horizon()
    running: dict[int, list[int]] = {}
    last, following = 0, 100
    for _ in range(300):
        action = chance.random()
        if action < 0.3:
            running[following] = []
            following += 1
        elif action < 0.6 and running:
            last += 1
            running[chance.choice(list(running))].append(last)
        elif action < 0.85 and running:
            drawn = running.pop(chance.choice(list(running)))
            assert all(number > horizon.settled for number in drawn), "an event appeared below the floor"
        else:
            horizon.observe(last, min(running, default=following), following)


def test_it_rises_when_transactions_end_and_waits_for_those_that_do_not() -> None:
    horizon = Horizon()
    for _ in range(3):
        horizon.observe(10, 100, 100)
    assert horizon.settled == 10
    for _ in range(5):
        horizon.observe(20, 100, 101)
    assert horizon.settled == 10, "transaction 100 may have drawn any number up to 20"
    for _ in range(3):
        horizon.observe(20, 101, 101)
    assert horizon.settled == 20

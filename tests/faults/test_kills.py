"""`kill -9` of every role at random moments under load, servers that die, stop or forget in between: nothing is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.devkit.faults.kills import Assault, Outcome, assault


def check(outcome: Outcome, kills: int) -> None:
    verdict = outcome.verdict
    assert sum(outcome.kills.values()) == kills
    assert min(outcome.kills.values()) >= kills // 5
    assert min(outcome.faults.values()) >= 1
    assert verdict.accepted > 100
    assert (verdict.lost, verdict.duplicated) == (0, 0), verdict.lost_examples
    # A call refused until the platform gave up (its gateway was starting) was never accepted, and is no loss of ours.
    assert (outcome.waiting, outcome.dead_letters) == (0, 0)
    assert verdict.unknown <= outcome.in_flight
    assert verdict.covered == verdict.accepted


@pytest.mark.timeout(900)
async def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    check(await assault(Assault(kills=20, rate=15.0, pause=3.0), tmp_path), 20)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 5))
async def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """In four parts with moments of their own."""
    check(await assault(Assault(kills=50, rate=30.0, pause=3.0, drain=180.0, seed=seed), tmp_path), 50)

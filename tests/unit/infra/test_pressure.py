from __future__ import annotations

import pytest

from battcrm.infra.backlog import Pressure, Waiting


@pytest.mark.parametrize(("late", "rest"), [(0.0, 0.0), (5.0, 0.0), (6.0, 3.0), (30.0, 15.0), (500.0, 20.0)])
def test_a_reader_rests_while_the_queue_is_late(late: float, rest: float) -> None:
    pressure = Pressure()
    assert pressure.rest("inbox") == 0.0
    pressure.note(Waiting("inbox", 10, late))
    assert pressure.rest("inbox") == rest
    assert pressure.rest("outgoing") == 0.0


def test_it_goes_on_when_the_queue_has_been_worked_off() -> None:
    pressure = Pressure()
    pressure.note(Waiting("inbox", 900, 60.0))
    pressure.note(Waiting("inbox", 0, 0.0))
    assert pressure.rest("inbox") == 0.0

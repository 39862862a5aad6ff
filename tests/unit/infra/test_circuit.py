from __future__ import annotations

import pytest

from battcrm.infra.circuit import Circuit, CircuitOpen, CircuitState
from battcrm.kit.clock import ManualClock


def make() -> tuple[Circuit, ManualClock]:
    clock = ManualClock()
    return Circuit(clock, threshold=3, pause=1.0, max_pause=4.0), clock


def fail(circuit: Circuit, times: int = 1) -> None:
    for _ in range(times):
        circuit.enter()
        circuit.failed()


def test_opens_after_failures_in_a_row_only() -> None:
    circuit, _ = make()
    fail(circuit, 2)
    circuit.enter()
    circuit.succeeded()
    fail(circuit, 2)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit)
    with pytest.raises(CircuitOpen) as caught:
        circuit.enter()
    assert caught.value.retry_after == pytest.approx(1.0)


def test_lets_one_probe_through_and_doubles_the_pause() -> None:
    circuit, clock = make()
    fail(circuit, 3)
    for pause in (1.0, 2.0, 4.0, 4.0):
        clock.advance(pause - 0.01)
        with pytest.raises(CircuitOpen):
            circuit.enter()
        clock.advance(0.02)
        circuit.enter()
        assert circuit.state is CircuitState.HALF_OPEN
        with pytest.raises(CircuitOpen):
            circuit.enter()
        circuit.failed()
    clock.advance(4.1)
    circuit.enter()
    circuit.succeeded()
    fail(circuit, 2)
    assert circuit.state is CircuitState.CLOSED


def test_late_failures_do_not_prolong_and_cancelled_probes_give_way() -> None:
    circuit, clock = make()
    fail(circuit, 3)
    clock.advance(0.5)
    circuit.failed()
    clock.advance(0.6)
    circuit.enter()
    circuit.abandoned()
    circuit.enter()
    circuit.succeeded()
    assert circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize("bad", [{"threshold": 0}, {"pause": 0.0}, {"pause": 2.0, "max_pause": 1.0}])
def test_refuses_senseless_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Circuit(ManualClock(), **bad)  # type: ignore[arg-type]

"""A circuit breaker: stop asking a server that does not answer, and find out cheaply when it is back."""

from __future__ import annotations

from enum import StrEnum

from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient


class CircuitState(StrEnum):
    """`closed` lets calls through, `open` refuses them, `half_open` has one probe under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitOpen(Transient):
    """Refused without asking the server. `retry_after` is when the next probe is allowed, in seconds."""


class Circuit:
    """Counts failures in a row; opens after `threshold`, probes after `pause`, doubles the pause per failed probe.

    Use: `enter()`, then exactly one of `succeeded()`, `failed()`, `abandoned()` (the caller was cancelled, which says
    nothing about the server). Not thread-safe; one event loop owns it. Seconds throughout.
    """

    def __init__(self, clock: Clock, *, threshold: int = 5, pause: float = 1.0, max_pause: float = 30.0) -> None:
        if threshold < 1 or pause <= 0 or max_pause < pause:
            raise ValueError("expected threshold >= 1 and 0 < pause <= max_pause")
        self._clock = clock
        self._threshold = threshold
        self._first_pause = pause
        self._max_pause = max_pause
        self._pause = pause
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> CircuitState:
        """The state now; time alone moves `open` to `half_open`-ready, which is still reported as `open`."""
        if self._probing:
            return CircuitState.HALF_OPEN
        return CircuitState.CLOSED if self._open_until is None else CircuitState.OPEN

    def enter(self) -> None:
        """Ask for permission to call. Raises CircuitOpen when the call must not be made."""
        if self._open_until is None:
            return
        wait = self._open_until - self._clock.monotonic()
        if wait > 0 or self._probing:
            raise CircuitOpen("the server did not answer lately", code="circuit_open", retry_after=max(wait, 0.05))
        self._probing = True

    def succeeded(self) -> None:
        """The server answered (an error that proves it alive counts as an answer)."""
        self._failures = 0
        self._pause = self._first_pause
        self._open_until = None
        self._probing = False

    def failed(self) -> None:
        """The server did not answer. A late failure of a call made before opening does not prolong the pause."""
        if self._open_until is not None and not self._probing:
            return
        self._failures += 1
        if self._probing:
            self._pause = min(self._pause * 2, self._max_pause)
        elif self._failures < self._threshold:
            return
        self._probing = False
        self._open_until = self._clock.monotonic() + self._pause

    def abandoned(self) -> None:
        """The call ended without saying anything about the server; the next caller may probe."""
        self._probing = False

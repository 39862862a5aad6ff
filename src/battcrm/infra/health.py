"""Liveness is progress: every loop of a process says that it went round, and one that stopped saying so is stalled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# Longer than a loop may rightly stand still: a statement that times out, a batch of turns that all wait for a model.
_LIMIT: Final = 120.0


class Health:
    """The beats of this process's loops. Waiting for something to do is progress, so is waiting for a server."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._starting: set[str] = set()

    def starting(self, role: str) -> None:
        """The role prepares itself and takes no work yet: the process is not ready."""
        self._starting.add(role)

    def started(self, role: str) -> None:
        """The role takes work, or has ended."""
        self._starting.discard(role)

    def warming(self) -> list[str]:
        """Roles that are still preparing themselves."""
        return sorted(self._starting)

    def beat(self, loop: str, *, limit: float = _LIMIT) -> None:
        """The loop goes on; without another beat within `limit` seconds it counts as stalled."""
        self._due[loop] = self._monotonic() + limit

    def forget(self, loop: str) -> None:
        """The loop has ended as it should."""
        self._due.pop(loop, None)

    def stalled(self) -> list[str]:
        """Loops whose beat is overdue."""
        now = self._monotonic()
        return sorted(loop for loop, due in self._due.copy().items() if due < now)


HEALTH: Final = Health()

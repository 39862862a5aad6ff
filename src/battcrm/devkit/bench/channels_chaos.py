"""Errors at random, from a seed: duplicates of webhooks, refused and unanswered sends, and a note of each."""

from __future__ import annotations

import random
import time
from typing import Any, Final

from battcrm.devkit.bench.channels_sides import Side
from battcrm.devkit.emulators.base import Fault, Faults

LOST: Final = "lost_answer"
REFUSED: Final = "server_error"
LIMITED: Final = "rate_limited"
_ERRORS: Final = (LIMITED, REFUSED, LOST)


class Chaos(Faults):
    """A script that writes itself. `happened` has what was done to whom, by account and chat, with the moment."""

    def __init__(self, side: Side, seed: int, share: float) -> None:
        super().__init__()
        self._side = side
        self._rng = random.Random(f"{seed}-{side.kind}")
        self._share = share
        self._twice = False
        self.happened: list[dict[str, Any]] = []

    def next_twice(self, twice: bool) -> None:
        """Deliver the next webhook twice."""
        self._twice = twice

    def take(self, method: str, account: str, chat: str) -> Fault | None:
        """A fault for this call, or None."""
        if method == self._side.emits:
            twice, self._twice = self._twice, False
            return Fault("duplicate") if twice else None
        if method != self._side.sends or self._rng.random() >= self._share:
            return None
        kind = self._rng.choice(_ERRORS)
        self.happened.append({"fault": kind, "account": account, "chat": chat, "at": time.monotonic()})
        # Without being told how long, Avito's limit is waited out for a minute: a second of it is enough here.
        told = "throttled" if kind == LIMITED and self._side.kind == "avito" else kind
        return Fault(told, seconds=1.0)

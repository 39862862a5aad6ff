"""The degrade ladder above the rules: a big model, then a small one, inside one deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError, Permanent, Transient

_SHARE: Final = 0.6
_USEFUL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Rung:
    """One model of the ladder, under the name that decisions record."""

    name: str
    model: ChatModel


class Ladder:
    """The first rung that answers. Every rung but the last gets 60 % of the time that is left.

    Each rung leaves a step in the scope's report: `big: timeout`, `small: ok`. When all fail, the last failure is raised.
    """

    def __init__(self, rungs: Sequence[Rung], clock: Clock) -> None:
        self._rungs = tuple(rungs)
        self._clock = clock

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """An answer of some rung. Raises the last rung's BattError."""
        ends = self._clock.monotonic() + request.deadline_s
        steps = request.scope.report.steps
        failure: BattError = Permanent("no model is configured", code="no_model")
        for rung in self._rungs:
            left = ends - self._clock.monotonic()
            if left < _USEFUL_S:
                steps.append(f"{rung.name}: no time left")
                raise Transient("no time is left for another model", code="timeout")
            share = left if rung is self._rungs[-1] else left * _SHARE
            try:
                answer = await rung.model.complete(request.within(share))
            except BattError as error:
                failure = error
                steps.append(f"{rung.name}: {error.code}")
            else:
                steps.append(f"{rung.name}: ok")
                return answer
        raise failure

    async def aclose(self) -> None:
        """Close every rung."""
        for rung in self._rungs:
            await rung.model.aclose()

"""The database of all histories: one loop, one world; each history has a shop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from battcrm.devkit.scripts.format import Channel, Script, Shop, Step
from battcrm.devkit.scripts.play import Player
from battcrm.devkit.scripts.run import world

T = TypeVar("T")


class Place:
    """Opens shops one after another."""

    def __init__(self, pg_url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._stack = contextlib.AsyncExitStack()
        self._history = contextlib.AsyncExitStack()
        self._world = self.run(self._stack.enter_async_context(world(pg_url, at_once=1)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the loop of this place."""
        return self.loop.run_until_complete(work)

    def open(self, thinking: float, model: str) -> Player:
        """A shop with two channels, one of them without buttons."""
        script = Script(
            title="history",
            shop=Shop.model_validate({"thinking": thinking, "model": model}),
            channels={"tg": Channel(), "site": Channel(buttons=False)},
            steps=(Step(wait=0.0),),
        )
        return self.run(self._history.enter_async_context(self._world.opened(script)))

    def close(self) -> None:
        """End the history."""
        self.run(self._history.aclose())

    def leave(self) -> None:
        """Close everything."""
        self.run(self._stack.aclose())
        self.loop.close()

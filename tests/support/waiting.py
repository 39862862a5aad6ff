"""Wait for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from battcrm.kit.errors import OutcomeUnknown, Transient

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1
PATIENCE = 300.0
"""Seconds after which something hangs. Only a test that fails waits for so long, however slow the machine is."""


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], *, timeout: float = ..., what: str = ...) -> T: ...


@overload
async def eventually(predicate: Callable[[], T], *, timeout: float = ..., what: str = ...) -> T: ...


async def eventually(predicate: Callable[[], Any], *, timeout: float = PATIENCE, what: str = "") -> Any:
    """The first true result of `predicate` (sync or async). Fails the test after `timeout` seconds, naming `what`.

    The seconds are those of its own pauses: a machine that stands still for a while uses nothing up.
    """
    waited, pause = 0.0, _FIRST_PAUSE
    while True:
        outcome = predicate()
        value = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if waited > timeout:
            raise AssertionError(f"not within {timeout:g} s: {what or predicate}; last result {value!r}")
        await asyncio.sleep(pause)
        waited += pause
        pause = min(_LONGEST_PAUSE, pause * 1.2)  # who is waited for needs the processor too


async def outcome_is_unknown(call: Callable[[float], Awaitable[object]]) -> bool:
    """Does a call that gets no answer within its deadline, in seconds, end as one that may have taken effect?

    A slow machine may not send the first byte within a short deadline: then it is asked again with a longer one.
    """
    for seconds in (0.2, 2.0, 20.0):
        try:
            await call(seconds)
        except OutcomeUnknown:
            return True
        except Transient:
            continue
    return False

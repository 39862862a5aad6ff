"""Wait for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
_POLL_SECONDS = 0.01
# Only a test that fails waits for so long: the limit says that something hangs, not that a machine is slow.
_PATIENCE_SECONDS = 60


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], *, timeout: float = ..., what: str = ...) -> T: ...


@overload
async def eventually(predicate: Callable[[], T], *, timeout: float = ..., what: str = ...) -> T: ...


async def eventually(predicate: Callable[[], Any], *, timeout: float = _PATIENCE_SECONDS, what: str = "") -> Any:
    """The first true result of `predicate` (sync or async). Fails the test after `timeout` seconds, naming `what`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        outcome = predicate()
        value = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if loop.time() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or predicate}; last result {value!r}")
        await asyncio.sleep(_POLL_SECONDS)

"""Commands to Redis or Valkey as the event bus sends them: with a limit, and with errors of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from redis.exceptions import ResponseError

from battcrm.infra.redis import AWAY
from battcrm.kit.errors import BattError, Conflict, Transient

T = TypeVar("T")
LIMIT: Final = 10.0


class GroupMissing(Conflict):
    """The stream or the consumer group is not there: Redis was wiped, or the group was destroyed."""


class GroupExists(BattError):
    """XGROUP CREATE met a group of that name."""


_CODES: Final[tuple[tuple[str, type[BattError]], ...]] = (
    ("NOGROUP", GroupMissing),
    ("UNBLOCKED", GroupMissing),
    ("no such key", GroupMissing),
    ("BUSYGROUP", GroupExists),
)


async def call(command: Awaitable[T], limit: float = LIMIT) -> Any:
    """The answer of one command, or our own error. A server that stands still counts as away after `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            return await command
    except ResponseError as error:
        for word, ours in _CODES:
            if word in str(error):
                raise ours(f"the event stream is not there: {word}") from error
        raise Transient(f"Redis refused: {type(error).__name__}", code="redis", retry_after=1.0) from error
    except AWAY as error:
        raise Transient(f"Redis is away: {type(error).__name__}", code="redis", retry_after=1.0) from error

"""One way to open Redis or Valkey, single server or cluster."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

# What a command may meet when the server goes away. Writing to a connection that has just been reset, uvloop's transport
# raises RuntimeError ("the handler is closed"), which the client library passes on as it is.
AWAY: Final = (RedisError, OSError, RuntimeError)


def open_redis(url: str, *, connect_timeout: float = 2.0) -> Redis:
    """A client with short time-outs: Redis only carries hints and events, nobody may wait long for it."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=connect_timeout,
        socket_timeout=None,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 1),
    )

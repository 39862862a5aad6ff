"""One way to open Redis or Valkey, single server or cluster."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff


def open_redis(url: str) -> Redis:
    """A client with short time-outs: Redis only carries hints and events, nobody may wait long for it."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=2,
        socket_timeout=None,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 1),
    )

"""UUIDv7 identifiers made in the application (RFC 9562 §5.7), and what their embedded time is used for."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from battcrm.kit.clock import Clock

BUCKETS: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMESPACE: Final = b"battcrm/v1/"


@lru_cache(maxsize=16_384)
def bucket_of(tenant_id: UUID) -> int:
    """Work bucket of a tenant, 0..63 (PROTOCOL H). Stable for ever: it is stored in rows."""
    return int.from_bytes(hashlib.blake2b(tenant_id.bytes, digest_size=2).digest(), "big") % BUCKETS


def uuid7_at(moment: datetime, random_bits: int) -> UUID:
    """UUIDv7 for a moment with 74 given random bits."""
    millis = int((moment - _EPOCH).total_seconds() * 1000)
    value = (millis & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= ((random_bits >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest id of that moment: the border of a time partition."""
    millis = int((moment - _EPOCH).total_seconds() * 1000)
    return UUID(int=(millis & ((1 << 48) - 1)) << 80)


def uuid7_time(value: UUID) -> datetime:
    """The moment inside a UUIDv7, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=value.int >> 80)


def derived_id(*parts: str) -> UUID:
    """A stable id from text parts (name based, UUIDv8): the same parts always give the same id."""
    digest = hashlib.blake2b(_NAMESPACE + "\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).digest()
    value = int.from_bytes(digest, "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0b11 << 62)) | (0b10 << 62)
    return UUID(int=value)


class IdFactory:
    """Makes UUIDv7 ids that grow strictly within one process, from an injected clock and randomness."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] | None = None) -> None:
        self._clock = clock
        self._bits = random_bits or random.Random(os.urandom(16)).getrandbits  # noqa: S311 - ids are not secrets
        self._millis = -1
        self._counter = 0

    def new(self) -> UUID:
        """The next id. Within one millisecond a 20-bit counter keeps the order of creation."""
        millis = int((self._clock.now() - _EPOCH).total_seconds() * 1000)
        if millis > self._millis:
            self._millis, self._counter = millis, self._bits(16)
        else:
            self._counter += 1
            if self._counter >= 1 << 20:
                self._millis, self._counter = self._millis + 1, self._bits(16)
        tail = (self._counter << 54) | self._bits(54)
        value = (self._millis & ((1 << 48) - 1)) << 80
        value |= 0x7 << 76
        value |= ((tail >> 62) & 0xFFF) << 64
        value |= 0b10 << 62
        value |= tail & ((1 << 62) - 1)
        return UUID(int=value)

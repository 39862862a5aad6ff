"""The complete HTTP answer, as adapters see it; apart from the client so that parsing needs no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete HTTP answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

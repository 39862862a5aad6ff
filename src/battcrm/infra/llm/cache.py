"""Equal questions of one tenant share an answer: in this process, and through Redis between processes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.text import dumps, loads

_REDIS_S: Final = 0.05
_STORE_CALLS: Final = 16


class SharedStore(Protocol):
    """The part of a Redis client that is used."""

    def get(self, name: str) -> Any: ...
    def set(self, name: str, value: bytes, *, ex: int) -> Any: ...


class Cached:
    """Answers a question asked before with the answer given then, for `ttl` seconds; only answers that were usable.

    Keys are hashes; values hold what the model said about a redacted text. A store that is slow or away is no store.
    """

    def __init__(
        self, inner: ChatModel, clock: Clock, *, store: SharedStore | None = None, size: int = 2048, ttl: int = 3600
    ) -> None:
        self._inner, self._clock, self._store = inner, clock, store
        self._size, self._ttl = size, ttl
        self._using = 0
        self._known: OrderedDict[str, tuple[float, ChatAnswer]] = OrderedDict()

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """The remembered answer with no latency and no provider time, or the inner one."""
        key = f"llm:{request.scope.tenant_id}:{request.digest}"
        known = self._local(key) or await self._shared(key)
        if known is not None:
            METRICS.model_calls.labels(known.model, "cached").inc()
            request.scope.report.steps.append("cache: ok")
            return known
        answer = await self._inner.complete(request)
        await self._keep(key, answer)
        return answer

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._inner.aclose()

    def _local(self, key: str) -> ChatAnswer | None:
        found = self._known.get(key)
        if found is None:
            return None
        if found[0] < self._clock.monotonic():
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return found[1]

    def _remember(self, key: str, answer: ChatAnswer) -> ChatAnswer:
        kept = replace(answer, provider_ms=0.0, latency_ms=0.0)
        self._known[key] = (self._clock.monotonic() + self._ttl, kept)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return kept

    async def _shared(self, key: str) -> ChatAnswer | None:
        if self._store is None or self._using >= _STORE_CALLS:
            return None
        try:
            async with self._use():
                raw = await self._store.get(key)
            if raw is None:
                return None
            fields = loads(raw)
            answer = ChatAnswer(fields["parsed"], fields["in"], fields["out"], fields["model"], 0.0, 0.0)
        except Exception:  # noqa: BLE001 - a cache may fail in any way; the model is then asked
            return None
        return self._remember(key, answer)

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[None]:
        # A burst of questions must not become a burst of connections: beyond these the store is left out.
        self._using += 1
        try:
            async with asyncio.timeout(_REDIS_S):
                yield
        finally:
            self._using -= 1

    async def _keep(self, key: str, answer: ChatAnswer) -> None:
        self._remember(key, answer)
        if self._store is None or self._using >= _STORE_CALLS:
            return
        fields = {"parsed": answer.parsed, "in": answer.tokens_in, "out": answer.tokens_out, "model": answer.model}
        try:
            async with self._use():
                await self._store.set(key, dumps(fields), ex=self._ttl)
        except Exception:  # noqa: BLE001 - a cache may fail in any way; the answer is there
            return

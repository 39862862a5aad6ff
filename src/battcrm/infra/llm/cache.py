"""Equal questions of one tenant share an answer: in this process, and through Redis between processes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from battcrm.infra.llm.base import ChatAnswer, ChatModel, ChatRequest
from battcrm.infra.llm.shelf import Shelf, Store
from battcrm.infra.telemetry import METRICS
from battcrm.kit.clock import Clock
from battcrm.kit.text import dumps, loads


class Cached:
    """Answers a question asked before with the answer given then, for `ttl` seconds; only answers that were usable.

    Keys are hashes; values hold what the model said about a redacted text. A store that is slow or away is no store.
    """

    def __init__(
        self, inner: ChatModel, clock: Clock, *, store: Store | None = None, size: int = 2048, ttl: int = 3600
    ) -> None:
        self._inner, self._clock = inner, clock
        self._shelf = None if store is None else Shelf(store, ttl)
        self._size, self._ttl = size, ttl
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
        self._keep(key, answer)
        return answer

    async def aclose(self) -> None:
        """Write what is still to be shared, and close what is wrapped."""
        if self._shelf is not None:
            await self._shelf.drain()
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
        raw = None if self._shelf is None else await self._shelf.get(key)
        if raw is None:
            return None
        try:
            fields = loads(raw)
            answer = ChatAnswer(fields["parsed"], fields["in"], fields["out"], fields["model"], 0.0, 0.0)
        except (ValueError, TypeError, LookupError):
            return None
        return self._remember(key, answer)

    def _keep(self, key: str, answer: ChatAnswer) -> None:
        self._remember(key, answer)
        if self._shelf is not None:
            fields = {"parsed": answer.parsed, "in": answer.tokens_in, "out": answer.tokens_out, "model": answer.model}
            self._shelf.put(key, dumps(fields))

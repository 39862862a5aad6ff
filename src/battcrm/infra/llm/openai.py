"""The adapter for OpenAI and every server that speaks its Chat Completions: one POST over `infra/http`, any `base_url`.

One attempt a call; retries are `Retrying`'s. Wire format: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.infra.llm.base import BadAnswer, ChatAnswer, ChatRequest, Usage
from battcrm.infra.llm.replies import answer_of, error_for, too_late, unreachable
from battcrm.infra.llm.schema import sendable
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Transient
from battcrm.kit.text import dumps, loads

OPENAI: Final = "https://api.openai.com/v1"
# Measured from inside the loop: a burst of 400 calls keeps a loaded loop busy for seconds, and that is not the provider.
_CONNECT_S: Final = 4.0
_ALMOST: Final = 0.95


class OpenAiChat:
    """One model of one provider. Safe to share between tasks of one event loop."""

    def __init__(
        self,
        model: str,
        clock: Clock,
        *,
        api_key: str,
        base_url: str | None = None,
        proxy: str | None = None,
        connections: int = 400,
    ) -> None:
        """`base_url` ends where `/chat/completions` begins; `proxy` is the address of an HTTP proxy."""
        self._model = model
        self._clock = clock
        self._address = f"{(base_url or OPENAI).rstrip('/')}/chat/completions"
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._rendered: tuple[Mapping[str, Any], orjson.Fragment] | None = None
        self._http = AioHttp(proxy=proxy, connect_timeout=_CONNECT_S, limit=connections, limit_per_host=connections)

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """One HTTP call, ended by the deadline. Errors: see `replies.error_for`."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, request.deadline_s)):
                reply = await self._post(self._body(request), request.deadline_s)
        except TimeoutError:
            raise too_late() from None
        except Transient:
            # The transport calls a cut connection and a time-out alike; only the clock can tell them apart.
            late = self._clock.monotonic() - began >= request.deadline_s * _ALMOST
            raise (too_late() if late else unreachable()) from None
        latency_ms = (self._clock.monotonic() - began) * 1000
        document = _document(reply)
        if not 200 <= reply.status < 300:
            raise error_for(reply.status, reply.headers, document)
        if document is None:
            raise BadAnswer("the provider's answer is not JSON", Usage())
        return answer_of(document, reply.headers, request, latency_ms)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, body: bytes, deadline_s: float) -> HttpResponse:
        # To ask twice costs money and changes nothing: for the transport that is a request that may be repeated.
        return await self._http.request(
            "POST", self._address, headers=self._headers, raw=body, timeout=deadline_s, idempotent=True
        )

    def _body(self, request: ChatRequest) -> bytes:
        wanted: dict[str, Any] = {
            "model": self._model,
            "messages": list(request.messages),
            "temperature": request.temperature,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": request.schema_name, "strict": True, "schema": self._schema(request.schema)},
            },
        }
        return dumps(wanted)

    def _schema(self, schema: Mapping[str, Any]) -> orjson.Fragment:
        # A prompt's schema is one object for the life of the process: rendered once, it is copied from then on.
        if self._rendered is None or self._rendered[0] is not schema:
            self._rendered = (schema, orjson.Fragment(dumps(sendable(schema))))
        return self._rendered[1]


def _document(reply: HttpResponse) -> Any:
    """The answer's JSON; None when it has none, as error pages of gateways do."""
    try:
        return loads(reply.body)
    except ValueError:
        return None

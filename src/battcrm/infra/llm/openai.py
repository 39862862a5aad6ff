"""The OpenAI-compatible adapter: the official SDK over aiohttp, for any `base_url`. Importing it costs some 70 MB.

The SDK makes one attempt; retries are `Retrying`'s. Requests and answers go through the SDK as bytes, which leaves out
its models: they would cost more than the rest of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import openai
import orjson
from httpx2 import Limits, Response

from battcrm.infra.llm.base import BadAnswer, ChatAnswer, ChatRequest, Usage
from battcrm.infra.llm.replies import answer_of, error_for, too_late, unreachable
from battcrm.infra.llm.schema import sendable
from battcrm.kit.clock import Clock
from battcrm.kit.text import dumps, loads

# Measured from inside the loop: a burst of 400 calls keeps a loaded loop busy for seconds, and that is not the provider.
_CONNECT_S: Final = 4.0
_ALMOST: Final = 0.95
_JSON: Final = {"Content-Type": "application/json"}


class OpenAiChat:
    """One model of one provider. Safe to share between tasks of one event loop."""

    def __init__(
        self, model: str, clock: Clock, *, api_key: str, base_url: str | None = None, connections: int = 400
    ) -> None:
        limits = Limits(max_connections=connections, max_keepalive_connections=connections)
        self._model = model
        self._clock = clock
        self._rendered: tuple[Mapping[str, Any], orjson.Fragment] | None = None
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(limits=limits),
        )

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """One HTTP call, ended by the deadline. Errors: see `replies.error_for`."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, request.deadline_s)):
                reply = await self._post(self._body(request), request.deadline_s)
        except TimeoutError:
            raise too_late() from None
        except openai.APIStatusError as error:
            raise error_for(error.status_code, error.response.headers, error.body) from None
        except openai.APIConnectionError:
            # The transport calls a cut connection a time-out too; only the clock can tell them apart.
            late = self._clock.monotonic() - began >= request.deadline_s * _ALMOST
            raise (too_late() if late else unreachable()) from None
        latency_ms = (self._clock.monotonic() - began) * 1000
        try:
            document = loads(reply.content)
        except ValueError:
            raise BadAnswer("the provider's answer is not JSON", Usage()) from None
        return answer_of(document, reply.headers, request, latency_ms)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, body: bytes, deadline_s: float) -> Response:
        timeout = openai.Timeout(deadline_s, connect=min(_CONNECT_S, deadline_s), pool=deadline_s)
        return await self._client.post(
            "/chat/completions", cast_to=Response, content=body, options={"headers": _JSON, "timeout": timeout}
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

"""The optional adapter over litellm (`LLM_ADAPTER=litellm`, extra `litellm`): providers that speak another protocol.

Prefer a gateway behind `OPENAI_BASE_URL`: importing litellm takes seconds and some 170 MB.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from battcrm.infra.llm.base import ChatAnswer, ChatRequest
from battcrm.infra.llm.replies import answer_of, error_for, too_late, unreachable
from battcrm.infra.llm.schema import sendable
from battcrm.kit.clock import Clock

_HEADERS: Final = "llm_provider-"


class LitellmChat:
    """One model by litellm's name for it. Errors and answers are read as the other adapter reads them."""

    def __init__(self, model: str, clock: Clock, *, api_key: str, base_url: str | None = None) -> None:
        # Read when the library is imported: without it a price table is fetched from the network.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import openai  # comes with it: its exceptions are kinds of these

        import litellm

        self._errors = openai
        litellm.suppress_debug_info = True
        self._litellm = litellm
        self._model, self._clock = model, clock
        self._api_key, self._base_url = api_key, base_url

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """One call, ended by the deadline. litellm's exceptions carry the provider's answer, so one table serves both."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, request.deadline_s)):
                reply = await self._litellm.acompletion(
                    model=self._model,
                    messages=list(request.messages),
                    temperature=request.temperature,
                    timeout=request.deadline_s,
                    num_retries=0,
                    max_retries=0,
                    api_key=self._api_key,
                    base_url=self._base_url,
                    response_format={
                        "type": "json_schema",
                        "json_schema": {
                            "name": request.schema_name,
                            "strict": True,
                            "schema": sendable(request.schema),
                        },
                    },
                )
        except (TimeoutError, self._errors.APITimeoutError):
            raise too_late() from None
        except self._errors.APIStatusError as error:
            raise error_for(error.status_code, error.response.headers, error.body) from None
        except self._errors.APIConnectionError:
            raise unreachable() from None
        latency_ms = (self._clock.monotonic() - began) * 1000
        raw = reply._hidden_params.get("additional_headers") or {}
        headers = {name.removeprefix(_HEADERS): str(value) for name, value in raw.items()}
        return answer_of(reply.model_dump(), headers, request, latency_ms)

    async def aclose(self) -> None:
        """Nothing to close: litellm keeps its connections for the life of the process."""

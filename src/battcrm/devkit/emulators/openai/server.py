"""The emulated API server: authentication, checks, scripted faults, a uniform wait, and a log of every call."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from aiohttp import web

from battcrm.devkit.emulators.base import Emulator, Fault, Received, cut_connection, json_answer
from battcrm.devkit.emulators.openai.answers import answer_for
from battcrm.devkit.emulators.openai.checks import ApiError, checked
from battcrm.kit.clock import Clock
from battcrm.kit.text import dumps, loads

METHOD: Final = "chat.completions"
_BYTES_PER_TOKEN: Final = 5
_FAULTS: Final = frozenset(
    {
        "rate_limited",
        "quota",
        "server_error",
        "revoked",
        "unknown_model",
        "bad_request",
        "slow",
        "lost_answer",
        "truncated",
        "schema_violation",
        "refusal",
        "filtered",
        "not_json",
    }
)


class OpenAiEmulator(Emulator):
    """Chat completions with structured output. Faults by method `chat.completions` and account = model name.

    Kinds beside those of `Fault`: `quota` (429 that no waiting mends), `unknown_model` (404), `bad_request` (400),
    `truncated` (half a JSON document, finish reason `length`), `schema_violation`, `refusal`, `filtered` (finish reason
    `content_filter`), `not_json` (an HTML page with status 200). The wait is uniform in `latency_ms`, drawn from `seed`
    and the text alone; it is sent back as `openai-processing-ms` and logged as `payload.provider_ms`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        latency_ms: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self._latency_ms = latency_ms
        self._seed = seed
        self._count = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.app.router.add_post("/v1/chat/completions", self._complete)
        self.app.router.add_get("/v1/models", self._models)

    def set_latency(self, low: float, high: float) -> None:
        """Another range of waits, in milliseconds, from the next call on."""
        if not 0 <= low <= high:
            raise ValueError("expected 0 <= low <= high")
        self._latency_ms = (low, high)

    async def _models(self, request: web.Request) -> web.Response:
        try:
            _key(request)
        except ApiError as error:
            return json_answer(error.body, error.status)
        names = ("gpt-4.1", "gpt-4.1-mini")
        data = [{"id": name, "object": "model", "created": 1_744_000_000, "owned_by": "system"} for name in names]
        return json_answer({"object": "list", "data": data})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            _key(request)
            return await self._answer(request, checked(_body(await request.read())))
        except ApiError as error:
            return json_answer(error.body, error.status, error.headers)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: Any) -> web.StreamResponse:
        self._count += 1
        number, model = self._count, str(body["model"])
        wait = self._wait(body)
        entry = Received(self.clock.monotonic(), model, "", METHOD, f"chatcmpl-{number:08d}")
        entry.payload = {"provider_ms": wait, "status": 0}
        self.log.add(entry)
        fault = self.faults.take(METHOD, model, "")
        try:
            _refused(fault, model)
        except ApiError as error:
            entry.payload["status"] = error.status
            raise
        await self.clock.sleep(wait / 1000 + (fault.seconds if fault is not None and fault.kind == "slow" else 0))
        kind = fault.kind if fault is not None else ""
        if kind == "lost_answer":
            return cut_connection(request)
        entry.payload["status"] = 200
        if kind == "not_json":
            return web.Response(body=b"<html>gateway</html>", content_type="text/html")
        headers = {"openai-processing-ms": str(wait), "x-request-id": f"req_{number:08d}"}
        return json_answer(_completion(entry.message_id, self.clock.now().timestamp(), body, kind), headers=headers)

    def _wait(self, body: Any) -> int:
        low, high = self._latency_ms
        if high == 0:
            return 0
        return round(Random(f"{self._seed}:{body['messages'][-1]['content']}").uniform(low, high))


def _key(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise ApiError(401, "You didn't provide an API key.", code="invalid_api_key")


def _body(raw: bytes) -> Any:
    try:
        return loads(raw)
    except ValueError:
        raise ApiError(400, "We could not parse the JSON body of your request.") from None


def _refused(fault: Fault | None, model: str) -> None:
    """Raise what the fault answers instead of thinking."""
    kind = fault.kind if fault is not None else ""
    if fault is None:
        return
    if kind not in _FAULTS:
        raise ApiError(500, f"unknown fault {kind}", kind="server_error")
    if kind == "rate_limited":
        wait = {"retry-after": f"{fault.seconds:g}", "retry-after-ms": f"{fault.seconds * 1000:.0f}"}
        raise ApiError(429, f"Rate limit reached for {model}.", kind="tokens", code="rate_limit_exceeded", headers=wait)
    if kind == "quota":
        text = "You exceeded your current quota, please check your plan and billing details."
        raise ApiError(429, text, kind="insufficient_quota", code="insufficient_quota")
    if kind == "server_error":
        raise ApiError(fault.status, "The server had an error processing your request.", kind="server_error")
    if kind == "revoked":
        raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
    if kind == "unknown_model":
        raise ApiError(404, f"The model `{model}` does not exist.", code="model_not_found")
    if kind == "bad_request":
        raise ApiError(400, "This request is not valid.", code="context_length_exceeded", param="messages")


def _completion(call_id: str, created: float, body: Any, fault: str) -> dict[str, Any]:
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    text = dumps(answer_for(body["messages"], schema)).decode()
    finish = "stop"
    refusal: str | None = None
    content: str | None = text
    if fault == "truncated":
        finish, content = "length", text[: len(text) // 2]
    elif fault == "schema_violation":
        content = dumps({"items": [{"appeal_type": "miracle", "surplus": True}]}).decode()
    elif fault == "refusal":
        refusal, content = "I can't help with that.", None
    elif fault == "filtered":
        finish, content = "content_filter", ""
    asked = sum(len(str(message["content"]).encode()) for message in body["messages"]) // _BYTES_PER_TOKEN + 1
    said = len((content or "").encode()) // _BYTES_PER_TOKEN + 1
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal, "annotations": []}
    return {
        "id": call_id,
        "object": "chat.completion",
        "created": int(created),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_emulated",
    }

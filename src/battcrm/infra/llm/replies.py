"""What OpenAI-compatible servers say, read once for every adapter: answers, and errors in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from battcrm.infra.llm.base import BadAnswer, ChatAnswer, ChatRequest, Usage
from battcrm.infra.llm.schema import broken_at
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, RateLimited, Transient
from battcrm.kit.text import loads

_INVALID: Final = frozenset({400, 404, 405, 409, 413, 415, 422})
_EXHAUSTED: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


def error_for(status: int, headers: Mapping[str, str], body: Any) -> BattError:
    """The error tree's word for an answer that is not 2xx. The provider's text is not repeated: it may quote the customer."""
    said = body.get("error", body) if isinstance(body, dict) else {}
    vendor = str(said.get("code") or said.get("type") or "") if isinstance(said, dict) else ""
    text = f"the model provider answered {status} {vendor}".strip()
    if status == 429:
        if vendor in _EXHAUSTED:
            return Permanent(text, code="quota")
        return RateLimited(text, code="rate_limited", retry_after=retry_after(headers))
    if status in (401, 403):
        return AuthExpired(text, code="unauthorized")
    if status == 408 or status >= 500:
        return Transient(text, code="provider_error", retry_after=retry_after(headers))
    return Invalid(text, code="invalid_request" if status in _INVALID else f"status_{status}")


def unreachable() -> Transient:
    """No answer: no connection, or one that was cut. Asking again does no harm."""
    return Transient("the model provider did not answer", code="no_answer")


def too_late() -> Transient:
    """The deadline passed."""
    return Transient("the model provider did not answer in time", code="timeout")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks us to wait; None when it does not say or says it as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    return None


def answer_of(document: Any, headers: Mapping[str, str], request: ChatRequest, latency_ms: float) -> ChatAnswer:
    """The answer of a completion document. Raises BadAnswer for a refusal, a cut or a document that breaks the schema."""
    if not isinstance(document, dict) or not document.get("choices"):
        raise BadAnswer("the provider's answer is not a completion", Usage())
    usage = _usage(document.get("usage") or {}, headers)
    choice = document["choices"][0]
    message = choice.get("message") or {}
    if message.get("refusal"):
        raise BadAnswer("the model refused", usage)
    if choice.get("finish_reason") not in ("stop", None):
        raise BadAnswer(f"the model stopped early: {choice['finish_reason']}", usage)
    try:
        parsed = loads(message.get("content") or "")
    except ValueError:
        raise BadAnswer("the model's answer is not JSON", usage) from None
    where = broken_at(parsed, request.schema)
    if where is not None or not isinstance(parsed, dict):
        raise BadAnswer(f"the model's answer breaks the schema at {where or '$'}", usage)
    model = str(document.get("model") or "")
    return ChatAnswer(parsed, usage.tokens_in, usage.tokens_out, model, usage.provider_ms, latency_ms)


def _usage(usage: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    try:
        provider_ms = float(headers.get("openai-processing-ms", 0.0))
    except ValueError:
        provider_ms = 0.0
    return Usage(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0), provider_ms)

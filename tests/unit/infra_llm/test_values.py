"""Schemas, prices, errors and what is installed and loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from battcrm.devkit.emulators.openai.answers import answer_for
from battcrm.extraction.prompts.loader import load_prompt
from battcrm.infra.llm.base import BadAnswer, Usage
from battcrm.infra.llm.prices import PriceTable
from battcrm.infra.llm.replies import answer_of, error_for, retry_after
from battcrm.infra.llm.schema import broken_at, sendable
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, RateLimited, Transient
from battcrm.settings import load_settings
from tests.support.waiting import PATIENCE
from tests.unit.infra_llm.scripted import question

ROOT = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"], "maxLength": 3},
        "kind": {"enum": ["a", None]},
        "parts": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        "either": {"anyOf": [{"type": "boolean"}, {"type": "number"}]},
        "maxLength": {"type": "string"},
    },
    "required": ["name", "kind", "parts", "either", "maxLength"],
    "additionalProperties": False,
}
GOOD: dict[str, Any] = {"name": "abc", "kind": None, "parts": [1], "either": 1.5, "maxLength": "x"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, None),
        ({"name": None}, None),
        ({"either": True}, None),
        ({"name": "abcd"}, "$.name"),
        ({"name": 1}, "$.name"),
        ({"kind": "b"}, "$.kind"),
        ({"parts": []}, "$.parts"),
        ({"parts": [1, 2, 3]}, "$.parts"),
        ({"parts": [1, "2"]}, "$.parts[1]"),
        ({"parts": [True]}, "$.parts[0]"),
        ({"either": "x"}, "$.either"),
        ({"surplus": 1}, "$"),
    ],
)
def test_where_an_answer_breaks_the_schema(change: dict[str, Any], where: str | None) -> None:
    assert broken_at(GOOD | change, SCHEMA) == where


def test_missing_key_is_named() -> None:
    assert broken_at({k: v for k, v in GOOD.items() if k != "kind"}, SCHEMA) == "$.kind"
    assert broken_at([], SCHEMA) == "$"


def test_only_keywords_are_left_out_of_what_is_sent() -> None:
    sent = sendable(SCHEMA)
    assert "maxLength" not in sent["properties"]["name"]
    assert sent["properties"]["maxLength"] == {"type": "string"}
    assert sent["required"] == SCHEMA["required"]


@pytest.mark.parametrize(
    "text", ["", "экран на айфон 11", '{"customer_messages": ["акб"], "read_by_rules": [null, null]}']
)
def test_emulated_answers_keep_to_the_schema_of_the_prompt(text: str) -> None:
    schema = load_prompt().schema
    assert broken_at(answer_for([{"role": "user", "content": text}], schema), schema) is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (429, {"error": {"code": "rate_limit_exceeded"}}, RateLimited, "rate_limited"),
        (429, {"error": {"code": None, "type": "insufficient_quota"}}, Permanent, "quota"),
        (429, None, RateLimited, "rate_limited"),
        (401, {}, AuthExpired, "unauthorized"),
        (403, "forbidden", AuthExpired, "unauthorized"),
        (408, {}, Transient, "provider_error"),
        (500, {"error": "a string"}, Transient, "provider_error"),
        (529, [], Transient, "provider_error"),
        (400, {}, Invalid, "invalid_request"),
        (404, {}, Invalid, "invalid_request"),
        (418, {}, Invalid, "status_418"),
    ],
)
def test_errors_of_the_provider_in_our_words(status: int, body: Any, kind: type[BattError], code: str) -> None:
    error = error_for(status, {}, body)
    assert (type(error), error.code) == (kind, code)


def test_provider_texts_are_not_repeated() -> None:
    error = error_for(400, {}, {"error": {"message": "мой телефон +7 900", "code": "bad"}})
    assert "900" not in error.text


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}, "refused"),
        ({"choices": [{"message": {"content": "{}"}, "finish_reason": "content_filter"}]}, "stopped early"),
        ({"choices": [{"message": {"content": "{"}, "finish_reason": "stop"}]}, "not JSON"),
        ({"choices": [{"message": {"content": "[]"}, "finish_reason": "stop"}]}, "breaks the schema"),
        ({"choices": []}, "not a completion"),
        ([], "not a completion"),
    ],
)
def test_answers_that_are_none_say_why_and_what_they_cost(document: Any, why: str) -> None:
    if isinstance(document, dict) and document["choices"]:
        document = document | {"usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    with pytest.raises(BadAnswer, match=why) as caught:
        answer_of(document, {"openai-processing-ms": "12"}, question(), 20.0)
    assert caught.value.usage == (Usage(9, 2, 12.0) if "usage" in document else Usage())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2035 00:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_price_of_a_call() -> None:
    table = PriceTable({"gpt-4.1": (160, 640), "gpt-4.1-mini": (32, 128), "*": (1000, 1000)})
    assert table.cost("gpt-4.1", Usage(100, 10)) == 100 * 160 + 10 * 640
    assert table.cost("gpt-4.1-mini-2025-04-14", Usage(1, 0)) == 32
    assert table.cost("other", Usage(1, 1)) == 2000
    assert PriceTable({}).cost("other", Usage(1, 1)) == 0
    assert PriceTable({"m": (0.5, 0.25)}).cost("m", Usage(1, 1)) == 1, "never less than it costs"
    assert table.estimate("gpt-4.1", question("слово " * 100)) > table.cost("gpt-4.1", Usage(300, 100))


def test_settings_of_models() -> None:
    settings = load_settings(LLM_PRICES='{"m": [1, 2.5]}', LLM_DAY_BUDGET_RUB="100")
    assert settings.llm_prices == {"m": (1, 2.5)}
    assert load_settings().llm_prices["*"] == max(load_settings().llm_prices.values())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LLM_ADAPTER", "langchain"),
        ("LLM_PRICES", "gpt=1"),
        ("LLM_PRICES", '{"m": [-1, 0]}'),
        ("LLM_DAY_BUDGET_RUB", "-1"),
    ],
)
def test_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as caught:
        load_settings()
    assert caught.value.field == variable
    assert caught.value.remedy
    assert value not in caught.value.text


def test_the_client_that_collapses_is_not_installed() -> None:
    """httpx 0.28 scans its whole pool for every request; vendors' libraries are for comparison only."""
    locked = {
        match[1]: match[2]
        for line in (ROOT / "requirements" / "runtime.lock").read_text().splitlines()
        if (match := re.match(r"([A-Za-z0-9_.-]+)==(\S+)", line))
    }
    assert not {"httpx", "litellm", "openai"} & set(locked)
    assert "aiohttp" in locked


@pytest.mark.parametrize("module", ["battcrm.workers.layers", "battcrm.workers.models", "battcrm.infra.llm"])
def test_no_vendor_library_is_loaded_without_a_key(module: str) -> None:
    script = (
        f"import sys, {module}; sys.exit(' '.join(m for m in ('openai', 'litellm', 'httpx') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr.strip()) == (0, "")

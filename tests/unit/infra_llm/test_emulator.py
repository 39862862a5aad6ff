"""The emulated provider is strict where the real one is, and waits as it says it does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.infra.http import AioHttp
from battcrm.infra.llm.schema import sendable
from battcrm.kit.clock import ManualClock
from tests.support.waiting import PATIENCE, eventually

KEY = {"Authorization": "Bearer k"}
STRICT = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def body(text: str = "привет", schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema or STRICT}}
    return {"model": "m", "messages": [{"role": "user", "content": text}], "response_format": wanted} | more


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    client = AioHttp(allow_private=True)
    yield client
    await client.close()


@pytest.fixture
async def emulator() -> AsyncIterator[OpenAiEmulator]:
    async with OpenAiEmulator() as started:
        yield started


async def post(url: str, http: AioHttp, content: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    answer = await http.request("POST", f"{url}/v1/chat/completions", json=content, headers=headers or KEY)
    return answer.status, json.loads(answer.body)


async def test_answer_has_the_shape_of_a_completion(emulator: OpenAiEmulator, http: AioHttp) -> None:
    status, said = await post(emulator.url, http, body())
    assert (status, said["object"], said["model"]) == (200, "chat.completion", "m")
    assert json.loads(said["choices"][0]["message"]["content"]) == {"a": ""}
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]


BAD_SCHEMAS = [
    STRICT | {"additionalProperties": True},
    STRICT | {"required": []},
    STRICT | {"properties": {"a": {"type": "string", "maxLength": 3}}},
    STRICT | {"properties": {"a": {"type": "array", "items": {"type": "object", "properties": {}}}}},
    {"type": "array", "items": STRICT},
]


@pytest.mark.parametrize("schema", BAD_SCHEMAS)
async def test_schema_outside_the_strict_subset_is_refused(
    emulator: OpenAiEmulator, http: AioHttp, schema: dict[str, Any]
) -> None:
    status, said = await post(emulator.url, http, body(schema=schema))
    assert (status, said["error"]["code"]) == (400, "invalid_json_schema")


async def test_what_we_send_is_inside_the_subset(emulator: OpenAiEmulator, http: AioHttp) -> None:
    assert (await post(emulator.url, http, body(schema=sendable(BAD_SCHEMAS[2]))))[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        {"model": ""},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"temprature": 1},
        {"temperature": 3},
    ],
)
async def test_malformed_request_is_refused(emulator: OpenAiEmulator, http: AioHttp, change: dict[str, Any]) -> None:
    assert (await post(emulator.url, http, body() | change))[0] == 400


async def test_call_without_a_key_is_refused(emulator: OpenAiEmulator, http: AioHttp) -> None:
    assert (await post(emulator.url, http, body(), {"Authorization": "Basic k"}))[0] == 401


async def test_wait_depends_on_the_text_alone_and_is_told_twice(http: AioHttp) -> None:
    waits = []
    clock = ManualClock()
    for _ in range(2):
        async with OpenAiEmulator(clock=clock, latency_ms=(500, 1500)) as emulator:
            for text in ("один", "два"):
                url = f"{emulator.url}/v1/chat/completions"
                asked = asyncio.ensure_future(http.request("POST", url, json=body(text), headers=KEY))
                await eventually(lambda: bool(clock._sleepers), what="it waits")
                clock.advance(1.5)
                told = int((await asked).headers["openai-processing-ms"])
                assert emulator.log.all[-1].payload == {"provider_ms": told, "status": 200}
                waits.append(told)
    assert waits[:2] == waits[2:]
    assert waits[0] != waits[1]
    assert all(500 <= wait <= 1500 for wait in waits)


async def test_as_a_process_it_is_controlled_over_http(http: AioHttp) -> None:
    command = ("-m", "battcrm.devkit.emulators.openai", "--port", "0", "--latency-ms", "1-2")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()
        await http.request(
            "POST", f"{url}/_control/fault", json={"kind": "server_error", "status": 503, "account": "m"}
        )
        assert [(await post(url, http, body()))[0] for _ in range(2)] == [503, 200]
        log = json.loads((await http.request("GET", f"{url}/_control/log")).body)
        assert [item["payload"]["status"] for item in log] == [503, 200]
        assert json.loads((await http.request("GET", f"{url}/_control/health")).body)["received"] == 2
        models = await http.request("GET", f"{url}/v1/models", headers=KEY)
        assert json.loads(models.body)["object"] == "list"
    finally:
        process.terminate()
        await process.wait()
    assert process.returncode == 0

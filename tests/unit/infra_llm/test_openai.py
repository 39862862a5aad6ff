"""The request as it goes out, and what becomes of answers that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
import pytest

from battcrm.infra.llm.base import BadAnswer
from battcrm.infra.llm.openai import OpenAiChat
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import AuthExpired, BattError, Transient
from tests.support.waiting import PATIENCE
from tests.unit.infra_llm.scripted import question

DONE = b'{"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}], "model": "m"}'


@dataclass
class Door:
    """A server of one answer; keeps what it was sent, word for word."""

    answer: bytes
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def door(status: str, body: bytes) -> AsyncIterator[Door]:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n" if status else ""
    opened = Door(head.encode() + body)
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    async with server:
        yield opened


async def fails(chat: OpenAiChat) -> BattError:
    try:
        with pytest.raises(BattError) as caught:
            await chat.complete(question(deadline_s=PATIENCE))
    finally:
        await chat.aclose()
    return caught.value


async def test_a_request_carries_key_model_and_schema() -> None:
    async with door("200 OK", b"{}") as provider:
        base = f"http://127.0.0.1:{provider.port}/v1/"
        await fails(OpenAiChat("m", SystemClock(), api_key="sk-test", base_url=base))
    (head,) = provider.heads
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"Authorization: Bearer sk-test\r\n" in head
    assert b"Content-Type: application/json\r\n" in head
    body = orjson.loads(provider.bodies[0])
    assert (body["model"], body["messages"][-1]["content"]) == ("m", "привет")
    assert body["response_format"]["json_schema"]["strict"] is True


async def test_a_proxy_is_asked_for_the_providers_address() -> None:
    async with door("503 Service Unavailable", b"") as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        chat = OpenAiChat("m", SystemClock(), api_key="k", base_url="http://provider.test/v1", proxy=address)
        assert (await fails(chat)).code == "provider_error"
    assert proxy.heads[0].startswith(b"POST http://provider.test/v1/chat/completions HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("status", "body", "fits"),
    [
        ("200 OK", b"<html>", lambda e: isinstance(e, BadAnswer)),
        ("401 Unauthorized", b"<html>", lambda e: isinstance(e, AuthExpired)),
        ("502 Bad Gateway", b"<html>", lambda e: (type(e), e.code) == (Transient, "provider_error")),
        ("302 Found", b"", lambda e: e.code == "status_302"),
        ("", b"", lambda e: (type(e), e.code) == (Transient, "no_answer")),
        ("", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", lambda e: e.code == "no_answer"),
    ],
)
async def test_what_is_no_answer_is_an_error_of_ours(
    status: str, body: bytes, fits: Callable[[BattError], bool]
) -> None:
    async with door(status, body) as provider:
        error = await fails(OpenAiChat("m", SystemClock(), api_key="k", base_url=f"http://127.0.0.1:{provider.port}"))
    assert fits(error), (type(error), error.code)


async def test_nobody_listens() -> None:
    async with door("200 OK", DONE) as gone:
        pass
    error = await fails(OpenAiChat("m", SystemClock(), api_key="k", base_url=f"http://127.0.0.1:{gone.port}"))
    assert (type(error), error.code) == (Transient, "no_answer")

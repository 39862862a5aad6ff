"""The probe against a scripted server: what it sends, what it makes of each answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from battcrm.infra.embedded import bolt
from battcrm.kit.errors import AuthExpired, Transient
from tests.support.waiting import PATIENCE

SUCCESS = b"\xb1\x70\xa1\x86server\x85Neo/5"
RECORD = b"\xb1\x71\x91\x01"
REFUSED = b"\xb1\x7f\xa1\x84code\xd0\x25Neo.ClientError.Security.Unauthorized"
BROKEN = b"\xb1\x7f\xa1\x84code\x85Other"


@asynccontextmanager
async def server(version: bytes, answers: list[bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    seen: list[bytes] = []
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(20))
        writer.write(version)
        for answer in answers:
            half = len(answer) // 2
            for part in (answer[:half], answer[half:]):
                writer.write(len(part).to_bytes(2, "big") + part)
            writer.write(b"\x00\x00")
        seen.append(await reader.read())
        writer.close()
        await writer.wait_closed()
        done.set()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1], seen
        if seen:
            await done.wait()


def ask(port: int) -> Awaitable[str]:
    return bolt.ask_version(
        "127.0.0.1", port, "user", "a password of more than fifteen", database="db", timeout=PATIENCE
    )


async def test_version_after_a_whole_query() -> None:
    async with server(b"\x00\x00\x04\x05", [SUCCESS, SUCCESS, SUCCESS, RECORD, SUCCESS]) as (port, seen):
        assert await ask(port) == "Neo/5"
    assert seen[0] == b"\x60\x60\xb0\x17\x00\x03\x04\x05" + bytes(12)


@pytest.mark.parametrize(
    ("version", "answers", "error"),
    [
        (b"\x00\x00\x04\x05", [SUCCESS, REFUSED], AuthExpired),
        (b"\x00\x00\x04\x05", [SUCCESS, SUCCESS, BROKEN], Transient),
        (b"\x00\x00\x00\x00", [], Transient),
        (b"HTTP", [], Transient),
    ],
)
async def test_each_refusal_has_its_class(version: bytes, answers: list[bytes], error: type[Exception]) -> None:
    async with server(version, answers) as (port, _):
        with pytest.raises(error):
            await ask(port)


async def test_nobody_there() -> None:
    async with server(b"", []) as (port, _):
        pass
    with pytest.raises(Transient):
        await ask(port)


def test_packing() -> None:
    cases: list[tuple[str | int | dict[str, str | int], bytes]] = [
        ("abc", b"\x83abc"),
        ("x" * 16, b"\xd0\x10" + b"x" * 16),
        (-1, b"\xff"),
        ({"n": -1}, b"\xa1\x81n\xff"),
    ]
    pack: Callable[..., bytes] = bolt._pack
    assert [pack(value) for value, _ in cases] == [packed for _, packed in cases]

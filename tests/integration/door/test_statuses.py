"""What the door answers to what it may meet: never a 500, and never a 2xx for what is not kept (PROTOCOL A4)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from battcrm.devkit.faults.messenger import KIND
from battcrm.transport import registry
from tests.integration.door.conftest import House
from tests.support.waiting import eventually

GOOD = b'{"events":[{"chat":"anna","id":"m1","text":"hello"}]}'
LARGE = b'{"events":[' + b" " * (10 * 1024 * 1024) + b"]}"


def body(text: str) -> bytes:
    return orjson.dumps({"events": [{"chat": "anna", "id": "m1", "text": text}]})


async def test_a_good_call_is_stored_with_its_raw_bytes(house: House) -> None:
    answer = await house.post(GOOD)
    assert answer.status == 200
    assert await house.count("inbox") == 1
    assert await house.world.pool.fetchval("SELECT body FROM message_raw") == GOOD


@pytest.mark.parametrize("sent", [GOOD, b"{", LARGE])
async def test_a_wrong_secret_is_401_and_nothing_is_kept(house: House, sent: bytes) -> None:
    assert (await house.post(sent, secret="wrong")).status == 401
    assert [await house.count(t) for t in ("inbox", "dead_letter", "message_raw")] == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "0197f0c0-0000-7000-8000-000000000000"},
        {"channel": "not-a-channel"},
        {"key": "wrong"},
        {"kind": "telegram"},
        {"kind": "nothing"},
    ],
)
async def test_an_unknown_channel_is_404(house: House, wrong: dict[str, str]) -> None:
    assert (await house.post(GOOD, **wrong)).status == 404
    assert await house.count("inbox") == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b"[1,2]",
        b'{"events": 7}',
        b'{"events": [{"chat": 1, "kind": "nonsense"}]}',
        b'{"events": [{"text": "no chat"}]}',
    ],
)
async def test_an_authentic_body_that_cannot_be_read_is_kept_and_accepted(house: House, sent: bytes) -> None:
    """A platform would repeat it for hours, and its queue would stand still."""
    assert (await house.post(sent)).status == 200
    row = await house.world.pool.fetchrow("SELECT source, payload FROM dead_letter")
    assert row is not None
    assert (row["source"], row["payload"]) == ("door", sent)
    assert (await house.post(GOOD)).status == 200
    assert await house.count("inbox") == 1


async def test_of_a_body_over_five_megabytes_a_part_is_kept(house: House) -> None:
    assert (await house.post(LARGE)).status == 200
    row = await house.world.pool.fetchrow("SELECT payload, context FROM dead_letter")
    assert row is not None
    assert row["payload"] == LARGE[: 64 * 1024]
    assert row["context"]["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert row["context"]["size"] == len(LARGE)


@pytest.mark.parametrize("sent", [b"{", LARGE])
async def test_without_a_readable_secret_in_the_body_it_is_400(house: House, sent: bytes) -> None:
    registry.register(replace(registry.manifest_of(KIND), secret_in_body=True))
    assert (await house.post(sent)).status == 400
    assert await house.count("dead_letter") == 0


async def test_without_the_database_it_is_503_and_later_200(house: House) -> None:
    assert (await house.post(GOOD)).status == 200
    await house.cable.pull()
    answer = await house.post(body("while away"))
    assert answer.status == 503
    assert int({k.lower(): v for k, v in answer.headers.items()}["retry-after"]) >= 1
    assert (await house.post(b"{")).status == 503
    await house.cable.plug()
    second = b'{"events":[{"chat":"anna","id":"m2","text":"back"}]}'

    again: Callable[[], Any] = lambda: house.accepts(second)  # noqa: E731 - its type is the point
    await eventually(again, what="the door works again")
    assert await house.count("inbox") == 2


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", ""),
        ("x" * 4096, "x" * 4096),
        ("a\x00b", "a\ufffdb"),
        ("\u202eמה קורה\u202c", "\u202eמה קורה\u202c"),
        ("👨‍👩‍👧‍👦🔋", "👨‍👩‍👧‍👦🔋"),
        ("\U0001f600" * 4096, "\U0001f600" * 4096),
    ],
)
async def test_any_text_comes_through_and_is_answered(house: House, text: str, stored: str) -> None:
    assert (await house.post(body(text))).status == 200
    await house.world.drain()
    assert await house.world.pool.fetchval("SELECT text FROM message WHERE direction = 'in'") == stored
    assert [s.text for s in house.world.messenger.shown] == [f"1|0|{stored}"]


async def test_bad_calls_do_not_hinder_good_ones(house: House) -> None:
    def numbered(n: int) -> bytes:
        return orjson.dumps({"events": [{"chat": f"c{n}", "id": "m", "text": "hi"}]})

    mixed = [numbered(n) if n % 3 else b"{broken" for n in range(60)]
    answers = await asyncio.gather(*(house.post(one) for one in mixed))
    assert {a.status for a in answers} == {200}
    assert await house.count("inbox") == 40
    assert await house.count("dead_letter") == 20

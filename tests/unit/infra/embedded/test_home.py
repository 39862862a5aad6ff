from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from battcrm.infra.embedded.home import Home, Record
from battcrm.kit.errors import Invalid, Transient


def test_passwords_are_random_private_and_kept(tmp_path: Path) -> None:
    first, other = Home(tmp_path / "a"), Home(tmp_path / "b")
    known = first.credentials()
    assert known == first.credentials()
    values = [getattr(known, name) for name in type(known).__slots__]
    assert len(set(values)) == len(values)
    assert known.owner != other.credentials().owner
    assert (tmp_path / "a" / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert known.owner not in repr(known)


def test_unreadable_passwords_are_reported(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(Invalid, match=r"credentials\.json"):
        Home(tmp_path).credentials()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ports": 1, "pid": 2, "started": 3}', '{"ports": [1], "pid": "x"}'])
def test_a_broken_record_counts_as_none(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    (home.folder("redis") / "record.json").write_text(text)
    assert home.record("redis") is None


def test_a_record_is_read_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.remember("redis", Record((1, 2), 3, 4.5))
    assert home.record("redis") == Record((1, 2), 3, 4.5)
    assert [p.name for p in (tmp_path / "redis").iterdir()] == ["record.json"]


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = home.log("redis")
    with log.open("wb") as stream:
        stream.truncate(11 * 1024 * 1024)
    assert not home.log("redis").exists()
    assert log.with_suffix(".log.1").exists()


async def test_the_lock_is_exclusive_and_released(tmp_path: Path) -> None:
    home, order = Home(tmp_path), []

    async def hold(name: str, entered: asyncio.Event, leave: asyncio.Event) -> None:
        async with home.lock():
            order.append(name)
            entered.set()
            await leave.wait()

    first_in, second_in, leave = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hold("first", first_in, leave))
        await first_in.wait()
        group.create_task(hold("second", second_in, leave))
        with pytest.raises(Transient, match="another process"):
            async with home.lock(timeout=0):
                order.append("intruder")
        assert order == ["first"]
        leave.set()
    assert order == ["first", "second"]

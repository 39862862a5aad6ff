"""PROTOCOL A2: a long poll moves on only over what is committed, and one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from battcrm.devkit.faults.bench import Bench
from battcrm.devkit.faults.messenger import KIND, Messenger, event
from battcrm.devkit.faults.pool import Fault
from battcrm.infra.wake import Wakeups
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.door import Door
from battcrm.workers.poller import _poll
from battcrm.workers.runtime import Runtime


class Feed:
    """A platform with three updates: hands out what lies behind the offset, one at a time, and forgets the rest."""

    def __init__(self) -> None:
        self.asked = 0

    async def batches(self, offset: str | None) -> AsyncIterator[tuple[list[UnifiedMessage], list[bytes], str]]:
        self.asked += 1
        for number in range(int(offset or 0), 3):
            yield [event("anna", f"m{number}", f"text {number}")], [b"{}"], str(number + 1)


class Polling:
    """The poller role's view of a bench."""

    def __init__(self, world: Bench, feed: Feed) -> None:
        self.world, self.feed = world, feed
        self.pool = world.roles["door"].pool
        wakeups = Wakeups()
        self.channels = ChannelDirectory(world.pool, world.vault, world.clock, wakeups)
        self.door = Door(cast("Any", self.pool), world.clock, world.ids, wakeups)
        http = SimpleNamespace(for_settings=lambda _settings: world.http)
        self.runtime = cast(
            "Runtime",
            SimpleNamespace(pool=self.pool, clock=world.clock, ids=world.ids, channels=self.channels, http=http),
        )

    async def poll(self) -> None:
        """One round, to its end."""
        (connected,) = await self.channels.of_kind(KIND)
        await _poll(self.runtime, self.door, connected)


@pytest.fixture
async def polling(world: Bench, monkeypatch: pytest.MonkeyPatch) -> Polling:
    feed = Feed()
    manifest = Messenger().manifest()
    monkeypatch.setattr("battcrm.workers.poller.manifest_of", lambda _kind: with_poller(manifest, feed))
    monkeypatch.setattr("battcrm.workers.poller.asyncio", SimpleNamespace(sleep=no_time))
    await world.shop()
    return Polling(world, feed)


def with_poller(manifest: Any, feed: Feed) -> Any:
    return replace(manifest, poller=lambda _account, _http: feed)


async def no_time(_seconds: float) -> None:
    """Pauses are not what is tested."""


@pytest.mark.parametrize("after", range(14))
async def test_an_update_whose_commit_failed_is_asked_for_again(polling: Polling, after: int) -> None:
    polling.pool.arm(after, Fault.DROP)
    for _ in range(3):
        await polling.poll()
        polling.world.move_clock(61)
    polling.pool.disarm()
    await polling.poll()
    assert await polling.world.pool.fetchval("SELECT count(*) FROM inbox") == 3
    assert await polling.world.pool.fetchval("SELECT poll_offset FROM channel") == "3"


async def test_a_channel_has_one_poller(polling: Polling) -> None:
    first = polling.feed.batches
    inside = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(offset: str | None) -> AsyncIterator[Any]:
        inside.set()
        await go_on.wait()
        async for batch in first(offset):
            yield batch

    polling.feed.batches = slow  # type: ignore[method-assign]
    running = asyncio.ensure_future(polling.poll())
    await inside.wait()
    inside.clear()
    await polling.poll()
    assert not inside.is_set()
    go_on.set()
    await running

"""One message, one trace: what door, processor, turn, sender and relay note fits together without having been carried."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from battcrm.devkit.faults.bench import Bench, end, pools
from battcrm.devkit.faults.ledger import Ledger, update
from battcrm.devkit.faults.messenger import KIND, Messenger
from battcrm.events.bus import RedisBus, packed_of, stream
from battcrm.infra.redis import open_redis
from battcrm.infra.tracing import ROOT, TRACING, span_of, trace_of
from battcrm.transport import registry
from tests.support.waiting import PATIENCE

_STAGES = {"gateway", "inbox", "process", "due", "turn", "decide", "commit", "queued", "send", "relay"}


@pytest.fixture
async def world(clean_database: str, redis_url: str) -> AsyncIterator[Bench]:
    messenger = Messenger()
    messenger.connect()
    async with pools(clean_database) as (own, real), open_redis(redis_url, connect_timeout=PATIENCE) as redis:
        bench = Bench(own, real, messenger, bus=RedisBus(redis))
        try:
            yield bench
        finally:
            await end(bench)
            registry.unregister(KIND)


async def played(world: Bench, texts: int) -> tuple[list[str], Ledger]:
    """Messages of one chat that one turn answers, all the way to the streams; their traces."""
    shop = await world.shop()
    ledger = Ledger()
    said = [ledger.say(shop, "chat") for _ in range(texts)]
    assert await world.deliver(shop, *(update(one, 0) for one in said))
    for role in ("processor-1", "ai-1", "out-1", "relay", "relay"):
        await world.step(role)
    return [trace_of(shop.account.channel_id, "chat", one.id) for one in said], ledger


def spans(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        span = json.loads(line)
        found[span["trace"]].append(span)
    return found


async def test_every_stage_of_every_message_hangs_together(world: Bench, tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    TRACING.start(f"file:{path}", role="test")
    try:
        traces, _ = await played(world, 3)
    finally:
        TRACING.stop()
    found = spans(path)
    assert set(found) == set(traces)
    for trace in traces:
        mine = found[trace]
        ids = {span["span"] for span in mine}
        assert {span["name"] for span in mine} >= _STAGES
        assert [span["name"] for span in mine if span["parent"] is None] == [ROOT]
        assert {span["parent"] for span in mine if span["parent"]} <= ids, "a parent that nobody recorded"
        assert f"{span_of(trace, ROOT):016x}" in ids
        assert all(span["begin"] <= span["end"] for span in mine)
        (turn,) = (span for span in mine if span["name"] == "turn")
        assert turn["attributes"]["messages"] == 3
        assert turn["attributes"]["state"] == "posted"
    text = path.read_text("utf-8")
    assert "t0.0" not in text, "a message's text is in no trace"


async def test_off_leaves_nothing_in_rows_and_events(world: Bench, redis_url: str) -> None:
    await played(world, 1)
    assert await world.pool.fetchval("SELECT count(*) FROM outgoing WHERE payload ? 'trace'") == 0
    assert await world.pool.fetchval("SELECT count(*) FROM outbox WHERE data ? 'trace'") == 0
    assert await world.pool.fetchval("SELECT count(*) FROM outgoing WHERE state = 'sent'") == 1


async def test_events_take_their_traces_along(world: Bench, tmp_path: Path, redis_url: str) -> None:
    TRACING.start(f"file:{tmp_path / 'spans.jsonl'}", role="test")
    try:
        traces, _ = await played(world, 1)
    finally:
        TRACING.stop()
    kinds = {}
    async with open_redis(redis_url, connect_timeout=PATIENCE) as redis:
        for shard in range(2):
            entries: Any = await redis.xrange(stream(shard))
            for _, fields in entries:
                packed = packed_of(fields)
                assert packed is not None
                kinds[packed.type] = packed.event().data.get("trace")
    assert kinds["message.received"] == traces
    assert kinds["message.sent"] == traces

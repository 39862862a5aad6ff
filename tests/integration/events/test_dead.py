from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from battcrm.events.catalogue import ClientUpdated, Envelope
from battcrm.events.registry import HandlerRegistry
from battcrm.infra.postgres import Connection
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import bucket_of
from battcrm.models.unified import Content, Conversation, Direction, Kind, Sender, UnifiedMessage
from battcrm.models.unified_codec import decode, encode
from battcrm.services.dead import DeadLetter, DeadLetters, find_tenant
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.door import Door
from tests.integration.events.conftest import SHARDS, World, ledger, running, settled, until
from tests.support.waiting import PATIENCE

KEY = bytes(range(32))
START = {
    "update_id": 7,
    "message": {
        "message_id": 11,
        "date": 1780000000,
        "chat": {"id": 5, "type": "private", "first_name": "Test"},
        "from": {"id": 5, "is_bot": False, "first_name": "Test"},
        "text": "сколько стоит экран?",
    },
}


@pytest.fixture
def channels(world: World) -> ChannelDirectory:
    return ChannelDirectory(world.pool, Vault((KEY,)), world.clock, world.wakeups)


@pytest.fixture
def letters(world: World, channels: ChannelDirectory) -> DeadLetters:
    door = Door(world.pool, world.clock, world.ids, world.wakeups)
    return DeadLetters(world.pool, world.clock, door=door, channels=channels, bus=world.bus, shards=SHARDS)


async def connect_channel(world: World, tenant: UUID) -> UUID:
    own = world.ids.new()
    await world.pool.execute(
        """INSERT INTO channel (tenant_id, channel_id, kind, account_ref, title, hook_key, secrets, created_at)
           VALUES ($1, $2, 'telegram', '100', 'Shop', 'key', $3, $4)""",
        tenant,
        own,
        Vault((KEY,)).seal({"token": "100:test"}, own.bytes),
        world.clock.now(),
    )
    return own


async def bury(world: World, tenant: UUID, source: str, payload: bytes, context: dict[str, Any]) -> UUID:
    own = world.ids.new()
    await world.pool.execute(
        """INSERT INTO dead_letter (tenant_id, dead_id, source, reason, payload, context, created_at)
           VALUES ($1, $2, $3, 'a reason', $4, $5, $6)""",
        tenant,
        own,
        source,
        payload,
        context,
        world.clock.now(),
    )
    return own


def message(channel: UUID) -> UnifiedMessage:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    return UnifiedMessage(
        channel="telegram",
        account_ref="100",
        dedup_key="5:11",
        kind=Kind.MESSAGE,
        conversation=Conversation("5"),
        direction=Direction.IN,
        occurred_at=moment,
        sender=Sender(id="5"),
        message=Content(id="11", text="сколько стоит экран?"),
        channel_id=channel,
        received_at=moment,
    )


async def open_letters(letters: DeadLetters, tenant: UUID) -> Sequence[DeadLetter]:
    return await letters.list(tenant)


@pytest.mark.parametrize("source", ["inbox", "orphan"])
async def test_a_message_goes_back_to_the_inbox(world: World, letters: DeadLetters, source: str) -> None:
    tenant = await world.tenant()
    channel = uuid4()
    original = message(channel)
    dead = await bury(world, tenant, source, encode(original), {})
    await letters.replay(tenant, dead)
    (row,) = await world.pool.fetch("SELECT * FROM inbox WHERE tenant_id = $1", tenant)
    assert (row["channel_id"], row["bucket"], row["attempts"]) == (channel, bucket_of(tenant), 0)
    assert decode(row["payload"]) == original
    assert row["ready_at"] <= world.clock.now()
    assert await open_letters(letters, tenant) == []
    (kept,) = await letters.list(tenant, settled=True)
    assert kept.settled_as == "replayed"
    with pytest.raises(Conflict):
        await letters.replay(tenant, dead)
    assert await world.pool.fetchval("SELECT count(*) FROM inbox WHERE tenant_id = $1", tenant) == 1


async def test_a_body_goes_through_the_door_once_more(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    channel = await connect_channel(world, tenant)
    body = json.dumps(START).encode()
    context = {"channel_id": str(channel), "channel": "telegram", "size": len(body)}
    dead = await bury(world, tenant, "door", body, context)
    await letters.replay(tenant, dead)
    (row,) = await world.pool.fetch("SELECT * FROM inbox WHERE tenant_id = $1", tenant)
    content = decode(row["payload"]).message
    assert content is not None
    assert content.text == "сколько стоит экран?"
    twice = await bury(world, tenant, "door", body, context)
    await letters.replay(tenant, twice)
    assert await world.pool.fetchval("SELECT count(*) FROM inbox WHERE tenant_id = $1", tenant) == 1, "known by its key"


async def test_what_cannot_be_replayed_stays_and_says_why(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    channel = await connect_channel(world, tenant)
    cut = await bury(world, tenant, "door", b"{}", {"channel_id": str(channel), "size": 99_999})
    unreadable = await bury(world, tenant, "door", b"{", {"channel_id": str(channel), "size": 1})
    foreign = await bury(world, await world.tenant(), "door", b"{}", {"channel_id": str(channel), "size": 2})
    garbage = await bury(world, tenant, "inbox", b"\x00", {})
    nobody = await bury(world, tenant, "event:gone", b"{}", {"type": "client.updated"})
    for dead in (cut, unreadable, garbage, nobody):
        with pytest.raises(Invalid) as refused:
            await letters.replay(tenant, dead)
        assert refused.value.remedy
    with pytest.raises(Invalid):
        await letters.replay(tenant, foreign)
    assert len(await open_letters(letters, tenant)) == 4


async def test_a_turn_is_made_due(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    await world.pool.execute(
        "INSERT INTO client_work (tenant_id, client_id, bucket, attempts) VALUES ($1, $2, $3, 9)",
        tenant,
        client,
        bucket_of(tenant),
    )
    dead = await bury(world, tenant, "turn", b"", {"client_id": str(client)})
    await letters.replay(tenant, dead)
    row = await world.pool.fetchrow("SELECT * FROM client_work WHERE tenant_id = $1", tenant)
    assert row is not None
    assert row["due_at"] is not None
    assert row["attempts"] == 0


async def test_a_replayed_event_reaches_its_consumer_and_nobody_else(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    mended = False
    seen: list[str] = []

    async def handle(connection: Connection, events: Sequence[Envelope]) -> None:
        if not mended:
            raise ValueError
        await ledger(connection, events)

    async def other(events: Sequence[Envelope]) -> None:
        seen.extend(e.type for e in events)

    made = HandlerRegistry()
    made.transactional("ledger", [ClientUpdated], handle)
    made.external("other", [ClientUpdated], other)
    async with running(world.relay(), world.processor(made)):
        await until(world.ready, what="registered")
        await until(lambda: world.ready("other"), what="registered")
        await world.updates(tenant, client, 1, 1)
        (dead,) = await until(lambda: open_letters(letters, tenant), what="the dead letter")
        assert dead.payload is None
        await until(lambda: settled(world, "other"), what="the other one has it")
        await world.pool.execute("DELETE FROM processed WHERE consumer = 'other' AND tenant_id = $1", tenant)
        mended = True
        await letters.replay(tenant, dead.dead_id)
        await until(world.effects, what="the effect")
        await until(lambda: settled(world), what="acknowledged")
        await until(lambda: settled(world, "other"), what="passed over")
    assert await world.effects() == [(client, 1)]
    assert seen == ["client.updated"]


async def test_an_external_consumer_gets_a_replayed_event_again(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    client = await world.client(tenant)
    broken = True
    done: list[UUID] = []

    async def handle(events: Sequence[Envelope]) -> None:
        if broken:
            raise ValueError
        done.extend(e.key for e in events)

    async def handled() -> list[UUID]:
        return done

    made = HandlerRegistry()
    made.external("ledger", [ClientUpdated], handle)
    async with running(world.relay(), world.processor(made)):
        await until(world.ready, what="registered")
        await world.updates(tenant, client, 1, 1)
        (dead,) = await until(lambda: open_letters(letters, tenant), what="the dead letter")
        broken = False
        await letters.replay(tenant, dead.dead_id)
        await until(handled, what="handled")
    assert done == [client]


async def test_dropped_ones_stay_on_record_and_pages_continue(world: World, letters: DeadLetters) -> None:
    tenant = await world.tenant()
    made = [await bury(world, tenant, "door", b"x", {}) for _ in range(5)]
    await letters.drop(tenant, made[2])
    page = await letters.list(tenant, limit=2)
    rest = await letters.list(tenant, limit=9, before=page[-1].dead_id)
    assert [d.dead_id for d in (*page, *rest)] == [made[4], made[3], made[1], made[0]]
    assert await letters.list(tenant, source="inbox") == []
    assert (await letters.get(tenant, made[2])).settled_as == "dropped"
    assert (await letters.get(tenant, made[2])).payload == b"x"
    with pytest.raises(Conflict):
        await letters.drop(tenant, made[2])
    with pytest.raises(Invalid):
        await letters.get(await world.tenant(), made[0])


async def test_a_tenant_is_found_by_slug_and_by_id(world: World) -> None:
    tenant = await world.tenant()
    assert await find_tenant(world.pool, str(tenant)) == tenant
    assert await find_tenant(world.pool, str(tenant).upper()) == tenant
    assert await find_tenant(world.pool, f"t{tenant.hex}") == tenant
    with pytest.raises(Invalid):
        await find_tenant(world.pool, "nobody")


def dead_command(world: World, pg_url: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", "from battcrm.cli.main import main; main()", "dead", *arguments],
        env=kept
        | {
            "BATTCRM_HOME": str(home),
            "BATTCRM_SECRET_KEYS": base64.b64encode(KEY).decode(),
            "DATABASE_URL": pg_url,
            "REDIS_URL": world.url,
            "NEO4J_URL": "bolt://127.0.0.1:1",
            "NEO4J_PASSWORD": "unused",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


async def test_the_command_line(world: World, pg_url: str, tmp_path: Path) -> None:
    tenant = await world.tenant()
    inbox = await bury(world, tenant, "inbox", encode(message(uuid4())), {})
    cut = await bury(world, tenant, "door", b"{}", {"channel_id": str(uuid4()), "size": 99_999})

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return dead_command(world, pg_url, tmp_path, *arguments, "--tenant", f"t{tenant.hex}", "--json")

    listed = await asyncio.to_thread(run, "list")
    assert [row["id"] for row in json.loads(listed.stdout)] == [str(cut), str(inbox)]
    plain = await asyncio.to_thread(run, "show", str(inbox))
    assert "payload" not in json.loads(plain.stdout)
    full = await asyncio.to_thread(run, "show", str(inbox), "--show-payload")
    assert "сколько стоит экран?" in json.loads(full.stdout)["payload"]
    replayed = await asyncio.to_thread(run, "replay", "--source", "inbox")
    assert json.loads(replayed.stdout) == [{"id": str(inbox), "outcome": "replayed", "error": None}]
    refused = await asyncio.to_thread(run, "replay", str(cut))
    assert refused.returncode == 1
    assert "64 kB" in json.loads(refused.stdout)[0]["error"]
    assert (await asyncio.to_thread(run, "drop", str(cut))).returncode == 0
    assert json.loads((await asyncio.to_thread(run, "list")).stdout) == []
    assert (await asyncio.to_thread(run, "drop")).returncode == 2
    for finished in (listed, plain, replayed, refused):
        assert "сколько стоит" not in finished.stdout + finished.stderr

"""PROTOCOL B, rule by rule: poison, order, orphans, ranks, echoes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from battcrm.devkit.faults.bench import Bench, Shop, bench
from battcrm.devkit.faults.messenger import Messenger, event
from battcrm.devkit.faults.pool import Fault
from battcrm.models.unified_codec import decode
from tests.faults.test_door_rules import ALL_ROLES, BLOCKED, work
from tests.support.waiting import PATIENCE, eventually

_APPEAL = """
INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, opened_at, touched_at,
  version) SELECT d.tenant_id, $1, i.client_id, d.dialog_id, $2, 1, 'collecting', $3, $4, $4, 1
FROM dialog d JOIN identity i USING (tenant_id, identity_id)
"""
TEXTS = "SELECT text FROM message WHERE direction = 'in' ORDER BY seq"


async def texts(world: Bench) -> list[str]:
    return [row[0] for row in await world.pool.fetch(TEXTS)]


async def test_a_row_that_kills_the_processor_is_buried_and_its_neighbours_live(
    world: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole process dies each time it looks at the row, as with a crash of the interpreter."""
    shop = await world.shop()
    for n, text in enumerate(("one", "POISON", "three")):
        await world.deliver(shop, event(f"chat{n}", "m", text))

    def deadly(payload: bytes) -> Any:
        if b"POISON" in payload:
            world.roles["processor-1"].pool.dead = True
        return decode(payload)

    monkeypatch.setattr("battcrm.pipeline.processor.decode", deadly)
    deaths = 0
    for _ in range(40):
        deaths += not await world.step("processor-1")
        world.move_clock(10)
    assert sorted(await texts(world)) == ["one", "three"]
    dead = await world.pool.fetch("SELECT source, payload FROM dead_letter")
    assert [row["source"] for row in dead] == ["inbox"]
    assert b"POISON" in dead[0]["payload"]
    assert deaths <= 6


async def test_a_row_that_cannot_be_processed_is_buried_without_harm(
    world: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await world.shop()
    for n, text in enumerate(("one", "POISON", "three")):
        await world.deliver(shop, event(f"chat{n}", "m", text))

    def failing(payload: bytes) -> Any:
        if b"POISON" in payload:
            raise ValueError("unreadable")
        return decode(payload)

    monkeypatch.setattr("battcrm.pipeline.processor.decode", failing)
    await world.step("processor-1")
    assert sorted(await texts(world)) == ["one", "three"]
    for _ in range(20):
        world.move_clock(10)
        await world.step("processor-1")
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 0
    assert await world.pool.fetchval("SELECT count(*) FROM dead_letter WHERE source = 'inbox'") == 1


async def test_an_edit_that_comes_first_waits_for_its_message(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m0", "before"))
    await world.deliver(shop, event("anna", "m1", "new text", "edit", 1))
    await world.step("processor-1")
    await world.deliver(shop, event("anna", "m1", "old text"))
    await world.step("processor-1")
    world.move_clock(3)
    await world.step("processor-1")
    assert await texts(world) == ["before", "new text"]


async def test_an_edit_whose_message_never_comes_is_kept_as_an_orphan(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m0", "before"))
    await world.deliver(shop, event("anna", "m1", "new text", "edit", 1))
    for _ in range(14):
        await world.step("processor-1")
        world.move_clock(60)
    assert await world.pool.fetchval("SELECT source FROM dead_letter") == "orphan"
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 0


@pytest.mark.parametrize(
    ("states", "final"),
    [
        (("read", "delivered"), "read"),
        (("delivered", "read"), "read"),
        (("failed", "read"), "failed"),
        (("delivered", "sent"), "delivered"),
    ],
)
async def test_a_status_never_moves_back(world: Bench, states: tuple[str, ...], final: str) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    for state in states:
        await world.deliver(shop, event("anna", "out-1", kind="status", state=state))
        await world.step("processor-1")
    assert await world.pool.fetchval("SELECT state FROM message WHERE direction = 'out'") == final


async def said_by_us(world: Bench) -> list[str]:
    rows = await world.pool.fetch("SELECT author FROM message WHERE direction = 'out' ORDER BY seq")
    return [row[0] for row in rows]


async def sending(world: Bench, shop: Shop, messenger: Messenger) -> None:
    messenger.hold = "after"
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    assert messenger.in_flight == 1


async def test_an_echo_during_a_send_waits_for_the_send(world: Bench) -> None:
    shop = await world.shop()
    await sending(world, shop, world.messenger)
    await world.deliver(shop, event("anna", "out-1", "1|0|hello", echo=True))
    await world.step("processor-1")
    world.messenger.release()
    await world.settle()
    world.move_clock(3)
    await world.step("processor-1")
    assert await said_by_us(world) == ["bot"]
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_an_echo_nobody_claims_within_half_a_minute_was_a_human(world: Bench) -> None:
    shop = await world.shop()
    await sending(world, shop, world.messenger)
    await world.deliver(shop, event("anna", "other-7", "I am here", echo=True))
    for _ in range(3):
        await world.step("processor-1")
        world.move_clock(16)
    await world.step("processor-1")
    assert await said_by_us(world) == ["bot", "operator"]


async def test_an_echo_with_our_reference_settles_what_was_unknown(world: Bench) -> None:
    shop = await world.shop()
    await sending(world, shop, world.messenger)
    await world.kill("out-1")
    world.messenger.release()
    world.move_clock(100)
    await world.step("out-1")
    (row,) = await world.pool.fetch("SELECT outgoing_id, state FROM outgoing")
    assert row["state"] == "unknown"
    await world.deliver(shop, event("anna", "p-1", echo=True, client_ref=str(row["outgoing_id"])))
    await world.step("processor-1")
    assert await world.pool.fetchval("SELECT state FROM outgoing") == "sent"
    assert await world.pool.fetchval("SELECT external_id FROM message WHERE direction = 'out'") == "p-1"
    assert await said_by_us(world) == ["bot"]


async def test_a_group_chat_is_stored_and_never_answered(world: Bench) -> None:
    from battcrm.models.unified import Conversation

    shop = await world.shop()
    await world.deliver(shop, replace(event("g", "m1", "hello all"), conversation=Conversation("g", "group")))
    await world.drain()
    assert await texts(world) == ["hello all"]
    assert world.messenger.shown == []


async def test_one_batch_of_newcomers_and_of_people_known_before(world: Bench) -> None:
    """A chat belongs to who wrote first in it, and nobody is made twice."""
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    for chat, id, user in (
        ("flat", "m1", "anna"),
        ("boris", "m1", "boris"),
        ("dacha", "m1", "boris"),
        ("hall", "m1", "vera"),
        ("hall", "m2", "gleb"),
        ("flat", "m2", "gleb"),
    ):
        await world.deliver(shop, event(chat, id, f"{user} in {chat}", user=user))
    await world.step("processor-1")
    owners = "SELECT external_chat_id, external_user_id FROM dialog JOIN identity USING (tenant_id, identity_id)"
    assert {tuple(row) for row in await world.pool.fetch(owners)} == {
        ("anna", "anna"),
        ("flat", "anna"),
        ("boris", "boris"),
        ("dacha", "boris"),
        ("hall", "vera"),
    }
    people = "SELECT external_user_id FROM identity JOIN client USING (tenant_id, client_id)"
    assert sorted(row[0] for row in await world.pool.fetch(people)) == ["anna", "boris", "gleb", "vera"]
    assert len(await texts(world)) == 7


async def test_dialogs_are_locked_in_one_order(world: Bench) -> None:
    shop = await world.shop()
    for chat in ("anna", "boris"):
        await world.deliver(shop, event(chat, "m1", "hello"))
    await work(world)
    low, high = [r[0] for r in await world.pool.fetch("SELECT dialog_id FROM dialog ORDER BY tenant_id, dialog_id")]
    for chat in ("boris", "anna"):
        await world.deliver(shop, event(chat, "m2", "hello"))
    await blocked_on_the_first_only(world, "dialog", "dialog_id", (low, high), "processor-1")


async def blocked_on_the_first_only(world: Bench, table: str, key: str, rows: tuple[Any, Any], role: str) -> None:
    """Hold the lower row: the role must wait for it without holding the higher one."""
    lock = f"SELECT 1 FROM {table} WHERE {key} = $1 FOR UPDATE"
    async with world.pool.acquire() as other, other.transaction():
        await other.execute(lock, rows[0])
        step = asyncio.ensure_future(world.step(role))
        await eventually(lambda: world.pool.fetchval(BLOCKED), what=f"{role} waits")
        await other.execute(lock + " NOWAIT", rows[1])
    await step


@pytest.mark.parametrize("name", ALL_ROLES)
async def test_a_role_without_work_takes_nothing(world: Bench, name: str) -> None:
    await world.shop()
    assert await world.step(name)
    assert world.messenger.shown == []


@pytest.mark.parametrize("after", range(12))
async def test_lost_connections_bury_no_row(world: Bench, after: int) -> None:
    """However often the connection breaks between the mark and its take, or swallows the mark's answer."""
    shop = await world.shop()
    for n in range(3):
        await world.deliver(shop, event(f"chat{n}", "m", f"text {n}"))
    for n in range(9):
        # The first one leaves rows behind that are marked already: from then on they are met alone.
        world.arm("processor-1", after if n else 3, Fault.DROP)
        await world.step("processor-1")
    world.roles["processor-1"].pool.disarm()
    await world.step("processor-1")
    assert sorted(await texts(world)) == ["text 0", "text 1", "text 2"]
    assert await world.pool.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_an_edit_that_waited_does_not_undo_a_newer_one(world: Bench) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m0", "before"))
    await world.deliver(shop, event("anna", "m1", "second thoughts", "edit", 1))
    await world.step("processor-1")
    await world.deliver(shop, event("anna", "m1", "first thoughts"))
    await world.deliver(shop, event("anna", "m1", "third thoughts", "edit", 2))
    await world.step("processor-1")
    world.move_clock(3)
    await world.step("processor-1")
    assert await texts(world) == ["before", "third thoughts"]
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_an_operators_echo_locks_the_client_before_its_appeals(world: Bench) -> None:
    """The order of locks of the whole system; a turn's commit takes them in that order, too."""
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    appeal = await open_appeal(world)
    await world.deliver(shop, event("anna", "other-7", "I am here", echo=True))
    async with world.pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM client_work FOR UPDATE")
        step = asyncio.ensure_future(world.step("processor-1"))
        await eventually(lambda: world.pool.fetchval(BLOCKED), what="the processor waits for the client")
        await other.execute("SELECT 1 FROM appeal WHERE appeal_id = $1 FOR UPDATE NOWAIT", appeal)
    await step
    assert await world.pool.fetchval("SELECT control FROM appeal") == "human"


async def open_appeal(world: Bench, control: str = "bot") -> Any:
    """An open appeal of the only client."""
    own, now = world.ids.new(), world.clock.now()
    await world.pool.execute(_APPEAL, own, world.ids.new(), control, now)
    return own


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("after", range(0, 32, 2))
async def test_a_processor_that_dies_at_any_statement_stores_once(world: Bench, after: int, fault: Fault) -> None:
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    world.arm("processor-1", after, fault)
    await world.step("processor-1")
    await world.drain()
    assert await texts(world) == ["hello"]
    assert await world.pool.fetchval("SELECT count(*) FROM outbox WHERE type = 'message.received'") == 1
    assert [s.text for s in world.messenger.shown] == ["1|0|hello"]


async def test_a_chat_is_stored_in_the_order_of_its_platform(clean_database: str) -> None:
    """As far as it came in one go; what comes late after all is something new to answer."""
    async with bench(clean_database, ordered_by_platform=True) as world:
        shop = await world.shop()
        for number in ("10", "9", "11"):
            await world.deliver(shop, event("anna", f"m{number}", number, seq=number))
        await world.drain()
        assert await texts(world) == ["9", "10", "11"]
        await world.deliver(shop, event("anna", "m8", "8", seq="8"))
        await world.drain()
        assert [s.text.split("|")[2] for s in world.messenger.shown] == ["9,10,11", "8"]


async def test_a_flood_of_one_shop_lets_the_others_through(world: Bench) -> None:
    """More rows than a batch holds wait in front; the first batch takes the other shop's row all the same."""
    first, second = sorted([await world.shop(), await world.shop()], key=lambda s: s.account.tenant_id)
    for n in range(3):
        await world.deliver(first, *(event("anna", f"m{n}.{i}", "x") for i in range(80)))
    await world.deliver(second, event("boris", "m", "hello"))
    await world.roles["processor-1"].worker.step()
    assert await world.pool.fetchval("SELECT count(*) FROM inbox WHERE tenant_id = $1", second.account.tenant_id) == 0


async def test_a_shops_messages_are_one_processors_at_a_time(world: Bench) -> None:
    """Else a later message could be stored before an earlier one that another processor holds."""
    shop = await world.shop()
    await world.deliver(shop, event("anna", "m1", "hello"))
    await work(world)
    await world.deliver(shop, event("anna", "m2", "two"))
    async with world.pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM dialog FOR UPDATE")
        step = asyncio.ensure_future(world.step("processor-1"))
        await eventually(lambda: world.pool.fetchval(BLOCKED), what="the first waits for the dialog")
        await world.roles["door"].worker.accept(shop.account, [event("anna", "m3", "three")], b"{}")
        await asyncio.wait_for(world.roles["processor-2"].worker.step(), PATIENCE)
        assert await world.pool.fetchval("SELECT count(*) FROM inbox WHERE attempts = 0") == 2
    await step
    await world.drain()
    assert await texts(world) == ["hello", "two", "three"]

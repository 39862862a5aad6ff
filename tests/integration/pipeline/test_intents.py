"""PROTOCOL D1: a layer's wish becomes a message only where it may. The bench's day begins at noon in Moscow."""

from __future__ import annotations

from battcrm.devkit.faults.messenger import event
from tests.integration.pipeline.conftest import Shopfront


async def test_a_wish_in_the_day_is_sent_with_its_decision(front: Shopfront) -> None:
    await front.want("k1")
    assert await front.intents.step() == 1
    assert await front.said() == ["come by"]
    assert await front.decisions() == ["allowed"]
    assert await front.value("SELECT author FROM message ORDER BY seq DESC LIMIT 1") == "automation"


async def test_the_same_wish_twice_is_one_message(front: Shopfront) -> None:
    await front.want("k1")
    await front.want("k1")
    await front.intents.step()
    await front.intents.step()
    assert await front.said() == ["come by"]


async def test_at_night_it_waits_for_the_morning(front: Shopfront) -> None:
    front.world.move_clock(10 * 3600)
    await front.want("k1")
    await front.intents.step()
    assert await front.said() == []
    front.world.move_clock(11 * 3600)
    await front.intents.step()
    assert await front.said() == []
    front.world.move_clock(1.1 * 3600)
    await front.intents.step()
    assert await front.said() == ["come by"]


async def test_who_asked_not_to_be_written_to_is_left_alone(front: Shopfront) -> None:
    await front.world.pool.execute("UPDATE client SET do_not_contact = true")
    await front.want("k1")
    await front.want("k2", "your device is ready", "service")
    await front.intents.step()
    assert await front.said() == ["your device is ready"]
    assert sorted(await front.decisions()) == ["do_not_contact", "service"]


async def test_a_human_in_control_is_not_interrupted(front: Shopfront) -> None:
    await front.appeal("human")
    await front.want("k1")
    await front.intents.step()
    assert (await front.said(), await front.decisions()) == ([], ["human_in_control"])


async def test_it_waits_for_the_turn_of_its_client(front: Shopfront) -> None:
    await front.world.deliver(front.shop, event("anna", "m2", "one more question"))
    await front.world.step("processor-1")
    front.world.gate.hold = True
    assert not await front.world.step("ai-1")
    await front.want("k1")
    await front.intents.step()
    assert await front.said() == []
    front.world.gate.release()
    await front.world.settle()
    front.world.move_clock(2)
    await front.intents.step()
    await front.said()
    assert await front.said() == ["one more question", "come by"]


async def test_a_wish_for_a_merged_client_reaches_the_survivor(front: Shopfront) -> None:
    await front.world.deliver(front.shop, event("anna-web", "m1", "hi", user="anna-web"))
    await front.world.drain()
    other = await front.value("SELECT client_id FROM client WHERE client_id <> $1", front.client)
    await front.world.pool.execute("UPDATE identity SET client_id = $1 WHERE client_id = $2", front.client, other)
    await front.world.pool.execute("UPDATE client SET merged_into = $1 WHERE client_id = $2", front.client, other)
    await front.want("k1", client=other)
    await front.intents.step()
    assert (await front.said())[-1] == "come by"


async def test_an_unreachable_client_is_refused(front: Shopfront) -> None:
    await front.world.pool.execute("UPDATE identity SET reachable = false")
    await front.want("k1")
    await front.intents.step()
    assert (await front.said(), await front.decisions()) == ([], ["unreachable"])

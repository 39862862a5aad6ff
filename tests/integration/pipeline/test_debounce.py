"""When a client is due, seen from the database: the quiet window and what stretches or cuts it."""

from __future__ import annotations

import pytest

from battcrm.devkit.faults.bench import START, Bench, Shop
from battcrm.devkit.faults.messenger import event
from battcrm.models.unified import UnifiedMessage
from tests.integration.pipeline.conftest import Shopfront

SETTINGS = {"quiet": 2.5, "unfinished": 1.5, "media": 6.0, "cap": 12.0}


async def due(world: Bench, shop: Shop, *messages: UnifiedMessage, every: float = 1.0) -> float:
    """Seconds from the first of the messages until the client is due."""
    began = world.clock.now()
    for number, message in enumerate(messages):
        if number:
            world.move_clock(every)
        await world.deliver(shop, message)
        await world.step("processor-1")
    query = "SELECT w.due_at FROM client_work w WHERE w.due_at IS NOT NULL"
    return float((await world.pool.fetchval(query) - began).total_seconds())


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (event("eva", "1", "How much is a screen?"), 2.5),
        (event("eva", "1", "how much is a screen"), 4.0),
        (event("eva", "1", "Здравствуйте!"), 4.0),
        (event("eva", "1", "look:", media=("photo",)), 6.0),
        (event("eva", "1", "/start"), 0.0),
        (event("eva", "1", "оператор"), 0.0),
        (event("eva", "1", "yes", "button"), 0.0),
    ],
)
async def test_one_message_waits_for_its_window(front: Shopfront, message: UnifiedMessage, seconds: float) -> None:
    shop = await front.world.shop(**SETTINGS)
    assert front.world.clock.now() >= START
    assert await due(front.world, shop, message) == seconds


async def test_each_message_starts_the_window_again_up_to_the_cap(front: Shopfront) -> None:
    shop = await front.world.shop(**SETTINGS)
    said = [event("eva", str(n), f"sentence {n}.") for n in range(4)]
    assert await due(front.world, shop, *said, every=2.0) == 3 * 2.0 + 2.5
    more = [event("eva", str(n), f"sentence {n}.") for n in range(4, 8)]
    began = await due(front.world, shop, *more, every=2.0)
    assert began == 12.0 - 3 * 2.0


async def test_typing_stretches_the_window_and_never_the_cap(front: Shopfront) -> None:
    shop = await front.world.shop(**SETTINGS)
    typing = [event("eva", f"t{n}", "", "typing") for n in range(2)]
    assert await due(front.world, shop, event("eva", "1", "How much?"), *typing, every=2.0) == 2 * 2.0 + 2.5
    again = [event("eva", f"u{n}", "", "typing") for n in range(4)]
    assert await due(front.world, shop, *again, every=2.4) == 12.0 - 2 * 2.0

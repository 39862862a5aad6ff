"""Cropped messages are read again: the turn waits for it, but not long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.vk import VkEmulator
from tests.integration.channels.conftest import Shop
from tests.integration.channels.test_media import USER, VK_TOKEN, FileHost, arrived, host, photo, vk

__all__ = ["host", "vk"]
SEVEN = 7


async def crop(shop: Shop, vk: VkEmulator, host: FileHost, text: str = "Вот фото, сколько стоит?") -> None:
    """A message of which VK delivers five attachments out of seven."""
    vk.user_says(VK_TOKEN, USER, text, attachments=[photo(f"{host.url}/{n}.jpg", n) for n in range(SEVEN)])
    await arrived(shop)


async def dialog(shop: Shop) -> Any:
    return await shop.row("SELECT * FROM dialog WHERE tenant_id = $1")


async def due(shop: Shop) -> Any:
    return (await shop.row("SELECT due_at FROM client_work WHERE tenant_id = $1"))["due_at"]


async def attachments(shop: Shop) -> list[dict[str, Any]]:
    return list((await shop.stored())[0]["content"]["attachments"])


async def test_in_time(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    await crop(shop, vk, host)
    before = await dialog(shop)
    assert len(await attachments(shop)) == 5
    assert before["hold_until"] == shop.clock.now() + timedelta(seconds=6)
    assert before["due_at"] == await due(shop) == shop.clock.now() + timedelta(seconds=6)
    await shop.work()
    after = await dialog(shop)
    found = await attachments(shop)
    assert len(found) == SEVEN
    assert {item["state"] for item in found} == {"stored"}
    assert sorted(host.asked) == sorted(f"/{n}.jpg" for n in range(SEVEN))
    assert after["version"] > before["version"]
    assert after["hold_until"] is None
    assert "note" not in (await shop.stored())[0]["content"]


async def test_the_turn_starts_as_soon_as_the_whole_is_there(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    """Without files the quiet window is 2.5 s: the hold, not the window, is what ends early."""
    seq = vk.user_says(VK_TOKEN, USER, "x" * 10, attachments=[photo(f"{host.url}/{n}.jpg", n) for n in range(SEVEN)])
    vk.communities[VK_TOKEN].peers[USER].messages[seq] |= {"attachments": [], "text": "Сколько стоит?"}
    await arrived(shop)
    started, version = shop.clock.now(), (await dialog(shop))["version"]
    assert await due(shop) == started + timedelta(seconds=6)
    shop.clock.advance(1)
    await shop.fetch(
        "UPDATE due_work SET payload = payload || $2 WHERE tenant_id = $1 AND kind = 'hydrate'",
        {"wanted_at": (started + timedelta(seconds=2.5)).isoformat()},
    )
    await shop.work()
    assert (await shop.stored())[0]["text"] == "Сколько стоит?"
    assert await due(shop) == (await dialog(shop))["due_at"] == started + timedelta(seconds=2.5)
    # Nothing but the words came: a turn under way has read a part, and must not post.
    assert (await dialog(shop))["version"] == version + 1


async def test_a_newer_message_respects_the_hold(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    await crop(shop, vk, host)
    held = (await dialog(shop))["hold_until"]
    shop.clock.advance(1)
    vk.user_says(VK_TOKEN, USER, "Жду.")
    await arrived(shop, 2)
    assert (await dialog(shop))["due_at"] == held


async def test_late_and_answered_already(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    """The turn did not wait: the message is completed all the same, and only new words open a new turn."""
    await crop(shop, vk, host)
    vk.faults.add(Fault("internal"), method="messages.getbyid")
    await shop.work()
    assert len(await attachments(shop)) == 5
    assert await due(shop) <= shop.clock.now() + timedelta(seconds=6)
    await shop.fetch("UPDATE dialog SET answered_seq = last_seq, due_at = NULL WHERE tenant_id = $1")
    await shop.fetch("UPDATE client_work SET due_at = NULL WHERE tenant_id = $1")
    shop.clock.advance(30)
    await shop.work()
    assert len(await attachments(shop)) == SEVEN
    assert await due(shop) is None


async def test_late_with_words_that_nobody_answered(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    await crop(shop, vk, host)
    vk.faults.add(Fault("internal"), method="messages.getbyid")
    await shop.work()
    await shop.fetch("UPDATE dialog SET answered_seq = last_seq, due_at = NULL WHERE tenant_id = $1")
    await shop.fetch("UPDATE client_work SET due_at = NULL WHERE tenant_id = $1")
    for message in vk.communities[VK_TOKEN].peers[USER].messages.values():
        message["text"] += " И когда будет готово?"
    shop.clock.advance(30)
    await shop.work()
    row = await dialog(shop)
    assert row["answered_seq"] < row["last_seq"]
    assert await due(shop) == row["due_at"] == shop.clock.now()


async def test_what_vk_has_no_longer_releases_the_turn(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    await crop(shop, vk, host)
    vk.communities[VK_TOKEN].peers[USER].messages.clear()
    await shop.work()
    assert (await dialog(shop))["hold_until"] is None
    assert (await shop.stored())[0]["content"]["note"] == "withheld_by_vk"

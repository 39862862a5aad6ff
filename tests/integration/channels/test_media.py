"""Customers' files: fetched once, kept by content, refused or given up with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.infra.http import AioHttp
from battcrm.pipeline.caretaker import Caretaker
from battcrm.transport import media_fetch
from battcrm.transport.media import FolderStore
from battcrm.workers import caretaker
from tests.integration.channels.conftest import Shop, until

BOT = 7012345678
TOKEN = f"{BOT}:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"
CHAT = 507318842
VK_TOKEN, GROUP, USER = "vk1.a.demoDemoDemoDemoDemoDemoDemoKey", 221004567, 612345987
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(2000)
OGG = b"OggS" + bytes(500)


class FileHost:
    """A foreign server with files. `answers` are used up in turn, the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = [(200, JPEG)]
        self.asked: list[str] = []
        self.url = ""

    async def get(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, body=body)


@pytest.fixture
async def host() -> AsyncIterator[FileHost]:
    found = FileHost()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.get)
    app.router.add_post("/v1/audio/transcriptions", _transcribe)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def _transcribe(request: web.Request) -> web.Response:
    form = await request.post()
    assert request.headers["Authorization"] == "Bearer demo-key"
    assert form["model"] == "whisper-1"
    return web.json_response({"text": " разбил экран "})


@pytest.fixture
async def telegram(shop: Shop) -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(time_factor=0.01) as emulator:
        emulator.add_bot(TOKEN)
        await shop.life.add(shop.tenant_id, "telegram", secrets={"token": TOKEN}, settings={"base_url": emulator.url})
        yield emulator


@pytest.fixture
async def vk(shop: Shop) -> AsyncIterator[VkEmulator]:
    async with VkEmulator(time_factor=0.01) as emulator:
        emulator.add_community(VK_TOKEN, GROUP)
        await shop.life.add(
            shop.tenant_id,
            "vk",
            account_ref=str(GROUP),
            secrets={"token": VK_TOKEN},
            settings={"base_url": emulator.url},
        )
        (server,) = emulator.communities[VK_TOKEN].servers.values()
        await until(lambda: server.status == "ok")
        yield emulator


def photo(url: str, number: int = 1) -> dict[str, Any]:
    sizes = [{"type": "w", "url": url, "width": 960, "height": 1280}]
    return {"type": "photo", "photo": {"id": number, "owner_id": USER, "access_key": "k", "sizes": sizes}}


async def attachments(shop: Shop) -> list[dict[str, Any]]:
    found = [m["content"].get("attachments", []) for m in await shop.stored()]
    return [item for items in found for item in items]


async def arrived(shop: Shop, count: int = 1) -> None:
    async def there() -> bool:
        return len(await shop.stored()) >= count

    await until(there, "the message is stored")


async def test_a_photo_is_fetched_and_kept_by_content(shop: Shop, telegram: TelegramEmulator) -> None:
    telegram.user_sends_file(TOKEN, CHAT, "photo", JPEG)
    telegram.user_sends_file(TOKEN, CHAT, "photo", JPEG)
    await telegram.delivered(TOKEN)
    await arrived(shop, 2)
    version = (await shop.row("SELECT version FROM dialog WHERE tenant_id = $1"))["version"]
    await shop.work()
    first, second = await attachments(shop)
    digest = hashlib.sha256(JPEG).hexdigest()
    wanted = {"state": "stored", "sha256": digest, "mime": "image/jpeg", "size": len(JPEG)}
    assert {k: first[k] for k in wanted} == wanted == {k: second[k] for k in wanted}
    assert await FolderStore(shop.media_dir).get(shop.tenant_id, digest) == JPEG
    assert len([p for p in shop.media_dir.rglob("*") if p.is_file()]) == 1
    after = (await shop.row("SELECT version FROM dialog WHERE tenant_id = $1"))["version"]
    assert after == version + 2


async def test_a_late_result_does_not_disturb_what_was_answered(shop: Shop, telegram: TelegramEmulator) -> None:
    telegram.user_sends_file(TOKEN, CHAT, "photo", JPEG)
    await telegram.delivered(TOKEN)
    await arrived(shop)
    await shop.fetch("UPDATE dialog SET answered_seq = last_seq, due_at = NULL WHERE tenant_id = $1")
    before = await shop.row("SELECT version, due_at FROM dialog WHERE tenant_id = $1")
    await shop.work()
    assert (await attachments(shop))[0]["state"] == "stored"
    assert await shop.row("SELECT version, due_at FROM dialog WHERE tenant_id = $1") == before


async def test_an_edit_does_not_fetch_again(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    seq = vk.user_says(VK_TOKEN, USER, "вот", attachments=[photo(host.url + "/a.jpg")])
    await arrived(shop)
    await shop.work()
    vk.edit(VK_TOKEN, USER, seq, "вот он")
    await until(lambda: _said(shop, "вот он"))
    await shop.work()
    assert (await attachments(shop))[0]["state"] == "stored"
    assert host.asked == ["/a.jpg"]


async def _said(shop: Shop, text: str) -> bool:
    return any(m["text"] == text for m in await shop.stored())


async def test_a_broken_link_is_retried_then_marked(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    host.answers = [(503, b"")]
    vk.user_says(VK_TOKEN, USER, "вот", attachments=[photo(host.url + "/a.jpg")])
    await arrived(shop)
    await shop.work()
    assert "state" not in (await attachments(shop))[0]
    for _ in range(12):
        shop.clock.advance(900)
        await shop.work()
    assert len(host.asked) == media_fetch.ATTEMPTS
    broken = (await attachments(shop))[0]
    assert (broken["state"], broken["reason"]) == ("broken", "file_not_ready")
    assert await shop.fetch("SELECT 1 FROM dead_letter WHERE tenant_id = $1") == []


async def test_a_hiccup_is_retried(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    host.answers = [(503, b""), (200, JPEG)]
    vk.user_says(VK_TOKEN, USER, "вот", attachments=[photo(host.url + "/a.jpg")])
    await arrived(shop)
    await shop.work()
    shop.clock.advance(10)
    await shop.work()
    assert (await attachments(shop))[0]["state"] == "stored"


async def test_a_stale_link_is_renewed_from_the_message(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    seq = vk.user_says(VK_TOKEN, USER, "вот", attachments=[photo(host.url + "/old.jpg")])
    await arrived(shop)
    host.answers = [(404, b""), (200, JPEG)]
    vk.communities[VK_TOKEN].peers[USER].messages[seq]["attachments"] = [photo(host.url + "/new.jpg")]
    await shop.work()
    assert host.asked == ["/old.jpg", "/new.jpg"]
    assert (await attachments(shop))[0]["state"] == "stored"


async def test_an_address_in_our_own_network_is_refused(shop: Shop, vk: VkEmulator, host: FileHost) -> None:
    vk.user_says(VK_TOKEN, USER, "вот", attachments=[photo(host.url + "/secret")])
    await arrived(shop)
    async with AioHttp() as strict:
        fetcher = caretaker.media_fetcher(shop.runtime)
        fetcher._http_for = lambda _: _AsProduction(shop.runtime.http, strict)
        lane = Caretaker(
            shop.runtime.pool,
            shop.clock,
            shop.runtime.ids,
            shop.runtime.wakeups,
            handlers={"media": fetcher.handle},
            only=frozenset({"media"}),
        )
        await lane.step()
    assert host.asked == []
    assert (await attachments(shop))[0]["state"] == "broken"


class _AsProduction:
    """The emulated API is local, so calls of ours go there; addresses from outside meet the guard of production."""

    def __init__(self, ours: AioHttp, guarded: AioHttp) -> None:
        self.request = ours.request
        self.download = guarded.download


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversize_file_is_refused(
    shop: Shop, vk: VkEmulator, host: FileHost, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(media_fetch, "MOST", 1000)
    fetcher = caretaker.media_fetcher(shop.runtime)
    fetcher._most = 1000
    document = {"id": 5, "owner_id": USER, "title": "schema.pdf", "ext": "pdf", "url": host.url + "/schema"}
    if declared:
        document["size"] = 5_000_000
    vk.user_says(VK_TOKEN, USER, "схема", attachments=[{"type": "doc", "doc": document}])
    await arrived(shop)
    claim = (
        await Caretaker(
            shop.runtime.pool, shop.clock, shop.runtime.ids, shop.runtime.wakeups, only=frozenset({"media"})
        )._queue.claim(1, lease=60, extra=(["media"],))
    )[0]
    await fetcher.handle(claim)
    refused = (await attachments(shop))[0]
    assert (refused["state"], refused["reason"]) == ("refused", "file_too_big")
    assert len(host.asked) == (0 if declared else 1)
    assert not shop.media_dir.exists()


async def test_a_program_that_calls_itself_a_photo_is_refused(shop: Shop, telegram: TelegramEmulator) -> None:
    telegram.user_sends_file(TOKEN, CHAT, "photo", b"MZ\x90\x00" + bytes(200))
    await telegram.delivered(TOKEN)
    await arrived(shop)
    await shop.work()
    refused = (await attachments(shop))[0]
    assert (refused["state"], refused["reason"]) == ("refused", "wrong_type")
    assert not shop.media_dir.exists()


async def test_files_wait_for_new_credentials(shop: Shop, telegram: TelegramEmulator) -> None:
    telegram.user_sends_file(TOKEN, CHAT, "photo", JPEG)
    await telegram.delivered(TOKEN)
    await arrived(shop)
    telegram.bots[TOKEN].revoked = True
    for _ in range(12):
        await shop.work()
        shop.clock.advance(301)
    assert "state" not in (await attachments(shop))[0]
    telegram.bots[TOKEN].revoked = False
    await shop.work()
    assert (await attachments(shop))[0]["state"] == "stored"


async def test_a_slow_download_does_not_hold_up_quick_work(
    shop: Shop, telegram: TelegramEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    telegram.user_sends_file(TOKEN, CHAT, "photo", JPEG)
    await telegram.delivered(TOKEN)
    await arrived(shop)
    telegram.faults.add(Fault("slow", seconds=30), method="getfile")
    quick, *_ = caretaker.lanes(shop.runtime)
    assert await quick.step() == 0


async def test_transcription_is_off_until_asked_for(
    shop: Shop, telegram: TelegramEmulator, host: FileHost, with_key: Callable[[str], None]
) -> None:
    with_key(host.url + "/v1")
    telegram.user_sends_file(TOKEN, CHAT, "voice", OGG)
    await telegram.delivered(TOKEN)
    await arrived(shop)
    await shop.work()
    assert "transcript" not in (await attachments(shop))[0]

    await shop.life.enable(shop.tenant_id, "telegram", settings={"transcribe": True})
    telegram.user_sends_file(TOKEN, CHAT, "voice", OGG + b"2")
    await telegram.delivered(TOKEN)
    await arrived(shop, 2)
    await shop.work()
    assert (await attachments(shop))[1]["transcript"] == "разбил экран"
    assert (await shop.stored())[1]["text"] == "разбил экран"


@pytest.fixture
def with_key(shop: Shop) -> Callable[[str], None]:
    def give(url: str) -> None:
        from pydantic import SecretStr

        settings = shop.runtime.settings
        object.__setattr__(
            shop.runtime,
            "settings",
            settings.model_copy(update={"openai_api_key": SecretStr("demo-key"), "openai_base_url": url}),
        )

    return give

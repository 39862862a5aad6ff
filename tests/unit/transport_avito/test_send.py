"""What Avito receives from us, through the emulator: messages, pictures, tokens, content policy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.devkit.emulators.base import Fault
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.models.outgoing import OutAttachment, OutButton
from battcrm.models.unified import Attachment
from battcrm.transport.avito.client import AvitoApi, segment
from battcrm.transport.avito.files import AvitoFiles
from battcrm.transport.avito.send import AvitoSender
from battcrm.transport.avito.tokens import Tokens as AvitoTokens
from battcrm.transport.base import ChannelAccount, Tokens
from tests.unit.transport_avito.conftest import CLIENT, HOOK, SECRET, SELLER, account, command, sender

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def shown(avito: AvitoEmulator) -> list[str]:
    return [item.text for item in avito.log.all]


async def test_a_text_as_it_is_on_the_wire(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    sent = await sender(avito, http).send(command(chat))
    (item,) = avito.log.all
    assert (item.chat, item.text, item.message_id) == (chat, "Ремонт 4 500 ₽", sent.message_id)


async def test_buttons_become_numbers_and_long_text_is_split(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    rows = ((OutButton("Оригинал", "a"), OutButton("Копия", "b")),)
    await sender(avito, http).send(command(chat, "Какой?", buttons=rows))
    sent = await sender(avito, http).send(command(chat, "слово " * 400))
    assert shown(avito)[0] == "Какой?\n\n1. Оригинал\n2. Копия"
    assert [len(text) <= 1000 for text in shown(avito)] == [True] * 4
    assert len(sent.extra_ids) == 2


async def test_a_picture_goes_before_its_words(avito: AvitoEmulator, http: AioHttp, chat: str, tmp_path: Path) -> None:
    picture = tmp_path / "экран.jpg"
    picture.write_bytes(b"\xff\xd8\xffdata")
    photo = OutAttachment("photo", path=str(picture))
    await sender(avito, http).send(command(chat, "Вот", attachments=(photo,)))
    assert [(i.attachment, i.text) for i in avito.log.all] == [("photo", ""), (None, "Вот")]
    assert list(avito.accounts[SELLER].images.values()) == [b"\xff\xd8\xffdata"]


@pytest.mark.parametrize(("name", "code"), [("акт.pdf", "file_refused"), ("gone.png", "file_missing")])
async def test_files_avito_does_not_take(
    avito: AvitoEmulator, http: AioHttp, chat: str, tmp_path: Path, name: str, code: str
) -> None:
    if code == "file_refused":
        (tmp_path / name).write_bytes(b"%PDF")
    photo = OutAttachment("photo", path=str(tmp_path / name))
    with pytest.raises(Permanent) as caught:
        await sender(avito, http).send(command(chat, "", attachments=(photo,)))
    assert caught.value.code == code
    with pytest.raises(Permanent):
        await sender(avito, http).send(command(chat, attachments=(OutAttachment("document", path="/x.pdf"),)))
    assert avito.log.all == []


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "Звоните +7 900 000-11-22"},
        {"text": "Цены на pochinim.ru"},
        {"buttons": ((OutButton("Сайт", kind="url", url="https://shop.example"),),)},
        {"attachments": (OutAttachment("photo", url="https://shop.example/1.jpg"),)},
        {"text": "а" * 995 + " +7 900 000-11-22"},
    ],
)
async def test_contacts_are_refused_before_anything_is_sent(
    avito: AvitoEmulator, http: AioHttp, chat: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(Permanent) as caught:
        await sender(avito, http).send(command(chat, **fields))
    assert caught.value.code == "content_policy"
    assert avito.log.all == []
    await sender(avito, http, allow_contacts=True).send(command(chat, **fields))
    assert avito.log.all


async def test_a_correction_says_so(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    await sender(avito, http).send(command(chat, "5 000 ₽", edit_of="x"))
    await sender(avito, http).send(command(chat, "5 000 ₽", edit_of="x", context={"locale": "en"}))
    assert shown(avito) == ["Исправлено: 5 000 ₽", "Corrected: 5 000 ₽"]


async def test_reading_marks_the_chat(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    avito.user_says(SELLER, chat, "Здравствуйте")
    await sender(avito, http).mark_read(chat)
    await sender(avito, http).mark_read("u2i-nowhere")
    assert avito.accounts[SELLER].read == [chat]


async def test_nobody_is_written_to_first(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    avito.block(SELLER, chat)
    for place in (chat, "u2i-nowhere"):
        with pytest.raises(Permanent) as caught:
            await sender(avito, http).send(command(place))
        assert caught.value.code == "recipient_gone"


async def test_a_failure_after_the_first_part_is_partial(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    avito.faults.add(Fault("slow", seconds=0.0), method="messages")
    avito.faults.add(Fault("rate_limited"), method="messages")
    with pytest.raises(OutcomeUnknown) as caught:
        await sender(avito, http).send(command(chat, "слово " * 300))
    assert caught.value.code == "partial"


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ("rate_limited", RateLimited, "rate_limited"),
        ("unpaid", AuthExpired, "subscription_required"),
        ("server_error", OutcomeUnknown, "answer_lost"),
        ("lost_answer", OutcomeUnknown, "answer_lost"),
        ("revoked", AuthExpired, "credentials_refused"),
    ],
)
async def test_faults(
    avito: AvitoEmulator, http: AioHttp, chat: str, fault: str, expected: type[BattError], code: str
) -> None:
    avito.faults.add(Fault(fault), method="messages")
    with pytest.raises(expected) as caught:
        await sender(avito, http).send(command(chat))
    assert caught.value.code == code
    assert len(avito.log.all) == (fault == "lost_answer")


async def test_another_accounts_key_is_told(avito: AvitoEmulator, http: AioHttp) -> None:
    assert (await sender(avito, http).check())["title"] == "Сервис «Починим»"
    other = ChannelAccount(
        account(avito).tenant_id,
        account(avito).channel_id,
        "avito",
        "7",
        account(avito).secrets,
        {"base_url": avito.url},
    )
    with pytest.raises(Permanent) as caught:
        await AvitoSender(other, http).check()
    assert caught.value.code == "wrong_account"


async def test_one_token_for_everybody(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    await asyncio.gather(*(sender(avito, http).send(command(chat)) for _ in range(20)))
    assert avito.accounts[SELLER].grants == ["client_credentials"]
    assert len(avito.log.all) == 20


async def test_a_token_is_renewed_at_four_fifths_of_its_life(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    clock = ManualClock(NOW)
    one = AvitoSender(account(avito), http, clock=clock)
    grants = avito.accounts[SELLER].grants
    await one.send(command(chat))
    clock.advance(0.79 * 86_400)
    await one.send(command(chat))
    assert len(grants) == 1
    clock.advance(0.02 * 86_400)
    await one.send(command(chat))
    assert len(grants) == 2


async def test_a_token_that_died_early_is_renewed_once(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    one = sender(avito, http)
    await one.send(command(chat))
    avito.expire_tokens(SELLER)
    await one.send(command(chat))
    assert len(avito.log.all) == 2
    assert len(avito.accounts[SELLER].grants) == 2
    avito.faults.add(Fault("token_expired"), method="messages", times=2)
    with pytest.raises(AuthExpired):
        await one.send(command(chat))


async def test_a_token_that_cannot_be_had_now_is_no_refusal(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    for fault in ("server_error", "lost_answer"):
        avito.faults.add(Fault(fault), method="token")
    for expected in (Transient,):
        with pytest.raises(expected):
            await sender(avito, http).send(command(chat))


class Store:
    """Keeps tokens in memory, as the database does between processes."""

    def __init__(self) -> None:
        self.kept: dict[str, Tokens] = {}

    async def current(
        self,
        _: ChannelAccount,
        seed: str,
        usable: Callable[[Tokens], bool],
        renew: Callable[[Tokens | None], Awaitable[Tokens]],
    ) -> Tokens:
        stored = self.kept.get(seed)
        if stored is None or not usable(stored):
            stored = self.kept[seed] = await renew(stored)
        return stored


async def test_what_the_bot_wrote_goes_without_contacts_and_a_person_is_asked_to_change_it(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    text = "Ждём вас. Телефон: +7 900 000-11-22."
    await sender(avito, http).send(command(chat, text, context={"author": "bot"}))
    assert shown(avito) == ["Ждём вас. Телефон: есть в нашем профиле."]
    with pytest.raises(Permanent) as caught:
        await sender(avito, http).send(command(chat, text, context={"author": "operator"}))
    assert caught.value.code == "content_policy"


async def test_an_oauth_pair_is_stored_and_the_next_one_made_from_it(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    owner = avito.accounts[SELLER]
    owner.refresh_token = "first"
    clock, store = ManualClock(NOW), Store()
    known = replace(account(avito, {"refresh_token": "first"}), tokens=store)
    one = AvitoSender(known, http, clock=clock)
    await one.send(command(chat))
    clock.advance(86_400)
    await one.send(command(chat))
    assert owner.grants == ["refresh_token", "refresh_token"]
    assert [tokens["refresh_token"] for tokens in store.kept.values()] == [owner.refresh_token]


async def test_a_token_that_another_process_has_renewed_is_not_asked_for_again(
    avito: AvitoEmulator, http: AioHttp, chat: str
) -> None:
    owner = avito.accounts[SELLER]
    owner.refresh_token = "first"
    clock, store = ManualClock(NOW), Store()
    known = replace(account(avito, {"refresh_token": "first"}), tokens=store)
    one = AvitoSender(known, http, clock=clock)
    await one.send(command(chat))
    # What the other process did: the pair that this one holds is dead, the stored one is new.
    renewed = {"access_token": "elsewhere", "refresh_token": "second", "renew_at": "2099-01-01T00:00:00.000Z"}
    store.kept = dict.fromkeys(store.kept, renewed)
    owner.tokens.clear()
    owner.tokens["elsewhere"] = avito.clock.monotonic() + 3600
    await one.send(command(chat))
    assert owner.grants == ["refresh_token"]


async def test_trying_an_oauth_key_tells_the_refresh_token_that_is_good_afterwards(
    avito: AvitoEmulator, http: AioHttp
) -> None:
    owner = avito.accounts[SELLER]
    owner.refresh_token = "first"
    described = await AvitoSender(account(avito, {"refresh_token": "first"}), http, clock=ManualClock(NOW)).check()
    assert described["secrets"] == {"refresh_token": owner.refresh_token}
    assert owner.refresh_token != "first"


async def test_an_oauth_code_becomes_the_first_pair(avito: AvitoEmulator, http: AioHttp) -> None:
    tokens = AvitoTokens(account(avito), http, avito.url, ManualClock(NOW))
    pair = await tokens.exchange(f"code-{SELLER}")
    assert await tokens.get() == pair.access_token
    assert tokens.newest_refresh_token == pair.refresh_token
    with pytest.raises(AuthExpired):
        await tokens.exchange("wrong")


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_without_a_key_nothing_starts(missing: str) -> None:
    secrets = {"client_id": CLIENT, "client_secret": SECRET, "hook_key": HOOK}
    del secrets[missing]
    bare = ChannelAccount(account_id(), account_id(), "avito", str(SELLER), secrets)
    with pytest.raises(Invalid) as caught:
        AvitoApi(bare, AioHttp())
    assert caught.value.field == missing


def account_id() -> Any:
    from uuid import UUID

    return UUID(int=3)


async def test_a_chat_tells_who_and_about_what(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    avito.user_says(SELLER, chat, "Здравствуйте")
    found = await AvitoApi(account(avito), http).chat(chat)
    assert (found.customer_id, found.customer_name) == ("187654321", "Игорь")
    assert found.ad is not None
    assert (found.ad.title, found.ad.price) == ("Замена дисплея iPhone 13 Pro", "24 900 ₽")


async def test_voice_and_pictures_are_fetched_without_a_token(avito: AvitoEmulator, http: AioHttp, chat: str) -> None:
    files = AvitoFiles(account(avito), http)
    avito.user_sends_voice(SELLER, chat, b"opus")
    (voice,) = avito.accounts[SELLER].voices
    fetched = await files.fetch(Attachment("voice", ref=voice, mime="audio/mp4"), 1000)
    assert (fetched.content, fetched.mime) == (b"opus", "audio/mp4")
    image = avito.store_image(avito.accounts[SELLER], b"jpeg")
    url = avito.sizes(image)["1280x960"]
    assert (await files.fetch(Attachment("photo", url=url), 1000)).content == b"jpeg"
    for broken, limit, code in (
        (Attachment("photo", url=url), 2, "file_too_big"),
        (Attachment("photo", url=f"{url}x"), 100, "no_file"),
        (Attachment("photo"), 100, "no_file"),
        (Attachment("voice", ref="gone"), 100, "no_file"),
    ):
        with pytest.raises(Permanent) as caught:
            await files.fetch(broken, limit)
        assert caught.value.code == code


def test_a_chat_id_is_one_segment_of_a_path() -> None:
    assert segment("u2i-a~b/../c?d#e f") == "u2i-a%7Eb%2F..%2Fc%3Fd%23e%20f"


async def test_a_token_shorter_than_a_minute_is_still_used(avito: AvitoEmulator, http: AioHttp) -> None:
    avito.accounts[SELLER].life = 5
    clock = ManualClock(NOW)
    tokens = AvitoTokens(account(avito), http, avito.url, clock)
    first = await tokens.get()
    assert await tokens.get() == first
    clock.advance(60)
    assert await tokens.get() != first

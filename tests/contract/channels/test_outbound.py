"""What every channel promises about what goes out; through the emulator, over real sockets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from battcrm.infra.http import AioHttp
from battcrm.kit.errors import AuthExpired, BattError, Conflict, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand
from battcrm.transport.base import HttpClient
from battcrm.transport.degrade import measure
from battcrm.transport.registry import manifest_of
from tests.contract.channels.harness import Harness, harness_kinds, make_harness

REMOTE = [kind for kind in harness_kinds() if make_harness(kind).remote]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f0005000201cd0e5b9b0000000049454e44ae426082"
)
CHOICES = ((OutButton("Оригинал", "q:1:orig"), OutButton("Копия", "q:1:copy")),)

pytestmark = pytest.mark.parametrize("kind", REMOTE)


def command(harness: Harness, text: str = "Замена дисплея — 24 900 ₽", **fields: object) -> OutgoingCommand:
    return OutgoingCommand("0198c0de-0000-7000-8000-000000000001", harness.chat, text, **fields)  # type: ignore[arg-type]


async def test_text_arrives_as_written(harness: Harness, http: HttpClient, kind: str) -> None:
    text = "Замена дисплея — 24 900 ₽.\nСрок: 1 день <b>&amp; *гарантия* _полгода_ 👍🏻"
    sent = await manifest_of(kind).sender(harness.account, http).send(command(harness, text))
    (shown,) = harness.delivered()
    assert shown.text == text
    assert sent.message_id
    assert shown.message_id in (None, sent.message_id)


async def test_choices_arrive_as_buttons_or_as_numbers(harness: Harness, http: HttpClient, kind: str) -> None:
    manifest = manifest_of(kind)
    await manifest.sender(harness.account, http).send(command(harness, "Какой ставим?", buttons=CHOICES))
    (shown,) = harness.delivered()
    if manifest.capabilities.buttons:
        assert (shown.text, shown.buttons) == ("Какой ставим?", ("Оригинал", "Копия"))
    else:
        assert (shown.text, shown.buttons) == ("Какой ставим?\n\n1. Оригинал\n2. Копия", ())


async def test_too_many_choices_lose_none(harness: Harness, http: HttpClient, kind: str) -> None:
    count = manifest_of(kind).capabilities.buttons + 1
    rows = tuple((OutButton(f"Вариант {n}", f"v:{n}"),) for n in range(count))
    await manifest_of(kind).sender(harness.account, http).send(command(harness, "Выберите", buttons=rows))
    shown = "\n".join(d.text for d in harness.delivered())
    for number in range(count):
        assert f"{number + 1}. Вариант {number}" in shown


async def test_long_text_is_split_within_the_limit_and_complete(harness: Harness, http: HttpClient, kind: str) -> None:
    capabilities = manifest_of(kind).capabilities
    text = "\n\n".join(f"Абзац {n}. Слова 👍 про ремонт экрана и батареи." for n in range(260))
    await manifest_of(kind).sender(harness.account, http).send(command(harness, text))
    parts = [d.text for d in harness.delivered()]
    assert len(parts) > 1
    assert all(measure(p, capabilities.text_unit) <= capabilities.text_limit for p in parts)
    assert " ".join(parts).split() == text.split()


async def test_photo_with_a_caption(harness: Harness, http: HttpClient, kind: str, tmp_path: Path) -> None:
    picture = tmp_path / "экран.png"
    picture.write_bytes(PNG)
    photo = OutAttachment("photo", path=str(picture), mime="image/png")
    await manifest_of(kind).sender(harness.account, http).send(command(harness, "Вот так", attachments=(photo,)))
    shown = harness.delivered()
    assert [d.attachment for d in shown if d.attachment] == ["photo"]
    assert [d.text for d in shown if d.text] == ["Вот так"]


async def test_a_missing_file_is_permanent_and_sends_nothing(
    harness: Harness, http: HttpClient, kind: str, tmp_path: Path
) -> None:
    photo = OutAttachment("photo", path=str(tmp_path / "gone.png"))
    with pytest.raises(Permanent):
        await manifest_of(kind).sender(harness.account, http).send(command(harness, "", attachments=(photo,)))
    assert harness.delivered() == []


async def test_rate_limit_says_when(harness: Harness, http: HttpClient, kind: str) -> None:
    harness.fault("rate_limited")
    sender = manifest_of(kind).sender(harness.account, http)
    with pytest.raises(RateLimited) as caught:
        await sender.send(command(harness))
    assert caught.value.retry_after is None or caught.value.retry_after > 0
    assert harness.delivered() == []
    await sender.send(command(harness))
    assert len(harness.delivered()) == 1


async def test_revoked_credentials_stop_the_channel(harness: Harness, http: HttpClient, kind: str) -> None:
    harness.fault("revoked")
    with pytest.raises(AuthExpired):
        await manifest_of(kind).sender(harness.account, http).send(command(harness))
    assert harness.delivered() == []


async def test_a_person_who_blocked_us_is_permanent(harness: Harness, http: HttpClient, kind: str) -> None:
    harness.fault("blocked")
    with pytest.raises(Permanent) as caught:
        await manifest_of(kind).sender(harness.account, http).send(command(harness))
    assert caught.value.code == "recipient_gone"
    assert harness.delivered() == []


async def test_a_lost_answer_is_unknown_and_never_repeated_by_the_sender(
    harness: Harness, http: HttpClient, kind: str
) -> None:
    manifest = manifest_of(kind)
    harness.fault("lost_answer")
    repeatable = (OutcomeUnknown, Transient) if manifest.capabilities.idempotent_send else (OutcomeUnknown,)
    with pytest.raises(repeatable):
        await manifest.sender(harness.account, http).send(command(harness))
    assert len(harness.delivered()) == 1
    if manifest.capabilities.idempotent_send:
        await manifest.sender(harness.account, http).send(command(harness))
        assert len(harness.delivered()) == 1


async def test_a_server_error_is_never_taken_for_success(harness: Harness, http: HttpClient, kind: str) -> None:
    manifest = manifest_of(kind)
    harness.fault("server_error")
    repeatable = (OutcomeUnknown, Transient) if manifest.capabilities.idempotent_send else (OutcomeUnknown,)
    with pytest.raises(repeatable):
        await manifest.sender(harness.account, http).send(command(harness))
    assert harness.delivered() == []


async def test_an_unreachable_platform_is_transient(harness: Harness, http: HttpClient, kind: str) -> None:
    await harness.stop()
    async with AioHttp(allow_private=True) as fresh:
        with pytest.raises(Transient):
            await manifest_of(kind).sender(harness.account, fresh).send(command(harness))


async def test_check_names_the_account_and_refuses_bad_credentials(
    harness: Harness, http: HttpClient, kind: str
) -> None:
    sender = manifest_of(kind).sender(harness.account, http)
    assert isinstance(await sender.check(), dict)
    harness.fault("revoked")
    with pytest.raises(AuthExpired):
        await sender.check()


async def test_typing_and_late_acknowledgements_are_no_errors(harness: Harness, http: HttpClient, kind: str) -> None:
    sender = manifest_of(kind).sender(harness.account, http)
    await sender.typing(harness.chat)
    await sender.acknowledge("0", harness.chat)
    assert harness.delivered() == []


@pytest.mark.parametrize("fault", ["rate_limited", "revoked", "blocked", "lost_answer", "server_error", "unreachable"])
async def test_no_secret_in_errors_or_logs(
    harness: Harness, http: HttpClient, kind: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = manifest_of(kind).sender(harness.account, http)
    text = "секретный текст клиента"
    if fault == "unreachable":
        await harness.stop()
        async with AioHttp(allow_private=True) as fresh:
            with pytest.raises(BattError) as caught:
                await manifest_of(kind).sender(harness.account, fresh).send(command(harness, text))
    else:
        harness.fault(fault)
        with pytest.raises((BattError, Conflict)) as caught:
            await sender.send(command(harness, text))
    shown = f"{caught.value!r} {caught.value.text} {caught.value.__cause__!r} {caplog.text} {harness.account!r}"
    for secret in (*harness.secrets, text):
        assert secret not in shown

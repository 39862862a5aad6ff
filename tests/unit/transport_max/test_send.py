"""What MAX receives from us, through the emulator: messages, keyboards, uploads, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, OutcomeUnknown, Permanent, RateLimited, Transient
from battcrm.models.outgoing import OutAttachment, OutButton
from battcrm.models.unified import Attachment
from battcrm.transport.base import ChannelAccount
from battcrm.transport.max.client import MaxApi
from battcrm.transport.max.files import MaxFiles
from battcrm.transport.max.keyboard import keyboard
from battcrm.transport.max.send import MaxSender
from tests.unit.transport_max.conftest import BOT, TOKEN, USER, account, command, sender


def rows(*titles: tuple[str, ...], kind: str = "callback") -> tuple[tuple[OutButton, ...], ...]:
    return tuple(tuple(OutButton(title, f"p:{title}", kind) for title in row) for row in titles)


def shown(max_: MaxEmulator) -> list[dict[str, Any]]:
    return [item.payload for item in max_.log.all]


async def test_a_message_as_it_is_on_the_wire(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    buttons = (
        (OutButton("Оригинал", "q:813:orig", "callback"),),
        (OutButton("Оставить номер", kind="contact"), OutButton("Сайт", kind="url", url="https://shop.example")),
        (OutButton("Где я", kind="location"), OutButton("Нет")),
    )
    sent = await sender(max_, http).send(
        command(chat, "Какой дисплей ставим?", buttons=buttons, reply_to="mid.000000000adf429c019d47d58f2b0001")
    )
    assert shown(max_) == [
        {
            "notify": True,
            "text": "Какой дисплей ставим?",
            "attachments": [
                {
                    "type": "inline_keyboard",
                    "payload": {
                        "buttons": [
                            [{"type": "callback", "text": "Оригинал", "payload": "q:813:orig"}],
                            [{"type": "request_contact", "text": "Оставить номер"}],
                            [{"type": "link", "text": "Сайт", "url": "https://shop.example"}],
                            [
                                {"type": "request_geo_location", "text": "Где я", "quick": False},
                                {"type": "callback", "text": "Нет", "payload": "Нет"},
                            ],
                        ]
                    },
                }
            ],
            "link": {"type": "reply", "mid": "mid.000000000adf429c019d47d58f2b0001"},
        }
    ]
    assert sent.message_id == max_.log.all[0].message_id
    assert int(sent.seq or 0) > 2**53


async def test_silent_and_by_user(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    await sender(max_, http).send(command(f"user:{USER}", "Тихо", silent=True))
    assert (max_.log.all[0].chat, shown(max_)[0]["notify"]) == (chat, False)


@pytest.mark.parametrize(
    ("titles", "widths"),
    [
        ([("Да", "Нет")], [2]),
        ([("Оригинал", "Копия")], [2]),
        ([("Оригинал 9 800 ₽", "Аналог 6 400 ₽")], [1, 1]),
        ([("1", "2", "3", "4", "5", "6", "7", "8")], [7, 1]),
        ([("12", "13")] * 30, [2] * 30),
        ([("Длинное название", "Ещё одно длинное")] * 30, [2] * 30),
        ([(str(n),) for n in range(31)], [7, 7, 7, 7, 3]),
        ([tuple(str(n) for n in range(210))], [7] * 30),
    ],
)
def test_rows_of_a_keyboard(titles: list[tuple[str, ...]], widths: list[int]) -> None:
    made = keyboard(rows(*titles))
    assert made is not None
    assert [len(line) for line in made["payload"]["buttons"]] == widths


def test_wide_buttons_stand_in_threes_and_too_many_do_not_fit() -> None:
    links = tuple(OutButton(str(n), kind="url", url="https://x.example") for n in range(4))
    made = keyboard((links,))
    assert made is not None
    assert [len(line) for line in made["payload"]["buttons"]] == [3, 1]
    assert keyboard((tuple(OutButton(str(n), kind="contact") for n in range(91)),)) is None
    assert keyboard(rows(tuple(str(n) for n in range(211)))) is None
    assert keyboard(((OutButton("x", kind="url", url="https://x.example/" + "y" * 2048),),)) is None
    assert keyboard(()) is None


async def test_what_does_not_fit_is_numbered(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    many = (tuple(OutButton(f"Контакт {n}", kind="contact") for n in range(91)),)
    await sender(max_, http).send(command(chat, "Выберите", buttons=many))
    assert "attachments" not in shown(max_)[0]
    assert "Контакт 90" in shown(max_)[0]["text"]


@pytest.mark.parametrize(
    ("kind", "name", "sent_as", "attached"),
    [
        ("photo", "a.png", "image", "photo"),
        ("document", "Акт.pdf", "file", "document"),
        ("voice", "v.ogg", "audio", "voice"),
        ("video", "v.mp4", "video", "video"),
    ],
)
async def test_files_are_uploaded_in_two_steps(
    max_: MaxEmulator, http: AioHttp, chat: str, tmp_path: Path, kind: str, name: str, sent_as: str, attached: str
) -> None:
    (tmp_path / name).write_bytes(b"content")
    file = OutAttachment(kind, path=str(tmp_path / name))
    await sender(max_, http).send(command(chat, "Вот", attachments=(file,)))
    (item,) = max_.log.all
    (upload,) = max_.bots[BOT].uploads.values()
    assert (item.text, item.attachment) == ("Вот", attached)
    assert item.payload["attachments"] == [{"type": sent_as, "payload": {"token": upload.token}}]
    assert (upload.content, upload.filename) == (b"content", name)
    assert max_.bots[BOT].leaks == []


async def test_pictures_may_stay_where_they_are_and_other_links_are_text(
    max_: MaxEmulator, http: AioHttp, chat: str
) -> None:
    photo = OutAttachment("photo", url="https://shop.example/1.jpg")
    await sender(max_, http).send(command(chat, "Вот", attachments=(photo,)))
    await sender(max_, http).send(
        command(chat, "Счёт", attachments=(OutAttachment("document", url="https://s.example/1"),))
    )
    assert shown(max_)[0]["attachments"] == [{"type": "image", "payload": {"url": "https://shop.example/1.jpg"}}]
    assert shown(max_)[1]["text"] == "Счёт\nhttps://s.example/1"


async def test_a_file_that_is_not_ready_is_asked_for_again(
    max_: MaxEmulator, http: AioHttp, chat: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    max_.faults.add(Fault("not_ready"), method="messages", times=5)
    clock = Pauses()
    file = OutAttachment("photo", path=str(tmp_path / "a.png"))
    await MaxSender(account(max_), http, clock=clock).send(command(chat, "Вот", attachments=(file,)))
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(max_.log.all) == 1
    max_.faults.add(Fault("not_ready"), method="messages", times=6)
    with pytest.raises(Transient) as caught:
        await MaxSender(account(max_), http, clock=clock).send(command(chat, "Вот", attachments=(file,)))
    assert caught.value.code == "attachment_not_ready"
    assert len(max_.log.all) == 1


class Pauses(ManualClock):
    """A clock that never waits and remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Refusing:
    """An upload that answers as told; everything else goes to the emulator."""

    def __init__(self, http: AioHttp, status: int, body: bytes) -> None:
        self._http, self._answer = http, HttpResponse(status, {}, body)
        self.headers: Any = None

    async def request(self, method: str, url: str, **fields: Any) -> HttpResponse:
        if "/upload/" not in url:
            return await self._http.request(method, url, **fields)
        self.headers = fields.get("headers")
        return self._answer


@pytest.mark.parametrize(
    ("kind", "status", "body", "expected"),
    [
        ("voice", 200, b"<retval>0</retval>", Permanent),
        ("voice", 400, b"", Permanent),
        ("photo", 200, b'{"photos":{}}', Permanent),
        ("photo", 200, b"<retval>1</retval>", Permanent),
        ("document", 200, b"{}", Permanent),
        ("document", 502, b"", Transient),
    ],
)
async def test_refused_uploads(
    max_: MaxEmulator,
    http: AioHttp,
    chat: str,
    tmp_path: Path,
    kind: str,
    status: int,
    body: bytes,
    expected: type[BattError],
) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    refusing = Refusing(http, status, body)
    with pytest.raises(expected):
        await MaxSender(account(max_), refusing).send(
            command(chat, attachments=(OutAttachment(kind, path=str(tmp_path / "a.bin")),))
        )
    assert refusing.headers is None
    assert max_.log.all == []


async def test_an_edit_changes_the_message_and_its_buttons(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    one = sender(max_, http)
    sent = await one.send(command(chat, "Было", buttons=rows(("Да",))))
    await one.send(command(chat, "Стало", edit_of=sent.message_id, buttons=rows(("Нет",))))
    body = max_.dialog(BOT, USER).messages[str(sent.message_id)]["body"]
    assert (body["text"], body["attachments"][0]["payload"]["buttons"][0][0]["text"]) == ("Стало", "Нет")
    await one.send(command(chat, "Всё", edit_of=sent.message_id))
    body = max_.dialog(BOT, USER).messages[str(sent.message_id)]["body"]
    assert (body["text"], body["attachments"]) == ("Всё", [])
    assert len(max_.log.all) == 1
    await one.delete(str(sent.message_id))
    with pytest.raises(Permanent):
        await one.delete(str(sent.message_id))


async def test_an_edit_without_an_answer_may_be_asked_again(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    sent = await sender(max_, http).send(command(chat))
    max_.faults.add(Fault("server_error"), method="edit")
    with pytest.raises(Transient):
        await sender(max_, http).send(command(chat, "Стало", edit_of=sent.message_id))


async def test_presses_are_acknowledged_and_typing_is_shown(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    one = sender(max_, http)
    await one.send(command(chat, "?", buttons=rows(("Да",))))
    press = max_.press(BOT, USER, "Да")
    await one.acknowledge(press, chat)
    await one.acknowledge("late", chat)
    assert max_.bots[BOT].presses[press] == "✓"
    await one.typing(chat)
    await one.typing("user:5")
    await one.typing("-999")
    assert max_.bots[BOT].actions == [(int(chat), "typing_on")]
    max_.faults.add(Fault("revoked"), method="actions")
    with pytest.raises(AuthExpired):
        await one.typing(chat)


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ("rate_limited", RateLimited, "rate_limited"),
        ("revoked", AuthExpired, "token_revoked"),
        ("blocked", Permanent, "recipient_gone"),
        ("unmoderated", Permanent, "chat_refused"),
        ("server_error", OutcomeUnknown, "answer_lost"),
        ("lost_answer", OutcomeUnknown, "answer_lost"),
    ],
)
async def test_faults(
    max_: MaxEmulator, http: AioHttp, chat: str, fault: str, expected: type[BattError], code: str
) -> None:
    max_.faults.add(Fault(fault), method="messages")
    with pytest.raises(expected) as caught:
        await sender(max_, http).send(command(chat))
    assert caught.value.code == code
    assert len(max_.log.all) == (fault == "lost_answer")


async def test_who_stopped_the_bot_or_never_came_is_gone(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    max_.stop_bot(BOT, USER)
    for place in (chat, "404404"):
        with pytest.raises(Permanent) as caught:
            await sender(max_, http).send(command(place))
        assert caught.value.code == "recipient_gone"


async def test_a_failure_after_the_first_part_is_partial(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    max_.faults.add(Fault("slow", seconds=0.0), method="messages")
    max_.faults.add(Fault("rate_limited"), method="messages")
    with pytest.raises(OutcomeUnknown) as caught:
        await sender(max_, http).send(command(chat, "слово " * 1000))
    assert caught.value.code == "partial"


async def test_check_describes_the_bot(max_: MaxEmulator, http: AioHttp) -> None:
    described = await sender(max_, http).check()
    assert described == {
        "account_ref": str(BOT),
        "username": f"id{BOT}_bot",
        "title": "Сервис «Починим»",
        "link": f"https://max.ru/id{BOT}_bot",
    }
    max_.add_bot("7-other", 7)
    with pytest.raises(Permanent) as caught:
        await MaxSender(account(max_, {"token": "7-other"}), http).check()
    assert caught.value.code == "wrong_account"


async def test_the_token_is_bare_and_nowhere_else(max_: MaxEmulator, http: AioHttp) -> None:
    answer = await http.request("GET", f"{max_.url}/me", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 401
    answer = await http.request("GET", f"{max_.url}/me", params={"access_token": TOKEN})
    assert answer.status == 401


def test_without_a_token_nothing_starts() -> None:
    with pytest.raises(Invalid) as caught:
        MaxApi(ChannelAccount(UUID(int=1), UUID(int=2), "max", "1"), AioHttp())
    assert caught.value.field == "token"


class Untrusting:
    """A client whose TLS does not know the platform's root."""

    async def request(self, method: str, url: str, **_: Any) -> HttpResponse:
        raise Transient(f"{method}: ClientConnectorCertificateError", code="certificate")


async def test_an_unknown_root_says_what_to_set(max_: MaxEmulator) -> None:
    with pytest.raises(Transient) as caught:
        await MaxSender(account(max_), Untrusting()).check()
    assert "ca_bundle" in caught.value.text


async def test_files_are_fetched_without_a_token(max_: MaxEmulator, http: AioHttp) -> None:
    files = MaxFiles(account(max_), http)
    fetched = await files.fetch(Attachment("document", url=f"{max_.url}/files/talon", size=5), 100)
    assert (fetched.content, fetched.mime) == (b"bytes of talon", "application/octet-stream")
    fetched = await files.fetch(Attachment("video", ref="clip"), 100)
    assert fetched.content == b"bytes of clip"
    for broken, code in (
        (Attachment("photo"), "no_file"),
        (Attachment("document", url=f"{max_.url}/files/x", size=500), "file_too_big"),
        (Attachment("document", url=f"{max_.url}/files/long-name-" + "x" * 200), "file_too_big"),
        (Attachment("document", url=f"{max_.url}/nothing"), "no_file"),
    ):
        with pytest.raises(Permanent) as caught:
            await files.fetch(broken, 100)
        assert caught.value.code == code

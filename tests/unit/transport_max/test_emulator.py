"""The emulator refuses what MAX refuses, with its codes."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.infra.http import AioHttp
from battcrm.kit.text import loads
from tests.unit.transport_max.conftest import BOT, TOKEN

HEAD = {"Authorization": TOKEN}


def keys(*lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"text": "?", "attachments": [{"type": "inline_keyboard", "payload": {"buttons": list(lines)}}]}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "callback", "text": "Да", "payload": "y"} | fields


LINK = {"type": "link", "text": "Сайт", "url": "https://shop.example"}


@pytest.mark.parametrize(
    "body",
    [
        {"text": "х" * 4001},
        {},
        {"text": " "},
        {"text": "a", "chat_id": 5},
        {"text": "a", "format": "markdown2"},
        {"text": "a", "notify": "yes"},
        {"text": "a", "link": {"type": "reply"}},
        {"text": "a", "attachments": {}},
        {"text": "a", "attachments": [{"type": "photo", "payload": {"token": "t"}}]},
        {"text": "a", "attachments": [{"type": "image", "payload": {"token": "unknown"}}]},
        {"text": "a", "attachments": [{"type": "file", "payload": {"url": "https://x.example"}}]},
        keys(),
        keys([]),
        keys([button()] * 8),
        keys([LINK] * 4),
        keys(*[[button()] for _ in range(31)]),
        keys([button(text="х" * 129)]),
        keys([button(text="")]),
        keys([button(payload="х" * 1025)]),
        keys([button(url="https://x.example")]),
        keys([button(type="open_link")]),
        keys([LINK | {"url": "tel:+7"}]),
    ],
)
async def test_bad_messages(max_: MaxEmulator, http: AioHttp, chat: str, body: Any) -> None:
    answer = await http.request("POST", f"{max_.url}/messages", headers=HEAD, params={"chat_id": chat}, json=body)
    assert answer.status == 400
    assert loads(answer.body).keys() == {"code", "message"}
    assert max_.log.all == []


@pytest.mark.parametrize(
    ("method", "path", "params", "body", "status"),
    [
        ("POST", "/messages", {}, {"text": "a"}, 400),
        ("POST", "/messages", {"chat_id": "1", "user_id": "1"}, {"text": "a"}, 400),
        ("POST", "/messages", {"chat_id": "me"}, {"text": "a"}, 400),
        ("POST", "/messages", {"chat_id": "1"}, {"text": "a"}, 404),
        ("PUT", "/messages", {"message_id": "mid.1"}, {"text": "a"}, 404),
        ("DELETE", "/messages", {"message_id": "mid.1"}, None, 404),
        ("POST", "/answers", {"callback_id": "no"}, {"notification": "a"}, 404),
        ("POST", "/uploads", {"type": "photo"}, None, 400),
        ("POST", "/chats/1/actions", {}, {"action": "typing_on"}, 400),
        ("GET", "/updates", {"limit": "1001"}, None, 400),
        ("GET", "/updates", {"timeout": "91"}, None, 400),
        ("GET", "/me", {"v": "1"}, None, 400),
        ("POST", "/subscriptions", {}, {"url": "https://x.example/", "secret": "abc"}, 400),
        ("POST", "/subscriptions", {}, {"url": "https://x.example/", "update_types": ["message_new"]}, 400),
        ("POST", "/subscriptions", {}, {"url": "https://x.example:8443/"}, 400),
        ("POST", "/subscriptions", {}, {"url": "https://x.example/", "version": "1"}, 400),
    ],
)
async def test_bad_requests(
    max_: MaxEmulator, http: AioHttp, method: str, path: str, params: dict[str, str], body: Any, status: int
) -> None:
    answer = await http.request(method, max_.url + path, headers=HEAD, params=params, json=body)
    assert answer.status == status
    assert loads(answer.body)["code"]


async def test_an_upload_address_takes_one_file_and_it_must_be_there(
    max_: MaxEmulator, http: AioHttp, chat: str
) -> None:
    given = loads((await http.request("POST", f"{max_.url}/uploads", headers=HEAD, params={"type": "audio"})).body)
    body = {"attachments": [{"type": "audio", "payload": {"token": given["token"]}}]}
    early = await http.request("POST", f"{max_.url}/messages", headers=HEAD, params={"chat_id": chat}, json=body)
    assert loads(early.body)["code"] == "attachment.not.ready"
    part = {"data": ("v.ogg", b"x", "audio/ogg")}
    first = await http.request("POST", given["url"], files=part)
    assert (first.status, b"<retval>1</retval>" in first.body) == (200, True)
    assert (await http.request("POST", given["url"], files=part)).status == 400
    late = await http.request("POST", f"{max_.url}/messages", headers=HEAD, params={"chat_id": chat}, json=body)
    assert late.status == 200
    assert max_.bots[BOT].leaks == []


async def test_a_file_does_not_mix_with_pictures(max_: MaxEmulator, http: AioHttp, chat: str) -> None:
    attached = []
    for kind in ("image", "file"):
        given = loads((await http.request("POST", f"{max_.url}/uploads", headers=HEAD, params={"type": kind})).body)
        stored = loads((await http.request("POST", given["url"], files={"data": ("a", b"x", "image/png")})).body)
        token = stored.get("token") or next(iter(stored["photos"].values()))["token"]
        attached.append({"type": kind, "payload": {"token": token}})
    for chosen, status in ((attached[:1], 200), (attached[1:], 200), (attached, 400)):
        answer = await http.request(
            "POST", f"{max_.url}/messages", headers=HEAD, params={"chat_id": chat}, json={"attachments": chosen}
        )
        assert answer.status == status

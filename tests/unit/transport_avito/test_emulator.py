"""The emulator refuses what Avito refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.devkit.emulators.avito import AvitoEmulator
from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.kit.text import loads
from tests.unit.transport_avito.conftest import CLIENT, SECRET, SELLER

GRANT = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}


async def token(avito: AvitoEmulator, http: AioHttp) -> str:
    answer = await http.request("POST", f"{avito.url}/token", form=GRANT)
    return str(loads(answer.body)["access_token"])


async def ask(avito: AvitoEmulator, http: AioHttp, method: str, path: str, **fields: Any) -> HttpResponse:
    head = {"Authorization": f"Bearer {await token(avito, http)}"}
    return await http.request(method, avito.url + path, headers=head, **fields)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "text", "message": {"text": "х" * 1001}},
        {"type": "text", "message": {"text": " "}},
        {"type": "text", "message": {"text": "a", "url": "b"}},
        {"type": "text", "message": {"text": "a"}, "chat_id": "x"},
        {"type": "image", "message": {"text": "a"}},
        {"message": {"text": "a"}},
        {"type": "text", "message": "a"},
        [],
    ],
)
async def test_bad_messages(avito: AvitoEmulator, http: AioHttp, chat: str, body: Any) -> None:
    path = f"/messenger/v1/accounts/{SELLER}/chats/{chat}/messages"
    answer = await ask(avito, http, "POST", path, json=body)
    assert answer.status == 400
    assert loads(answer.body)["error"]["code"] == 400
    assert avito.log.all == []


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("GET", "/messenger/v2/accounts/7/chats", {}, 403),
        ("GET", f"/messenger/v2/accounts/{SELLER}/chats", {"params": {"limit": "101"}}, 400),
        ("GET", f"/messenger/v2/accounts/{SELLER}/chats", {"params": {"offset": "1001"}}, 400),
        ("GET", f"/messenger/v2/accounts/{SELLER}/chats", {"params": {"unread": "true"}}, 400),
        ("GET", f"/messenger/v2/accounts/{SELLER}/chats/nobody", {}, 404),
        ("POST", f"/messenger/v1/accounts/{SELLER}/chats/nobody/read", {}, 404),
        ("POST", f"/messenger/v1/accounts/{SELLER}/chats/nobody/messages/image", {"json": {"image_id": "x"}}, 400),
        (
            "POST",
            f"/messenger/v1/accounts/{SELLER}/uploadImages",
            {"files": {"file": ("a.png", b"x", "image/png")}},
            400,
        ),
        (
            "POST",
            f"/messenger/v1/accounts/{SELLER}/uploadImages",
            {"files": {"uploadfile[]": ("a.pdf", b"x", "application/pdf")}},
            400,
        ),
        ("POST", "/messenger/v3/webhook", {"json": {"url": "http://127.0.0.1:9/", "secret": "x"}}, 400),
        ("POST", "/messenger/v3/webhook", {"json": {"url": "http://127.0.0.1:9/"}}, 400),
        ("POST", "/messenger/v1/webhook/unsubscribe", {"json": {"url": "http://127.0.0.1:9/"}}, 400),
    ],
)
async def test_bad_requests(
    avito: AvitoEmulator, http: AioHttp, method: str, path: str, fields: dict[str, Any], status: int
) -> None:
    answer = await ask(avito, http, method, path, **fields)
    assert answer.status == status
    assert loads(answer.body)["error"]["code"] == status


@pytest.mark.parametrize(
    "head", [{}, {"Authorization": "Bearer "}, {"Authorization": "x"}, {"Authorization": "Bearer x"}]
)
async def test_no_token_no_answer(avito: AvitoEmulator, http: AioHttp, head: dict[str, str]) -> None:
    answer = await http.request("GET", f"{avito.url}/core/v1/accounts/self", headers=head)
    assert answer.status == 401


@pytest.mark.parametrize(
    "change", [{"client_secret": "x"}, {"client_id": "x"}, {"grant_type": "password"}, {"scope": "x"}]
)
async def test_bad_grants(avito: AvitoEmulator, http: AioHttp, change: dict[str, str]) -> None:
    answer = await http.request("POST", f"{avito.url}/token", form=GRANT | change)
    assert answer.status in (400, 401)

"""The emulator is strict where Telegram is, and delivers webhooks as Telegram does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.control import add_control
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.infra.http import AioHttp

TOKEN = "7012345678:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"


class Hook:
    """A webhook of ours that answers as the test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.seen: list[tuple[str | None, dict[str, Any]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        self.seen.append((secret, json.loads(await request.read())))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    @property
    def texts(self) -> list[str]:
        return [u["message"]["text"] for _, u in self.seen if "message" in u]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    app = web.Application()
    app.router.add_post("/hook", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


@pytest.fixture
async def emulator() -> AsyncIterator[TelegramEmulator]:
    made = TelegramEmulator(time_factor=0.01)
    add_control(made, ("user_says",))
    async with made:
        made.add_bot(TOKEN)
        yield made


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


async def call(emulator: TelegramEmulator, http: AioHttp, method: str, **arguments: Any) -> dict[str, Any]:
    answer = await http.request("POST", f"{emulator.url}/bot{TOKEN}/{method}", json=arguments)
    document: dict[str, Any] = json.loads(answer.body)
    assert document["ok"] is (answer.status == 200)
    assert document.get("error_code", 200) == answer.status
    return document


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"chat_id": 5}, "message text is empty"),
    ("sendMessage", {"chat_id": 6, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "кто", "text": "x"}, "chat not found"),
    ("sendMessage", {"text": "x"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": 5, "text": "😀" * 2049}, "message is too long"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_to": 1}, "unknown parameter"),
    ("sendMessage", {"chat_id": 5, "text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
    (
        "sendMessage",
        {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
        "inline keyboard",
    ),
    (
        "sendMessage",
        {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "я" * 33}]]}},
        "BUTTON_DATA_INVALID",
    ),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": "x"}}, "Array of Arrays"),
    ("sendMessage", {"chat_id": 5, "text": "x", "reply_parameters": {"message_id": 77}}, "replied not found"),
    ("editMessageText", {"chat_id": 5, "message_id": 77, "text": "x"}, "message to edit not found"),
    ("editMessageText", {"chat_id": 5, "message_id": 1, "text": "x"}, "message can't be edited"),
    ("sendPhoto", {"chat_id": 5, "photo": "nonsense"}, "wrong file identifier"),
    ("sendChatAction", {"chat_id": 5, "action": "thinking"}, "wrong parameter action"),
    ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old"),
    ("setWebhook", {"url": "ftp://x/"}, "HTTPS URL"),
    ("setWebhook", {"url": "https://x.example/", "secret_token": "плохой"}, "unallowed characters"),
]


@pytest.mark.parametrize(("method", "arguments", "said"), REFUSED)
async def test_refuses_in_telegrams_words(
    emulator: TelegramEmulator, http: AioHttp, method: str, arguments: dict[str, Any], said: str
) -> None:
    emulator.user_says(TOKEN, 5, "привет")
    answer = await call(emulator, http, method, **arguments)
    assert answer["error_code"] == 400
    assert said in answer["description"]
    assert emulator.log.all == []


async def test_unknown_token_method_and_form_encoding(emulator: TelegramEmulator, http: AioHttp) -> None:
    wrong = await http.request("POST", f"{emulator.url}/bot7012345678:AAHother/getMe")
    assert (wrong.status, json.loads(wrong.body)["description"]) == (401, "Unauthorized")
    assert (await call(emulator, http, "sendNonsense"))["error_code"] == 404
    emulator.user_says(TOKEN, 5, "привет")
    form = {"chat_id": "5", "text": "из формы", "reply_markup": '{"remove_keyboard":true}'}
    answer = await http.request("POST", f"{emulator.url}/bot{TOKEN}/SENDMESSAGE", form=form)
    assert answer.status == 200
    assert [r.text for r in emulator.log.all] == ["из формы"]


async def test_webhook_gets_the_secret_and_failures_are_retried_in_order(
    emulator: TelegramEmulator, http: AioHttp, hook: Hook
) -> None:
    emulator.user_says(TOKEN, 5, "до вебхука")
    hook.answers = [500, 302, 200]
    await call(emulator, http, "setWebhook", url=hook.url, secret_token="s-1")
    emulator.user_says(TOKEN, 5, "второе")
    await emulator.delivered(TOKEN)
    assert hook.texts == ["до вебхука"] * 3 + ["второе"]
    assert {secret for secret, _ in hook.seen} == {"s-1"}
    info = (await call(emulator, http, "getWebhookInfo"))["result"]
    assert info["pending_update_count"] == 0
    assert "302" in info["last_error_message"]


async def test_one_chat_waits_and_others_go_on(emulator: TelegramEmulator, http: AioHttp, hook: Hook) -> None:
    await call(emulator, http, "setWebhook", url=hook.url)
    hook.answers = [503]
    emulator.user_says(TOKEN, 5, "застряло")
    emulator.user_says(TOKEN, 6, "другое")
    emulator.user_says(TOKEN, 5, "следом")
    await emulator.delivered(TOKEN)
    assert hook.texts.index("другое") < hook.texts.index("следом")
    assert [t for t in hook.texts if t != "другое"] == ["застряло", "застряло", "следом"]


async def test_duplicates_and_disorder_on_demand(emulator: TelegramEmulator, http: AioHttp, hook: Hook) -> None:
    await call(emulator, http, "setWebhook", url=hook.url)
    emulator.faults.add(Fault("duplicate"), method="update")
    emulator.user_says(TOKEN, 5, "дважды")
    emulator.faults.add(Fault("out_of_order"), method="update")
    emulator.user_says(TOKEN, 5, "первое")
    emulator.user_says(TOKEN, 5, "второе")
    await emulator.delivered(TOKEN)
    assert hook.texts == ["дважды", "дважды", "второе", "первое"]
    assert hook.seen[0][1]["update_id"] == hook.seen[1][1]["update_id"]


async def test_updates_not_asked_for_do_not_come(emulator: TelegramEmulator, http: AioHttp, hook: Hook) -> None:
    await call(emulator, http, "setWebhook", url=hook.url, allowed_updates=["message"])
    first = emulator.user_says(TOKEN, 5, "было")
    emulator.edit(TOKEN, 5, first, "стало")
    emulator.block(TOKEN, 5)
    await emulator.delivered(TOKEN)
    assert [set(u) - {"update_id"} for _, u in hook.seen] == [{"message"}]


async def test_control_over_http(emulator: TelegramEmulator, http: AioHttp) -> None:
    said = await http.request(
        "POST", f"{emulator.url}/_control/act/user_says", json={"token": TOKEN, "chat": 5, "text": "привет"}
    )
    assert said.status == 200
    await http.request("POST", f"{emulator.url}/_control/fault", json={"kind": "rate_limited", "seconds": 9})
    refused = await call(emulator, http, "sendMessage", chat_id=5, text="x")
    assert refused["parameters"] == {"retry_after": 9}
    await call(emulator, http, "sendMessage", chat_id=5, text="ответ")
    log = json.loads((await http.request("GET", f"{emulator.url}/_control/log?after=0")).body)
    assert [(r["chat"], r["text"], r["account"]) for r in log] == [("5", "ответ", "7012345678")]
    assert log[0]["at"] > 0

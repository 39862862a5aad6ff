"""Our Telegram client against a Bot API server that somebody else wrote: it refuses what it cannot understand."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from battcrm.infra.embedded.process import free_port
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Transient
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand
from battcrm.transport.base import ChannelAccount
from battcrm.transport.telegram.lifecycle import TelegramLifecycle
from battcrm.transport.telegram.poll import TelegramPoller
from battcrm.transport.telegram.send import TelegramSender
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "messengers" / "telegram"
TOKEN = "7012345678:AAHdemoDemoDemoDemoDemoDemoDemoDemo0"


@pytest.fixture
async def http() -> AsyncIterator[AioHttp]:
    async with AioHttp(allow_private=True) as client:
        yield client


def server_program() -> str:
    python = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))
    assert python.exists(), "no oracles' environment: run `make oracles`"
    return str(python.parent / "lo-bot-api-emulator")


@pytest.fixture
async def account(http: AioHttp) -> AsyncIterator[ChannelAccount]:
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        server_program(),
        *("--port", str(port), "--enable-control", "--allow-insecure-loopback-webhooks"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    secrets = {"token": TOKEN, "webhook_secret": "hook-secret"}
    made = ChannelAccount(
        UUID(int=1), UUID(int=2), "telegram", "7012345678", secrets, {"base_url": f"http://127.0.0.1:{port}"}
    )
    try:
        await listening(made, http)
        yield made
    finally:
        server.terminate()
        await server.wait()


async def listening(account: ChannelAccount, http: AioHttp) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await TelegramSender(account, http).check()
            except Transient:
                await asyncio.sleep(0.1)
            else:
                return


def say(text: str = "", **fields: object) -> OutgoingCommand:
    return OutgoingCommand("k1", "507318842", text, **fields)  # type: ignore[arg-type]


async def test_everything_we_send_is_understood(account: ChannelAccount, http: AioHttp, tmp_path: Path) -> None:
    file = tmp_path / "талон.png"
    file.write_bytes(bytes.fromhex("89504e470d0a1a0a") + b"picture")
    sender = TelegramSender(account, http)
    choices = ((OutButton("Оригинал", "q:813:orig"), OutButton("Сайт", kind="url", url="https://example.org/a")),)
    phone = ((OutButton("Отправить номер", kind="contact"),),)
    sent = await sender.send(say("Какой ставим?", buttons=choices))
    assert sent.message_id
    for command in (
        say("Ваш телефон?", buttons=phone),
        say("Ответ", reply_to=sent.message_id, silent=True),
        say("Длинно. " * 700),
        say("Талон", attachments=(OutAttachment("document", path=str(file)),)),
        say("Фото", attachments=(OutAttachment("photo", path=str(file), mime="image/png"),)),
        say("стало", edit_of=sent.message_id),
    ):
        assert (await sender.send(command)).message_id
    await sender.typing("507318842")
    await sender.acknowledge("123", "507318842")


async def test_its_updates_are_polled_and_confirmed(account: ChannelAccount, http: AioHttp) -> None:
    message = json.loads((SAMPLES / "text.json").read_bytes())["message"]
    for number in (1, 2):
        update = {"message": {**message, "message_id": number, "text": f"сообщение {number}"}}
        body = {"token": TOKEN, "update": update}
        answer = await http.request("POST", f"{account.base_url}/__fixture/updates", json=body)
        assert answer.status == 200, answer.body
    poller = TelegramPoller(account, http, wait=1)
    messages, _, offset = await anext(poller.batches(None))
    assert [m.message.text for m in messages] == ["сообщение 1", "сообщение 2"]
    update = {"message": {**message, "message_id": 3, "text": "сообщение 3"}}
    await http.request("POST", f"{account.base_url}/__fixture/updates", json={"token": TOKEN, "update": update})
    later, _, _ = await anext(poller.batches(offset))
    assert [m.message.text for m in later] == ["сообщение 3"]


async def test_webhook_registration_is_understood(account: ChannelAccount, http: AioHttp) -> None:
    lifecycle = TelegramLifecycle(account, http)
    await lifecycle.connect("http://127.0.0.1:9/hook/abc")
    assert (await lifecycle.health()).url == "http://127.0.0.1:9/hook/abc"
    await lifecycle.disconnect()
    assert (await lifecycle.health()).active is False

"""MAX against maxapi, field by field, and maxapi against our emulator (environment: see test_telegram.py)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.max import MaxEmulator
from battcrm.models.unified import to_wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.max.parse import parse
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SAMPLES = ROOT / "tests" / "data" / "messengers" / "max"
UPDATES = sorted(p for p in SAMPLES.glob("*.json") if not p.name.startswith("api_"))
PYTHON = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))
BOT, USER, TOKEN = 229229229, 5512345, "demo-max-bot-token"
ACCOUNT = ChannelAccount(UUID(int=1), UUID(int=2), "max", str(BOT), {"token": TOKEN})
KINDS = {
    "message_created": "message",
    "message_edited": "edit",
    "message_removed": "delete",
    "message_callback": "button",
    "bot_started": "start",
    "bot_stopped": "stop",
}


def views(files: list[Path]) -> dict[str, list[dict[str, Any]]]:
    assert PYTHON.exists(), "no oracles' environment: run `make oracles`"
    done = subprocess.run(
        [str(PYTHON), str(HERE / "max_view.py"), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


@cache
def oracle() -> dict[str, list[dict[str, Any]]]:
    return views(UPDATES)


def ours(document: dict[str, Any]) -> dict[str, Any]:
    """Our document in the oracle's words."""
    message, button, sender = document["message"], document["button"] or {}, document["sender"]
    reply, forward = document["reply_to"], document["forwarded"]
    return {
        "event": document["kind"],
        "date": round(datetime.fromisoformat(document["occurred_at"]).timestamp() * 1000),
        "account": document["account_ref"],
        "chat": document["conversation"]["id"],
        "private": document["conversation"]["type"] == "private",
        "sender": sender["id"],
        "name": sender["display_name"],
        "is_bot": sender["is_bot"],
        "locale": sender["locale"],
        "id": message["id"],
        "seq": message["seq"],
        "text": message["text"],
        "attachments": message["attachments"],
        "entities": [[e["offset"], e["length"], e["url"]] for e in message["entities"]],
        "reply": [reply["id"], reply["seq"], reply["text"]] if reply else None,
        "forward": [forward["id"], forward["text"]] if forward else None,
        "ack_ref": button.get("ack_ref"),
        "payload": button.get("payload"),
        "source": button.get("source_message_id"),
        "ref": (document["source"] or {}).get("ref"),
    }


def compare(body: bytes, expected: list[dict[str, Any]]) -> None:
    documents = [to_wire(message) for message in parse(body, ACCOUNT)]
    assert len(documents) == len(expected)
    for document, theirs in zip(documents, expected, strict=True):
        theirs["event"] = KINDS[theirs["event"]]
        wanted = theirs.pop("attachments", [])
        got = {key: value for key, value in ours(document).items() if key in theirs}
        assert got == theirs
        mine = document["message"]["attachments"]
        assert [{key: m[key] for key in w} for w, m in zip(wanted, mine, strict=True)] == wanted


def test_the_oracle_reads_every_sample() -> None:
    assert len(UPDATES) >= 15
    assert oracle().keys() == {p.name for p in UPDATES}


@pytest.mark.parametrize("path", UPDATES, ids=lambda p: p.stem)
def test_we_agree_with_maxapi(path: Path) -> None:
    compare(path.read_bytes(), [dict(view) for view in oracle()[path.name]])


def test_we_agree_about_what_the_emulator_says(tmp_path: Path) -> None:
    """The emulator's updates are the platform's wire format to maxapi too: contact, markup, reply, edit, press."""
    emulator = MaxEmulator()
    bot = emulator.add_bot(TOKEN, BOT)
    emulator.press_start(BOT, USER, "utm_2gis_card")
    first = emulator.user_says(BOT, USER, "👍 цена", markup=[{"type": "strong", "from": 0, "length": 2}])
    emulator.edit(BOT, USER, first, "Цена?")
    emulator.replies(BOT, USER, "Да", first)
    emulator.shares_contact(BOT, USER, "79000001122")
    emulator.remove(BOT, USER, first)
    emulator.stop_bot(BOT, USER)
    body = json.dumps({"updates": [update for _, update in bot.history], "marker": 1}).encode()
    path = tmp_path / "emulated.json"
    path.write_bytes(body)
    compare(body, views([path])["emulated.json"])


async def test_maxapi_sends_through_the_emulator(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 32)
    async with MaxEmulator() as emulator:
        bot = emulator.add_bot(TOKEN, BOT)
        chat = emulator.press_start(BOT, USER)
        bot.presses["cb1"] = None
        for name in (*["slow"] * 3, "rate_limited", "blocked", "revoked"):
            emulator.faults.add(Fault(name, seconds=0.0), method="messages")
        arguments = (emulator.url, TOKEN, str(chat), "cb1", str(picture))
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(HERE / "max_client.py"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        seen = json.loads(out)
        shown = emulator.log.all
    assert (seen["me"], seen["answered"], seen["subscribed"], seen["removed"]) == (BOT, True, True, True)
    assert seen["ids"] == [item.message_id for item in shown[:2]]
    assert [item.text for item in shown] == ["Привет", "Ответ", "Файл"]
    assert (shown[0].buttons, shown[2].attachment) == (("Да", "Нет", "Сайт"), "photo")
    assert (seen["urls"], seen["marker"]) == (["https://shop.example/hook"], True)
    assert seen["errors"] == [[429, "too.many.requests"], [403, "chat.denied"], "invalid token"]

"""Independent clients speak to our emulators: what passes here is the platforms' wire format, not our own idea of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.vk import VkEmulator
from battcrm.devkit.emulators.whatsapp import WhatsAppEmulator

ROOT = Path(__file__).parents[2]
GROUP, PEER, KEY = 221004567, 612345987, "vk1.a.demoKey"
NUMBER, PHONE, TOKEN = "106540352242922", "79000009911", "EAAdemo"


PYTHON = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))


def test_the_oracles_are_installed() -> None:
    assert PYTHON.exists(), "no oracles' environment: run `make oracles`"


async def run(script: str, *arguments: str) -> dict[str, Any]:
    path = str(Path(__file__).parent / script)
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), path, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


async def test_pywa_sends_through_the_emulator() -> None:
    async with WhatsAppEmulator() as emulator:
        emulator.add_number(TOKEN, NUMBER, "secret")
        word = emulator.user_says(NUMBER, PHONE, "Здравствуйте")
        for name in (*["slow"] * 5, "rate_limited", "pair_limited", "revoked"):
            emulator.faults.add(Fault(name, seconds=0.0), method="messages", chat=PHONE)
        seen = await run("pywa_client.py", emulator.url, NUMBER, TOKEN, PHONE, word)
        shown = emulator.log.all
    assert seen["ids"] == [item.message_id for item in shown]
    assert [item.text for item in shown] == ["Привет", "Ставим?", "Выберите", "Сайт", "Вот"]
    assert shown[1].buttons == ("Да", "Нет")
    assert shown[2].buttons == tuple(f"Вариант {n}" for n in range(5))
    assert (shown[3].buttons, shown[4].attachment) == (("Открыть",), "photo")
    assert (seen["media"], seen["marks"]) == (["image/png", "16"], [True, True])
    assert [code for _, code in seen["errors"]] == [130429, 131056, 190, 190]


async def test_vkbottle_sends_through_the_emulator() -> None:
    async with VkEmulator() as emulator:
        community = emulator.add_community(KEY, GROUP)
        community.poll_events = frozenset({"message_new"})
        emulator.user_says(KEY, PEER, "Здравствуйте")
        for name in (*["slow"] * 7, "no_access", "revoked"):
            emulator.faults.add(Fault(name, seconds=0.0), method="messages.send")
        seen = await run("vkbottle_client.py", emulator.url, KEY, str(GROUP), str(PEER))
        shown = emulator.log.all
    assert seen["group"] == GROUP
    assert seen["first"] == seen["again"] == int(shown[0].message_id)
    assert seen["single"] == int(shown[1].message_id)
    assert shown[0].buttons == ("Да", "Нет", "Сайт")
    assert [item.attachment for item in shown[2:5]] == ["photo", "document", "voice"]
    assert (seen["text"], seen["poll"], seen["errors"]) == ("Привет", True, [914, 15, 5])

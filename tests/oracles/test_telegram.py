"""Our reading of Telegram against an independent implementation, field by field.

The oracle lives in an environment of its own (`requirements/oracles.lock` in `.venv-oracles`).
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from battcrm.models.unified import to_wire
from battcrm.transport.telegram.parse import parse
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "messengers" / "telegram"
UPDATES = sorted(p for p in SAMPLES.glob("*.json") if not p.name.startswith("api_"))
EVENTS = {
    "message": {"message", "start", "unsupported"},
    "edited_message": {"edit"},
    "callback_query": {"button"},
    "my_chat_member": {"stop", "allow"},
}


@cache
def oracle() -> dict[str, Any]:
    python = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))
    assert python.exists(), "no oracles' environment: run `make oracles`"
    script = Path(__file__).parent / "aiogram_view.py"
    done = subprocess.run(
        [str(python), str(script), *map(str, UPDATES)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    views: dict[str, Any] = json.loads(done.stdout)
    return views


def seconds(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None


def ours(document: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Our document in the oracle's words, as far as the oracle speaks of it."""
    sender, message = document["sender"], document["message"]
    attachments, button, reply = message["attachments"], document["button"] or {}, document["reply_to"]
    everything = {
        "id": message["id"],
        "text": message["text"],
        "entities": [{k: e[k] for k in ("type", "offset", "length")} for e in message["entities"]],
        "group_id": message["group_id"],
        "date": seconds(document["occurred_at"]),
        "reply": {"id": reply["id"], "text": reply["text"]} if reply else None,
        "attachment": attachments[0] if attachments else None,
        "payload": button.get("payload"),
        "ack_ref": button.get("ack_ref"),
        "source": button.get("source_message_id"),
        "sender": sender["id"],
        "name": sender["display_name"],
        "username": sender["username"],
        "locale": sender["locale"],
        "is_bot": sender["is_bot"],
        "chat": document["conversation"]["id"],
        "private": document["conversation"]["type"] == "private",
    }
    return {k: v for k, v in everything.items() if k in wanted}


def test_the_oracle_reads_every_sample() -> None:
    assert len(UPDATES) >= 12
    assert oracle().keys() == {p.name for p in UPDATES}


@pytest.mark.parametrize("path", UPDATES, ids=lambda p: p.stem)
def test_we_agree_with_aiogram(path: Path) -> None:
    expected = dict(oracle()[path.name])
    (message,) = parse(path.read_bytes())
    document = to_wire(message)
    assert document["kind"] in EVENTS[expected.pop("event")]
    if "status" in expected:
        assert document["kind"] == ("stop" if expected.pop("status") == "kicked" else "allow")
    got = ours(document, set(expected))
    attached = expected.pop("attachment", None)
    mine = got.pop("attachment", None)
    assert got == expected
    assert (mine is None) == (attached is None)
    if attached is not None:
        phone = attached.pop("phone", None)
        assert phone is None or mine["phones"] == [f"+{phone}"]
        assert {k: mine[k] for k in attached if attached[k] is not None} == {
            k: v for k, v in attached.items() if v is not None
        }

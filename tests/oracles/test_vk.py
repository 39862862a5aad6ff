"""Our reading of VK against an independent implementation, field by field (environment: see test_telegram.py)."""

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
from battcrm.transport.vk.parse import parse
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
EVENTS = sorted((ROOT / "tests" / "data" / "messengers" / "vk").glob("message_*.json"))
KINDS = {
    "message_new": {"message", "start", "button"},
    "message_event": {"button"},
    "message_allow": {"allow"},
    "message_deny": {"deny"},
    "message_read": {"status"},
    "message_typing_state": {"typing"},
}


@cache
def oracle() -> dict[str, Any]:
    python = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))
    assert python.exists(), "no oracles' environment: run `make oracles`"
    script = Path(__file__).parent / "vkbottle_view.py"
    done = subprocess.run(
        [str(python), str(script), *map(str, EVENTS)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    views: dict[str, Any] = json.loads(done.stdout)
    return views


def ours(document: dict[str, Any]) -> dict[str, Any]:
    """Our document in the oracle's words."""
    message, button = document["message"], document["button"] or {}
    source, status = document["source"] or {}, document["status"] or {}
    occurred = document["occurred_at"]
    return {
        "account": document["account_ref"],
        "id": message["id"],
        "seq": message["seq"],
        "chat": document["conversation"]["id"],
        "sender": document["sender"]["id"],
        "text": message["text"],
        "payload": button.get("payload"),
        "ack_ref": button.get("ack_ref"),
        "source": button.get("source_message_id"),
        "ref": source.get("ref"),
        "ref_source": source.get("ref_source"),
        "date": int(datetime.fromisoformat(occurred).timestamp()) if occurred else None,
        "truncated": message["truncated"],
        "up_to": status.get("up_to"),
        "attachments": message["attachments"],
    }


def test_the_oracle_reads_every_sample() -> None:
    assert len(EVENTS) >= 12
    assert oracle().keys() == {p.name for p in EVENTS}


@pytest.mark.parametrize("path", EVENTS, ids=lambda p: p.stem)
def test_we_agree_with_vkbottle(path: Path) -> None:
    expected = dict(oracle()[path.name])
    (message,) = parse(path.read_bytes(), None)
    document = to_wire(message)
    assert document["kind"] in KINDS[expected.pop("event")]
    got = {key: value for key, value in ours(document).items() if key in expected}
    theirs, mine = expected.pop("attachments", []), got.pop("attachments", [])
    assert got == expected
    assert [{key: item[key] for key in other} for item, other in zip(mine, theirs, strict=True)] == theirs

"""Our reading of WhatsApp against an independent implementation, field by field (environment: see test_telegram.py)."""

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
from battcrm.transport.whatsapp.parse import parse
from battcrm.transport.whatsapp.verify import sign
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "messengers" / "whatsapp"
UPDATES = sorted(p for p in SAMPLES.glob("*.json") if not p.name.startswith(("api_", "verify_")))
SECRET = "4pp5ecret"


def run(*arguments: str) -> Any:
    python = Path(os.environ.get("ORACLES_PYTHON", ROOT / ".venv-oracles" / "bin" / "python"))
    assert python.exists(), "no oracles' environment: run `make oracles`"
    script = Path(__file__).parent / "pywa_view.py"
    done = subprocess.run(
        [str(python), str(script), *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def oracle() -> dict[str, Any]:
    views: dict[str, Any] = run(*map(str, UPDATES))
    return views


def ours(document: dict[str, Any]) -> dict[str, Any]:
    """Our document in the oracle's words."""
    message, button, status = document["message"], document["button"] or {}, document["status"] or {}
    sender, advert = document["sender"], (document["source"] or {}).get("ad")
    reply = document["reply_to"]
    return {
        "event": document["kind"],
        "account": document["account_ref"],
        "date": int(datetime.fromisoformat(document["occurred_at"]).timestamp()),
        "wa_id": sender["alt_ids"][0] if sender["alt_ids"] else None,
        "user_id": document["conversation"]["id"],
        "name": sender["display_name"],
        "id": message["id"],
        "text": message["text"],
        "reply": reply["id"] if reply else None,
        "attachment": message["attachments"][0] if message["attachments"] else None,
        "forwarded": document["forwarded"] is not None,
        "ad": {key: advert[key] for key in ("id", "clid", "headline")} if advert else None,
        "payload": button.get("payload"),
        "title": button.get("title"),
        "source": button.get("source_message_id"),
        "message_id": status.get("message_id"),
        "state": status.get("state"),
        "client_ref": status.get("client_ref"),
    }


def test_the_oracle_reads_every_sample() -> None:
    assert len(UPDATES) >= 15
    assert oracle().keys() == {p.name for p in UPDATES}


@pytest.mark.parametrize("path", UPDATES, ids=lambda p: p.stem)
def test_we_agree_with_pywa(path: Path) -> None:
    expected = dict(oracle()[path.name])
    (message,) = parse(path.read_bytes(), None)
    document = to_wire(message)
    if expected["event"] == "status":
        # Who a status is about stands in its conversation; nobody wrote it.
        expected.pop("wa_id"), expected.pop("name")
    got = {key: value for key, value in ours(document).items() if key in expected}
    theirs, mine = expected.pop("attachment", None), got.pop("attachment", None)
    assert got == expected
    if theirs is not None:
        assert {key: mine[key] for key in theirs} == theirs
    else:
        assert mine is None or mine["kind"] == "unknown"


@pytest.mark.parametrize("forged", [False, True])
def test_we_sign_as_pywa_verifies(forged: bool) -> None:
    path = SAMPLES / "text.json"
    signature = sign(path.read_bytes(), SECRET + "x" if forged else SECRET)
    assert run("verify", str(path), signature) is not forged

"""The demonstration as a visitor runs it: every outcome right, also a second time on the same data."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.graph import GraphServer
from tests.support.waiting import PATIENCE

_ROOT = Path(__file__).parents[3]


async def _demo(environment: dict[str, str]) -> tuple[int, dict[str, Any], str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.patience", "demo", "--once", "--json"),
        cwd=_ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, shown = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert out, shown.decode()[-3000:]
    return process.returncode or 0, json.loads(out), shown.decode()


async def test_every_dialogue_comes_out_right_twice(
    clean_database: str, redis_url: str, graph: GraphServer, tmp_path: Path
) -> None:
    hidden = ("OPENAI_API_KEY", "TELEGRAM_BOT_TOKEN")
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | {
        "DATABASE_URL": clean_database,
        "REDIS_URL": redis_url,
        "NEO4J_URL": graph.url,
        "NEO4J_USER": graph.user,
        "NEO4J_PASSWORD": graph.password,
        "NEO4J_DATABASE": graph.database,
        "BATTCRM_SECRET_KEYS": base64.b64encode(b"k" * 32).decode(),
        "BATTCRM_HOME": str(tmp_path),
    }
    for _ in range(2):
        code, report, shown = await _demo(environment)
        wrong = {d["title"]: step["wrong"] for d in report["dialogues"] for step in d["steps"] if step["wrong"]}
        assert wrong == {}
        assert (code, report["right"]) == (0, len(report["dialogues"]))
        assert report["right"] >= 12
        assert "✗" not in shown
    connection = await asyncpg.connect(clean_database)
    try:
        tenants = await connection.fetchval("SELECT count(*) FROM tenant")
        repairs = await connection.fetchval("SELECT count(*) FROM repair_record")
        twice = await connection.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE author = 'bot' AND state = 'sent'"
            " GROUP BY dialog_id, covered_seq, part HAVING count(*) > 1) x"
        )
    finally:
        await connection.close()
    assert (tenants, repairs, twice) == (1, 2000, 0)

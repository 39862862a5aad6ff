"""One phase of a comparison: a load on a world that stands already, drained and counted by itself."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from battcrm.devkit.bench import accounting, plan
from battcrm.devkit.bench.runner import received_log
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.ids import uuid7_floor

Progress = Callable[[str, float], None]
_SETTLED: Final = """
SELECT (SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL)
     + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
"""
# As accounting.read_tables reads them, but only what is younger than the phase: the database may hold millions of others.
_MESSAGES: Final = """
SELECT ch.account_ref AS bot, d.external_chat_id AS chat, m.external_id AS message, m.dialog_id, m.seq, m.received_at
FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE m.direction = 'in' AND m.message_id >= $1
"""
_TURNS: Final = """
SELECT dialog_id, turn_id, state, from_seq, to_seq, started_at, finished_at, timings FROM turn
WHERE tenant_id IS NOT NULL AND state IN ('posted', 'silent') AND started_at >= $1 ORDER BY to_seq
"""
_OUTGOING: Final = """
SELECT o.turn_id, o.dialog_id, o.seq, o.covered_seq, o.part, o.state, o.sending_at, ch.account_ref AS bot,
       d.external_chat_id AS chat, m.external_id AS message, o.payload->>'text' AS text
FROM outgoing o JOIN dialog d ON d.tenant_id = o.tenant_id AND d.dialog_id = o.dialog_id
JOIN channel ch ON ch.tenant_id = o.tenant_id AND ch.channel_id = o.channel_id
JOIN message m ON m.tenant_id = o.tenant_id AND m.message_id = o.message_id
WHERE o.tenant_id IS NOT NULL AND o.created_at >= $1 ORDER BY o.seq
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What a phase left; `verdict` counts all of it, or the calls that are asked for."""

    bench: Bench
    calls: Sequence[plan.Call]
    log: Sequence[Sequence[float | int]]
    received: Mapping[accounting.Chat, Sequence[Mapping[str, Any]]]
    tables: tuple[list[Any], list[Any], list[Any]]

    def verdict(self, chosen: Callable[[plan.Call], bool] = lambda _call: True) -> accounting.Verdict:
        """PROTOCOL K for the calls that were chosen."""
        rows = [row for row in self.log if chosen(self.calls[int(row[0])])]
        return accounting.judge(accounting.Evidence(self.calls, self.bench.shops, rows, self.received, *self.tables))


async def play(bench: Bench, pool: Pool, folder: Path, calls: Sequence[plan.Call], *, drain: float = 60.0) -> Played:
    """Send the calls at their moments, wait at most `drain` seconds until nothing is under way, and gather."""
    plan.save(list(calls), folder / "plan.json")
    (folder / "hooks.json").write_bytes(orjson.dumps([(shop.hook, SECRET) for shop in bench.shops]))
    files = [str(folder / name) for name in ("plan.json", "hooks.json", "sent.json")]
    since = SystemClock().now()
    generator = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "battcrm.devkit.bench.generator",
        *files[:2],
        bench.gateway_url,
        repr(time.monotonic() + 1.0),
        files[2],
    )
    await generator.wait()
    until = time.monotonic() + drain
    while await pool.fetchval(_SETTLED) and time.monotonic() < until:  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.2)
    return await _gather(bench, pool, folder, calls, since)


async def _gather(bench: Bench, pool: Pool, folder: Path, calls: Sequence[plan.Call], since: datetime) -> Played:
    log = orjson.loads(await asyncio.to_thread((folder / "sent.json").read_bytes))
    chats = {(str(bench.shops[c.tenant].bot_id), str(c.chat)) for c in calls}
    messages = await pool.fetch(_MESSAGES, uuid7_floor(since))
    turns = await pool.fetch(_TURNS, since, timeout=120)
    outgoing = [row for row in await pool.fetch(_OUTGOING, since, timeout=120) if (row["bot"], row["chat"]) in chats]
    shown = {chat: items for chat, items in (await received_log(bench.telegram_url)).items() if chat in chats}
    return Played(bench, calls, log, shown, (list(messages), list(turns), outgoing))

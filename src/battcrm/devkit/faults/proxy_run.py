"""Playing cases of the fault table and keeping account of each (PROTOCOL K)."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from battcrm.devkit.bench import accounting
from battcrm.devkit.bench.plan import Call
from battcrm.devkit.bench.runner import received_log
from battcrm.devkit.faults import proxy_load
from battcrm.devkit.faults.proxy_cases import Case
from battcrm.devkit.faults.proxy_stage import Stage, stage
from battcrm.graph.follow import CONSUMER, EVENT_TYPES
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.kit.errors import Permanent

# After so many seconds of draining, time passes for claims whose holder lost them with its connection: leases are long.
_PATIENCE: Final = 8.0
_LONGEST: Final = 150.0
# No send lasts longer than its time-out: one that is older was cut off from its worker.
_SEND: Final = timedelta(seconds=25)
_WAITING: Final = """
SELECT (SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL)
     + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outbox WHERE published_at IS NULL AND tenant_id IS NOT NULL)
"""
_EFFECTS: Final = """
SELECT count(*) FROM outbox o WHERE o.type = ANY($1) AND NOT EXISTS (
  SELECT 1 FROM processed p WHERE p.consumer = $2 AND p.event_id = o.event_id AND p.tenant_id = o.tenant_id)
"""
_TURNS_GO_ON: Final = "UPDATE client_work SET lease_until = $1 WHERE lease_until > $1 AND tenant_id IS NOT NULL"
_SENDS_GO_ON: Final = """
UPDATE outgoing SET lease_until = $1
WHERE lease_until > $1 AND (state = 'pending' OR sending_at < $2) AND tenant_id IS NOT NULL
"""
WITH_GRAPH: Final = frozenset({"postgres", "redis", "graph", "disk"})
_DEAD: Final = "SELECT count(*) FROM dead_letter WHERE tenant_id IS NOT NULL"
_BURIED: Final = 30.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `effects` are events whose effect on the graph is missing."""

    case: str
    group: str
    injected: str
    accepted: int
    refused: int
    covered: int
    lost: int
    duplicated: int
    unknown: int
    doubt: int
    effects: int
    dead: int
    dead_expected: int
    waiting: int
    drain_s: float
    examples: Sequence[str] = ()

    @property
    def right(self) -> bool:
        """Nothing lost, nothing twice, nothing left, and no more unknown than were in the air."""
        whole = self.lost == self.duplicated == self.effects == self.waiting == 0
        return whole and self.unknown <= self.doubt and self.dead == self.dead_expected and self.accepted > 0


async def play(cases: Sequence[Case], *, graph: bool = True) -> AsyncIterator[Row]:
    """Play cases one after the other on one stage; a row for each as it is done. Without `graph` no effect is counted."""
    with tempfile.TemporaryDirectory(prefix="battcrm-faults-") as folder:
        # The graph is slow to start, and its consumer is what Redis, PostgreSQL and the graph itself can hurt.
        wanted = graph and any(case.group in WITH_GRAPH for case in cases)
        async with stage(Path(folder), graph=wanted) as ready:
            for number, case in enumerate(cases, 1):
                yield await _play(ready, case, number)


async def _play(ready: Stage, case: Case, number: int) -> Row:
    ready.doubt = 0
    before: int = await ready.pool.fetchval(_DEAD)
    calls = proxy_load.calls_of(case.load, number, len(ready.bench.shops))
    generator = await proxy_load.start(ready.bench, calls, ready.folder)
    await asyncio.sleep(2.0)
    await case.act(ready)
    await ready.heal()
    await generator.wait()
    await _alive(ready)
    waiting, effects, drained = await _drain(ready)
    verdict = await _judge(ready, calls)
    dead = await _buried(ready, before + case.dead)
    await ready.heal()
    return Row(
        case.name,
        case.group,
        case.injected,
        verdict.accepted,
        verdict.refused,
        verdict.covered,
        verdict.lost,
        verdict.duplicated,
        verdict.unknown,
        ready.doubt,
        effects,
        dead - before,
        case.dead,
        waiting,
        round(drained, 1),
        tuple(verdict.lost_examples),
    )


async def _alive(ready: Stage) -> None:
    """A process of ours that ended by itself did not survive the fault."""
    ended = [name for name in ("gateway", "worker") if ready.bench.processes[name].returncode is not None]
    for name in ended:
        log = await asyncio.to_thread((ready.folder / f"{name}.log").read_text, "utf-8", "replace")
        raise Permanent(f"ended by itself: {name}, whose log ends with:\n{log[-3000:]}")


async def _drain(ready: Stage) -> tuple[int, int, float]:
    """(rows that wait, effects that are missing, seconds) once nothing moves any more, or time is up."""
    began = time.monotonic()
    waiting = effects = -1
    while (spent := time.monotonic() - began) < _LONGEST:
        try:
            waiting = await ready.pool.fetchval(_WAITING)
            followed = list(EVENT_TYPES) if "graph" in ready.proxies else []
            effects = await ready.pool.fetchval(_EFFECTS, followed, CONSUMER)
            if waiting == effects == 0:
                break
            if spent > _PATIENCE:
                now = ready.clock.now()
                await ready.pool.execute(_TURNS_GO_ON, now)
                await ready.pool.execute(_SENDS_GO_ON, now, now - _SEND)
        except UNAVAILABLE:
            pass
        await asyncio.sleep(0.5)
    return waiting, effects, time.monotonic() - began


async def _buried(ready: Stage, expected: int) -> int:
    """Dead letters, once there are as many as expected or enough time has passed."""
    until = time.monotonic() + _BURIED
    while (found := await ready.pool.fetchval(_DEAD)) < expected and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return int(found)


async def _judge(ready: Stage, calls: Sequence[Call]) -> accounting.Verdict:
    """The verdict on this case's chats alone."""
    log = orjson.loads(await asyncio.to_thread((ready.folder / "sent.json").read_bytes))
    chats = {(str(ready.bench.shops[c.tenant].bot_id), str(c.chat)) for c in calls}
    shown = await received_log(ready.bench.telegram_url)
    messages, turns, outgoing = await accounting.read_tables(ready.pool)
    mine: list[Any] = [row for row in outgoing if (row["bot"], row["chat"]) in chats]
    received = {chat: items for chat, items in shown.items() if chat in chats}
    return accounting.judge(accounting.Evidence(calls, ready.bench.shops, log, received, messages, turns, mine))

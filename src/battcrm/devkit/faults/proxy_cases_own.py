"""The cases of the fault table that come from our own processes, from what customers do and from other people's servers'
manners."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

from battcrm.devkit.faults.proxy_cases import Act, Case
from battcrm.devkit.faults.proxy_load import Load
from battcrm.devkit.faults.proxy_stage import Stage, seconds
from battcrm.kit.ids import IdFactory, bucket_of

_POISON: Final = """
INSERT INTO inbox (tenant_id, bucket, channel_id, event_id, raw_id, payload, received_at, ready_at)
VALUES ($1, $2, $3, $4, $4, $5, $6, $6)
"""
_PROCESSES, _LOADS, _MANNERS = "processes", "load", "manners"


def _killed(*names: str) -> Act:
    async def act(stage: Stage) -> None:
        for name in names:
            await stage.restart(name)
            await seconds(1.0)

    return act


def _stopped(name: str, lasts: float) -> Act:
    """SIGSTOP and SIGCONT: a host that swaps, a container that is throttled."""

    async def act(stage: Stage) -> None:
        process = stage.bench.processes[name]
        await stage.note_doubt()
        process.send_signal(signal.SIGSTOP)
        try:
            await seconds(lasts)
        finally:
            process.send_signal(signal.SIGCONT)

    return act


async def _second_worker(stage: Stage) -> None:
    """Another process takes its part of the work, and is killed in the middle of it."""
    stage.bench.processes["second"] = stage.bench.processes["worker"]
    await stage.start("worker")
    await seconds(4.0)
    first, second = stage.bench.processes.pop("second"), stage.bench.processes["worker"]
    await stage.note_doubt()
    first.kill()
    await first.wait()
    await stage.note_doubt()
    if second.returncode is not None:
        await stage.start("worker")


async def _nothing(stage: Stage) -> None:
    """The load itself is the fault."""


async def _poison(stage: Stage) -> None:
    ids = IdFactory(stage.clock)
    for shop in stage.bench.shops[:3]:
        tenant = shop.tenant_id
        key, now = ids.new(), stage.clock.now()
        await stage.pool.execute(_POISON, tenant, bucket_of(tenant), shop.channel_id, key, b"\xff\x00no message", now)
    await seconds(1.0)


def _accounts(stage: Stage, count: int) -> Sequence[str]:
    return [str(shop.bot_id) for shop in stage.bench.shops[:count]]


async def _dead_channel(stage: Stage) -> None:
    """One account answers after eight seconds; its chats wait, the other accounts' do not."""
    for account in _accounts(stage, 1):
        await stage.messenger_fault(kind="slow", seconds=8.0, account=account, times=4)


async def _throttled(stage: Stage) -> None:
    for account in _accounts(stage, 10):
        await stage.messenger_fault(kind="rate_limited", seconds=2.0, account=account, times=2)


async def _bad_gateway(stage: Stage) -> None:
    """The platform answers 502: nobody can know whether it took the message."""
    await stage.messenger_fault(kind="server_error", status=502, times=8)
    stage.doubt += 8


async def _cut_after_taking(stage: Stage) -> None:
    await stage.messenger_fault(kind="lost_answer", times=8)
    stage.doubt += 8


async def _model_fails(stage: Stage) -> None:
    await stage.model_fault(kind="server_error", status=500, times=15)


async def _model_babbles(stage: Stage) -> None:
    await stage.model_fault(kind="not_json", times=15)


async def _model_throttles(stage: Stage) -> None:
    await stage.model_fault(kind="rate_limited", seconds=2.0, times=15)


CASES: Final = (
    Case("worker killed", _PROCESSES, "kill -9 of all roles but the gateway, twice", _killed("worker", "worker")),
    Case("gateway killed", _PROCESSES, "kill -9, twice", _killed("gateway", "gateway")),
    Case("everything killed", _PROCESSES, "kill -9 of worker and gateway", _killed("worker", "gateway")),
    Case("worker frozen", _PROCESSES, "SIGSTOP for 5 s", _stopped("worker", 5.0)),
    Case("gateway frozen", _PROCESSES, "SIGSTOP for 3 s", _stopped("gateway", 3.0)),
    Case("one of two workers killed", _PROCESSES, "kill -9 while both work", _second_worker),
    Case("tenant flood", _LOADS, "one tenant sends 20 times its share", _nothing, Load(flood=20.0)),
    Case("duplicate deliveries", _LOADS, "every webhook three times within 2 s", _nothing, Load(copies=3)),
    Case("reordered deliveries", _LOADS, "every webhook up to 2 s late", _nothing, Load(shuffle=2.0)),
    Case("burst", _LOADS, "120 messages within 1.5 s", _nothing, Load(rate=80.0, seconds=1.5)),
    Case("poison", _LOADS, "three inbox rows that cannot be read", _poison, dead=3),
    Case("dead channel", _MANNERS, "an account answers after 8 s, 4 times", _dead_channel),
    Case("messenger throttles", _MANNERS, "429 for ten accounts, twice each", _throttled),
    Case("messenger answers 502", _MANNERS, "8 calls", _bad_gateway),
    Case("messenger cuts after taking", _MANNERS, "8 calls", _cut_after_taking),
    Case("model fails", _MANNERS, "15 calls with 500", _model_fails),
    Case("model babbles", _MANNERS, "15 answers that are no JSON", _model_babbles),
    Case("model throttles", _MANNERS, "15 calls with 429", _model_throttles),
)

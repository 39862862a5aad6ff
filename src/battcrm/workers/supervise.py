"""Running roles in one process: signals, draining, upkeep, the watchdog."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog

from battcrm.infra import backlog, monitor
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import UNAVAILABLE, Pool, follow_database_clock, open_pool
from battcrm.infra.telemetry import Watchdog, configure_logging
from battcrm.infra.tracing import TRACING
from battcrm.kit.errors import Invalid
from battcrm.settings import Settings
from battcrm.workers.runtime import Runtime, connect

log = structlog.get_logger(__name__)
Role = Callable[[Runtime], Awaitable[None]]

ROLES: Final = {
    "gateway": "battcrm.workers.gateway",
    "processor": "battcrm.workers.processor",
    "ai-worker": "battcrm.workers.ai_worker",
    "out-worker": "battcrm.workers.out_worker",
    "relay": "battcrm.workers.relay",
    "event-processor": "battcrm.workers.event_processor",
    "poller": "battcrm.workers.poller",
    "caretaker": "battcrm.workers.caretaker",
}
ALL: Final = tuple(ROLES)
_SEEN_KEPT: Final = timedelta(days=30)
_PATIENCE: Final = 20.0
_FORGET: Final = """
DELETE FROM seen WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM seen WHERE seen_at < $1 LIMIT $2)) /* all tenants: age alone decides */
"""
# What the bridge to another system has read out of its tasks; whoever sets no age keeps it.
_FORGET_RESULTS: Final = """
DELETE FROM ai_extraction_result WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM ai_extraction_result WHERE finished_at < $1 LIMIT $2)) /* all tenants: age alone decides */
"""
_FORGET_SHADOW: Final = """
DELETE FROM ai_extraction_shadow WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM ai_extraction_shadow WHERE finished_at < $1 LIMIT $2)) /* all tenants: age alone decides */
"""


def parse_roles(text: str) -> tuple[str, ...]:
    """`all`, one role or several separated by commas. Invalid names the unknown one."""
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    if wanted == ("all",):
        return ALL
    for name in wanted:
        if name not in ROLES:
            raise Invalid(f"unknown role {name!r}", field="role", remedy=f"use all, or some of: {', '.join(ALL)}")
    return wanted


def role(name: str) -> Role:
    """The role's run(); its modules are imported only now."""
    run: Role = importlib.import_module(ROLES[name]).run
    return run


async def run_roles(
    names: Sequence[str],
    settings: Settings,
    *,
    ready: asyncio.Event | None = None,
    others: Mapping[str, Role] | None = None,
) -> None:
    """Run roles until SIGTERM or SIGINT; they finish what they hold. A second signal ends the process at once.

    `others`: roles of the caller's own making that `names` may name.
    """
    configure_logging(settings.log_level, settings.log_format, ",".join(names))
    stop = asyncio.Event()
    _handle_signals(stop)
    async with connect(settings, name="battcrm-" + "+".join(names)[:40], minimum=2, patience=_PATIENCE) as runtime:
        log.info("roles.started", roles=list(names))
        if ready is not None:
            ready.set()
        with (
            monitor.serving(settings.metrics_host, settings.metrics_port, lambda: monitor.ready(runtime.pool)),
            _traced(settings, names),
        ):
            await run_until(stop, runtime, names, others)
        log.info("roles.stopped", roles=list(names))


@contextmanager
def _traced(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    if settings.traces is not None:
        TRACING.start(settings.traces, role="+".join(names), share=settings.trace_share)
    try:
        yield
    finally:
        TRACING.stop()


async def run_until(
    stop: asyncio.Event, runtime: Runtime, names: Sequence[str], others: Mapping[str, Role] | None = None
) -> None:
    """Run roles on an open runtime until `stop` is set or one of them fails."""
    known = others or {}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(runtime.wakeups.run(), name="wakeups")]
        tasks.append(group.create_task(Watchdog().run(), name="watchdog"))
        tasks.append(group.create_task(_upkeep(runtime), name="upkeep"))
        exported = backlog.export(runtime.pool, runtime.clock, names, runtime.buckets)
        tasks.append(group.create_task(exported, name="backlog"))
        tasks += [group.create_task(_call(known.get(name) or role(name), runtime), name=name) for name in names]
        await stop.wait()
        for task in reversed(tasks):
            task.cancel()


async def _call(run: Role, runtime: Runtime) -> None:
    await run(runtime)


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


async def _upkeep(runtime: Runtime) -> None:
    """The clock every 30 s; partitions and what is past its age once an hour."""
    hourly = 0.0
    while True:
        try:
            if runtime.clock.monotonic() >= hourly:
                await _hourly(runtime)
                hourly = runtime.clock.monotonic() + 3600
            await asyncio.sleep(30)
            await follow_database_clock(runtime.clock, runtime.pool)
        except UNAVAILABLE as error:
            log.warning("upkeep.database", error=type(error).__name__)
            await asyncio.sleep(5)


async def _hourly(runtime: Runtime) -> None:
    owner = await open_pool(runtime.endpoints.owner_url, maximum=1, name="battcrm-upkeep")
    try:
        made = await maintain(owner, runtime.clock.now())
        await forget(owner, runtime.clock.now(), runtime.settings.queue_results_days)
    finally:
        await owner.close()
    if made:
        log.info("partitions.maintained", changes=made)


async def forget(pool: Pool, now: datetime, results_days: int | None, *, page: int = 20_000) -> dict[str, int]:
    """Delete what is past its age, in pages of a short transaction each, to the end; how many rows of each table."""
    doomed = [("seen", _FORGET, _SEEN_KEPT)]
    if results_days is not None:
        age = timedelta(days=results_days)
        doomed += [("ai_extraction_result", _FORGET_RESULTS, age), ("ai_extraction_shadow", _FORGET_SHADOW, age)]
    gone = {}
    for table, statement, age in doomed:
        gone[table] = 0
        while count := int((await pool.execute(statement, now - age, page)).rpartition(" ")[2]):
            gone[table] += count
    if any(gone.values()):
        log.info("upkeep.forgotten", **gone)
    return gone

"""`battcrm demo`: servers and imports at the same time, then the performance.

Only light modules are imported here: what takes seconds to load does so while the servers start.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import psutil
from rich.console import Console

from battcrm.infra import embedded
from battcrm.infra.embedded.process import free_port, port_is_free
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError, Permanent
from battcrm.settings import Settings, load_settings

_HEAVY: Final = ("battcrm.devkit.demo.performance", "battcrm.workers.gateway", "battcrm.workers.ai_worker")


class SinceStart:
    """Seconds since the operating system started this process, imports included."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._started = psutil.Process().create_time()

    def seconds(self) -> float:
        """Until now."""
        return max(0.0, self._clock.now().timestamp() - self._started)


def run(*, once: bool, as_json: bool) -> int:
    """Play, show, then serve until Ctrl-C (or end at once). 0 when every outcome is right, 1 otherwise."""
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(once=once, as_json=as_json))
    except ImportError:
        return asyncio.run(_run(once=once, as_json=as_json))


async def _run(*, once: bool, as_json: bool) -> int:
    began = SinceStart()
    settings = demo_settings(once=once)
    console = Console(stderr=as_json, highlight=False)
    stop = _stop_on_signals()
    try:
        async with AsyncExitStack() as stack:
            await _prepare(settings, console, stack)
            from battcrm.devkit.demo.performance import perform
            from battcrm.infra.telemetry import configure_logging

            configure_logging("warning", "text", "demo")
            return await perform(settings, console, stop, began, once=once, as_json=as_json)
    except BaseExceptionGroup as group:
        expected = group.subgroup(BattError)
        if expected is None:
            raise
        raise _first(expected) from group


async def _prepare(settings: Settings, console: Console, stack: AsyncExitStack) -> None:
    """Servers that no URL replaces; meanwhile the imports."""
    with console.status("запуск") as status:
        async with asyncio.TaskGroup() as group:
            group.create_task(_servers(settings, status.update, stack))
            group.create_task(asyncio.to_thread(_load))


async def _servers(settings: Settings, say: Callable[[str], None], stack: AsyncExitStack) -> None:
    if settings.embedded:
        running = await embedded.start(
            settings.home, which=settings.embedded, on_progress=lambda name, state: say(f"{name}: {state}")
        )
        stack.push_async_callback(running.stop)


def _load() -> None:
    from importlib import import_module

    for name in _HEAVY:
        import_module(name)


def _first(group: BaseExceptionGroup[BattError]) -> BattError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, BattError) else Permanent(str(found))


def demo_settings(*, once: bool) -> Settings:
    """Settings from the environment, with a gateway port that is free. A real bot needs somebody who stays."""
    settings = load_settings()
    wanted = settings.gateway_port
    free = wanted if wanted and port_is_free(wanted, settings.gateway_host) else free_port()
    changes: dict[str, object] = {"gateway_port": free}
    if once:
        changes["telegram_bot_token"] = None
    return settings.model_copy(update=changes)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop

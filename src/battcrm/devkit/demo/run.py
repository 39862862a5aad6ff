"""`battcrm demo`: the whole system on sample dialogues, then open for visitors."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sys
from typing import Any, Final

from rich.console import Console

from battcrm.devkit.demo.guests import Guest, TelegramGuest, WebGuest
from battcrm.devkit.demo.play import Player, Result
from battcrm.devkit.demo.script import Dialogue, load_dialogues
from battcrm.devkit.demo.show import show_addresses, show_end, show_result
from battcrm.devkit.demo.world import World, demo_settings, world
from battcrm.infra.telemetry import configure_logging
from battcrm.kit.clock import SystemClock
from battcrm.services.operator import Operators

_CHATS: Final = 1000


def run(*, once: bool, as_json: bool) -> int:
    """Play, show, then serve until Ctrl-C (or end at once). 0 when every outcome is right, 1 otherwise."""
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(once=once, as_json=as_json))
    except ImportError:
        return asyncio.run(_run(once=once, as_json=as_json))


async def _run(*, once: bool, as_json: bool) -> int:
    clock = SystemClock()
    began = clock.monotonic()
    console = Console(stderr=as_json, highlight=False)
    settings = demo_settings()
    configure_logging("warning", "text", "demo")
    stop = _stop_on_signals()
    with console.status("запуск") as status:
        async with world(settings, lambda name, state: status.update(f"{name}: {state}")) as opened:
            ready = clock.monotonic() - began
            status.update("диалоги")
            results, first = await _perform(opened, console, stop)
            first_answer = ready + first
            status.stop()
            right = len(results) > 0 and all(result.right for result in results) and not stop.is_set()
            if as_json:
                _print_json(results, ready, first_answer)
            show_end(console, results, first_answer, ready)
            if not once and not stop.is_set():
                show_addresses(console, opened)
                await stop.wait()
    return 0 if right or not once else 1


async def _perform(opened: World, console: Console, stop: asyncio.Event) -> tuple[list[Result], float]:
    """All dialogues at the same time, as in a shop; shown in order. Returns seconds to the first answer, too."""
    clock = opened.runtime.clock
    results: list[Result] = []
    first = 0.0
    base = int(clock.now().timestamp()) * _CHATS
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_play(opened, dialogue, base + place)) for place, dialogue in enumerate(load_dialogues())
        ]
        stopping = group.create_task(stop.wait())
        for number, task in enumerate(tasks, 1):
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                break
            result = task.result()
            results.append(result)
            show_result(console, number, result)
        for pending in (*tasks, stopping):
            pending.cancel()
    answered = [p.seconds for r in results for p in r.played[:1] if p.replies]
    first = min(answered, default=0.0)
    return results, first


async def _play(opened: World, dialogue: Dialogue, chat: int) -> Result:
    runtime, shop = opened.runtime, opened.shop
    operators = Operators(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)
    guest: Guest
    if dialogue.channel == "telegram":
        channel = shop.telegram.account.channel_id
        guest = TelegramGuest(opened.telegram, opened.bot_token, chat, dialogue.client)
    else:
        channel = shop.webchat.account.channel_id
        guest = WebGuest(opened.http, opened.chat_url, dialogue.client, runtime.ids)
        await guest.enter()
    player = Player(runtime.pool, runtime.clock, operators, shop.tenant_id, channel)
    return await player.play(dialogue, guest)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _print_json(results: list[Result], ready: float, first_answer: float) -> None:
    document: dict[str, Any] = {
        "right": sum(result.right for result in results),
        "dialogues": [_plain(result) for result in results],
        "ready_seconds": round(ready, 2),
        "first_answer_seconds": round(first_answer, 2),
    }
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")


def _plain(result: Result) -> dict[str, Any]:
    return {
        "title": result.dialogue.title,
        "right": result.right,
        "steps": [
            {
                "act": played.step.model_dump(exclude_defaults=True, exclude={"expect"}),
                "seconds": round(played.seconds, 2),
                "turns": [dataclasses.asdict(turn) for turn in played.turns],
                "replies": [dataclasses.asdict(reply) for reply in played.replies],
                "wrong": list(played.wrong),
            }
            for played in result.played
        ],
    }

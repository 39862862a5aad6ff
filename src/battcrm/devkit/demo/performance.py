"""The performance: sample dialogues at the same time, each shown as it comes out, then open doors."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from typing import Any, Final, Protocol

from rich.console import Console

from battcrm.devkit.demo.guests import Guest, TelegramGuest, WebGuest
from battcrm.devkit.demo.play import Player, Result
from battcrm.devkit.demo.script import Dialogue, load_dialogues
from battcrm.devkit.demo.show import show_addresses, show_end, show_result
from battcrm.devkit.demo.world import World, world
from battcrm.services.operator import Operators
from battcrm.settings import Settings

_CHATS: Final = 1000


class Began(Protocol):
    """When it all started."""

    def seconds(self) -> float:
        """Seconds since the program was started."""
        ...


async def perform(
    settings: Settings, console: Console, stop: asyncio.Event, begun: Began, *, once: bool, as_json: bool
) -> int:
    """Play, show, then serve until `stop` (or end at once). 0 when every outcome is right, 1 otherwise."""
    with console.status("запуск") as status:
        async with world(settings, lambda name, state: status.update(f"{name}: {state}")) as opened:
            ready = begun.seconds()
            status.update("диалоги")
            results, first = await _perform(opened, console, stop)
            status.stop()
            right = len(results) > 0 and all(result.right for result in results) and not stop.is_set()
            if as_json:
                _print_json(results, ready, ready + first)
            show_end(console, results, ready + first, ready)
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

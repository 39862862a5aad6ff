"""The platforms' process: five emulators in one, the people who write, the errors and the outages of a plan.

`python -m battcrm.devkit.bench.channels_platforms PLAN TENANTS EVIDENCE`. It speaks JSON lines: out come the addresses and
accounts; in comes `{"start", "gateway", "webchat"}`; out comes `{"played"}` when the last word is said; after any further
line it writes what happened to EVIDENCE and ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from battcrm.devkit.bench.channels_chaos import Chaos
from battcrm.devkit.bench.channels_plan import Outage, Plan, Saying, plan_of
from battcrm.devkit.bench.channels_sides import Side, account_of, shown, sides
from battcrm.devkit.bench.channels_visitors import Visitors
from battcrm.kit.text import dumps, loads


class Play:
    """One performance of a plan. `said` = what each saying became; `dark` = the outages as they really were."""

    def __init__(self, plan: Plan, platforms: dict[str, Side], visitors: Visitors) -> None:
        self._plan, self._sides, self._visitors = plan, platforms, visitors
        self.said: list[dict[str, Any]] = []
        self.dark: list[dict[str, Any]] = []
        self.chaos = {kind: Chaos(side, plan.seed, plan.errors) for kind, side in platforms.items()}
        for kind, side in platforms.items():
            side.emulator.faults = self.chaos[kind]

    async def run(self, start: float) -> None:
        """Say everything at its moment and take platforms away at theirs."""
        async with asyncio.TaskGroup() as group:
            for outage in self._plan.outages:
                group.create_task(self._away(outage, start))
            for saying in self._plan.sayings:
                await _until(start + saying.at)
                group.create_task(self._say(saying, start + saying.at))

    async def _say(self, saying: Saying, scheduled: float) -> None:
        if saying.kind in self._sides:
            self.chaos[saying.kind].next_twice(saying.duplicate)
            side = self._sides[saying.kind]
            account = str(account_of(saying.kind, saying.tenant))
            chat, message = side.say(saying.tenant, saying.person, saying.text)
        else:
            account = ""
            talk: Awaitable[tuple[str, str]] = self._visitors.say(
                saying.tenant, saying.person, saying.text, twice=saying.duplicate
            )
            chat, message = await talk
        self.said.append(
            {"kind": saying.kind, "account": account, "chat": chat, "message": message, "scheduled": scheduled}
        )

    async def _away(self, outage: Outage, start: float) -> None:
        emulator = self._sides[outage.kind].emulator
        await _until(start + outage.begin)
        begin = time.monotonic()
        await emulator.go_dark()
        await _until(start + outage.end)
        await emulator.come_back()
        self.dark.append({"kind": outage.kind, "begin": begin, "end": time.monotonic()})

    async def evidence(self) -> dict[str, Any]:
        """Everything the verdict is made from, on this machine's monotonic clock."""
        received = [
            {"kind": kind, "account": i.account, "chat": i.chat, "message_id": i.message_id, "text": i.text, "at": i.at}
            for kind, side in self._sides.items()
            for i in shown(side)
        ]
        received += [{"kind": "webchat", "account": ""} | item for item in await self._visitors.shown()]
        queues = [queue for side in self._sides.values() for queue in side.queues()]
        return {
            "said": self.said,
            "received": received,
            "faults": [{"kind": kind} | item for kind, chaos in self.chaos.items() for item in chaos.happened],
            "dark": self.dark,
            "undelivered": sum(queue.pending + len(queue.dropped) for queue in queues),
            "webhooks": sum(len(queue.delivered) for queue in queues),
            "repeated": sum(d.attempts - 1 for queue in queues for d in queue.delivered),
            "ack_ms": [d.took * 1000 for queue in queues for d in queue.delivered] + self._visitors.ack_ms,
            "typing": {kind: side.typing() for kind, side in self._sides.items()},
            "turned_away": self._visitors.refused,
        }


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _tell(document: Any) -> None:
    sys.stdout.write(dumps(document).decode() + "\n")
    sys.stdout.flush()


async def _serve(plan: Plan, tenants: int, target: Path) -> None:
    orders = await _lines()
    async with AsyncExitStack() as stack:
        platforms = sides()
        for side in platforms.values():
            await stack.enter_async_context(side.emulator)
        _tell({kind: [_joining(side, tenant) for tenant in range(tenants)] for kind, side in platforms.items()})
        order = loads(await orders.readline())
        visitors = await stack.enter_async_context(Visitors(order["gateway"], order["webchat"]))
        play = Play(plan, platforms, visitors)
        await play.run(order["start"])
        _tell({"played": len(play.said)})
        await orders.readline()
        await asyncio.to_thread(target.write_bytes, dumps(await play.evidence()))


def _joining(side: Side, tenant: int) -> dict[str, Any]:
    given = side.register(tenant)
    settings = {"base_url": side.emulator.url, **given.settings}
    return {"account_ref": given.account_ref, "secrets": dict(given.secrets), "settings": settings}


def main() -> None:
    """Run until told to end."""
    plan, tenants, evidence = sys.argv[1:4]
    work = _serve(plan_of(loads(Path(plan).read_bytes())), int(tenants), Path(evidence))
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()

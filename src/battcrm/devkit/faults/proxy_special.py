"""Groups of the fault table that need a stage of their own: a full disk, and a clock that moves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from battcrm.devkit.faults.bench import Bench, bench
from battcrm.devkit.faults.ledger import Ledger, settle_accounts, update
from battcrm.devkit.faults.proxy_cases import Case
from battcrm.devkit.faults.proxy_run import Row, play
from battcrm.devkit.faults.proxy_stage import Stage, seconds
from battcrm.infra import embedded
from battcrm.infra.migrate import upgrade

_SIZE_MB: Final = 900
_STEP: Final = 4 * 1024 * 1024


async def disk() -> list[Row]:
    """The servers' data on a file system that is full for a while. No row where no file system may be mounted."""
    with tempfile.TemporaryDirectory(prefix="battcrm-disk-") as place:
        if not await _mounted(place):
            return []
        before, tempfile.tempdir = tempfile.tempdir, place
        try:
            case = Case("disk full", "disk", "no block left for PostgreSQL and Redis, 4 s", _filled(Path(place)))
            return [row async for row in play([case])]
        finally:
            tempfile.tempdir = before
            await _run("umount", "-l", place)


async def _mounted(place: str) -> bool:
    return await _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m,mode=0711", "tmpfs", place)


async def _run(*command: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    except OSError:
        return False
    return await process.wait() == 0


def _filled(place: Path) -> Callable[[Stage], Awaitable[None]]:
    async def act(stage: Stage) -> None:
        await stage.note_doubt()
        ballast = place / "ballast"
        try:
            await asyncio.to_thread(_fill, ballast)
            for _ in range(8):
                # What the servers free meanwhile is taken too.
                await seconds(0.5)
                await asyncio.to_thread(_fill, ballast)
        finally:
            ballast.unlink(missing_ok=True)
        await stage.note_doubt()

    return act


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (_STEP, 4096):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    os.fsync(file.fileno())


async def clock() -> list[Row]:
    """Time jumps while turns think and sends are in the air: on the bench whose roles share a clock that can be moved."""
    rows = []
    async with embedded.temporary(frozenset({"postgres"})) as servers:
        await upgrade(servers.postgres_url)
        async with bench(servers.postgres_url) as world:
            for name, jumps in _JUMPS.items():
                rows.append(await _jumping(world, name, jumps))
    return rows


_JUMPS: Final[Mapping[str, tuple[float, ...]]] = {
    "clock forward": (40.0, 3600.0, 7.0),
    "clock back": (-40.0, -600.0, -7.0),
    "clock to and fro": (900.0, -700.0, 300.0, -400.0),
}


async def _jumping(world: Bench, name: str, jumps: tuple[float, ...]) -> Row:
    """Messages come before, between and after the jumps, each of which meets turns and sends half-way."""
    shop = await world.shop()
    ledger = Ledger()
    replies_before, doubt_before = len(world.messenger.shown), world.in_doubt
    for number, jump in enumerate(jumps):
        for chat in ("a", "b", "c"):
            said = ledger.say(shop, f"{name}-{chat}")
            if await world.deliver(shop, update(said, 0)):
                ledger.noted(said, 0)
        world.gate.hold = number % 2 == 0
        world.messenger.hold = "before" if number % 2 else None
        for role in world.names:
            await world.step(role)
        world.move_clock(jump)
        world.gate.release()
        world.messenger.release()
        await world.settle()
    await world.drain(seconds=10_000.0)
    account = await settle_accounts(world, ledger)
    text = f"{len(jumps)} jumps: {', '.join(f'{j:+.0f} s' for j in jumps)}"
    accepted = sum(1 for said in ledger.said if said.accepted)
    return Row(
        name, "clock", text, accepted, 0, len(world.messenger.shown) - replies_before, len(account.lost),
        len(account.duplicated), account.unknown, world.in_doubt - doubt_before, 0, 0, 0, await world.waiting(), 0.0,
        tuple(account.lost[:5]),
    )  # fmt: skip


GROUPS: Final[Mapping[str, Callable[[], Awaitable[list[Row]]]]] = {"disk": disk, "clock": clock}


def notes() -> str:
    """What the table leaves out and why."""
    return (
        "\nThe full disk needs a small file system of its own (tmpfs, mounted by root or inside a user namespace); where none "
        "may be mounted, that line is missing. The clock's lines run on the in-process bench, whose roles share a clock that "
        "can be moved; the long form plays thousands of random histories on it, with kills at every statement.\n"
    )


NAMES: Final = ("disk full", *_JUMPS)

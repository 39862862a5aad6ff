"""Trying breaks, a few at a time: each in a copy of the tree and, for scripts, on a database of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from battcrm.devkit.scripts.format import load_scripts
from battcrm.devkit.scripts.shop import start_of
from battcrm.infra import embedded
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from tools.breaks.listed import ROOT, Break
from tools.breaks.players import Players, environment
from tools.breaks.tree import broken, copied

SCRIPTS: Final = Path("tests/dialogues")
EACH: Final = 240.0
"""Seconds after which a break counts as noticed: nothing came to an end."""
_TEMPLATE: Final = "breaks_template"
_MAKE: Final = "CREATE DATABASE {} TEMPLATE {}"
_DROP: Final = "DROP DATABASE IF EXISTS {} WITH (FORCE)"


class Verdict(StrEnum):
    """What became of a break."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    BAD = "bad"  # the break could not be tried: it says nothing about the scripts


@dataclass(frozen=True, slots=True)
class Trial:
    """One break as it went. `noticed` is the script or test that went wrong; `detail` what it said."""

    one: Break
    verdict: Verdict
    noticed: str = ""
    detail: str = ""
    seconds: float = 0.0


Report = Callable[[Trial], None]


async def attempt_all(
    breaks: Sequence[Break], *, processes: int = 2, seconds: float = 1200.0, report: Report = lambda _: None
) -> list[Trial]:
    """Try all of them; in the list's order. What `seconds` leave no time for is BAD."""
    waiting: asyncio.Queue[Break] = asyncio.Queue()
    for one in breaks:
        waiting.put_nowait(one)
    trials: dict[str, Trial] = {}
    until = time.monotonic() + seconds

    async def work(url: str, number: int, tree: Path) -> None:
        async with _Bench(url, f"breaks_{number}", tree) as bench:
            while not waiting.empty():
                one = waiting.get_nowait()
                in_time = time.monotonic() < until
                trial = await bench.attempt(one) if in_time else Trial(one, Verdict.BAD, detail="no time left")
                trials[one.name] = trial
                report(trial)

    with ExitStack() as stack:
        trees = [stack.enter_context(copied()) for _ in range(processes)]
        async with _server() as url, asyncio.TaskGroup() as group:
            for number, tree in enumerate(trees):
                group.create_task(work(url, number, tree))
    return [trials[one.name] for one in breaks]


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """A throw-away server with a migrated database to copy; its owner's URL."""
    async with embedded.temporary(frozenset({"postgres"})) as servers:
        url = servers.postgres_url
        await _say(url, _MAKE.format(_TEMPLATE, "template1"))
        template = _named(url, _TEMPLATE)
        await upgrade(template)
        pool = await open_pool(template, maximum=1, name="breaks-schema")
        try:
            for month in sorted({start_of(s.shop).replace(day=1) for _, s in load_scripts(ROOT / SCRIPTS)}):
                await maintain(pool, month + timedelta(days=14))
        finally:
            await pool.close()
        yield url


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _say(url: str, statement: str) -> None:
    pool = await open_pool(url, maximum=1, name="breaks-admin")
    try:
        await pool.execute(statement)
    finally:
        await pool.close()


class _Bench:
    """A tree with a player and a database; breaks are tried on it one after another."""

    def __init__(self, url: str, database: str, tree: Path) -> None:
        self._url, self._database, self._tree = url, database, tree
        self._players = Players(tree, tree / SCRIPTS)
        self._clean = False

    async def __aenter__(self) -> _Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._players.stop()

    async def attempt(self, one: Break) -> Trial:
        """Make the break, see who notices, take it back."""
        began = time.monotonic()
        try:
            with broken(one, self._tree):
                verdict, noticed, detail = await (_tests(one, self._tree) if one.tests else self._scripts(one))
        except (ValueError, OSError) as error:
            verdict, noticed, detail = Verdict.BAD, "", str(error)
        return Trial(one, verdict, noticed, detail, time.monotonic() - began)

    async def _scripts(self, one: Break) -> tuple[Verdict, str, str]:
        if not self._clean:
            await _say(self._url, _DROP.format(self._database))
            await _say(self._url, _MAKE.format(self._database, _TEMPLATE))
        first = [one.caught_by] if one.caught_by else []
        found = await self._players.play(_named(self._url, self._database), first, EACH)
        # Shops do not touch each other; what was stopped in the middle of a script may.
        self._clean = found is not None and "error" not in found
        if found is None:
            return Verdict.CAUGHT, "(nothing came to an end)", f"{EACH:g} s"
        if "error" in found:
            return Verdict.BAD, "", _tail(found["error"])
        if found["title"] is None:
            return Verdict.SURVIVED, "", f"{found['played']} scripts"
        return Verdict.CAUGHT, found["title"], "; ".join(found["wrong"])


async def _tests(one: Break, tree: Path) -> tuple[Verdict, str, str]:
    code, out, err = await _python(tree, "-m", "pytest", "-p", "no:randomly", "-x", "-q", *one.tests)
    if code is None:
        return Verdict.CAUGHT, "(nothing came to an end)", f"{EACH:g} s"
    if code not in (0, 1):
        return Verdict.BAD, "", _tail(err or out)
    failed = next((line for line in out.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
    return (Verdict.CAUGHT, failed.split(" - ")[0], failed) if code else (Verdict.SURVIVED, "", _tail(out))


async def _python(tree: Path, *arguments: str) -> tuple[int | None, str, str]:
    """Exit code (None: stopped after EACH seconds), standard output and error of Python in the tree."""
    env = environment(tree)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=tree, env=env, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(EACH):
            out, err = await child.communicate()
    except TimeoutError:
        return None, "", ""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _tail(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-3:])[-400:]

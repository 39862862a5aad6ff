"""`python -m tools.breaks.protocol [LIST.yaml] [--only WORD] [--processes 2] [--minutes 20]`.

Takes each rule of `protocol.yaml` out of a copy of the tree and runs the tests that must fail then, all on one set of
servers. Exit 1 when a break survives or could not be tried. `--page` writes docs/reference/protocol-tests.md instead.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import asyncpg

from tools.breaks.listed import ROOT, Break, load
from tools.breaks.tree import broken, copied
from tools.breaks.trial import nursery, run

LIST: Final = Path(__file__).with_name("protocol.yaml")
PAGE: Final = ROOT / "docs" / "reference" / "protocol-tests.md"
_EACH: Final = 150.0
_DROP: Final = "SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1::text)"
_HEAD: Final = """\
# Rules of the protocol and the tests that fail without them

Written by `python -m tools.breaks.protocol --page` from `tools/breaks/protocol.yaml`, which holds for each rule the exact
change that takes it out. `make test` checks that every change still fits the code; `make long` makes each of them in a copy
of the tree and wants the named test to fail (`python -m tools.breaks.protocol`). Tests are below `tests/`.

Over all rules at once: histories of deliveries, deaths at any statement, lost leases, moved clocks, a wiped Redis and a
restarted PostgreSQL (`property/protocol`), and `kill -9` of roles and servers under load (`faults/test_kills.py`), both
counted by [PROTOCOL K](protocol.md#k-what-counts-as-lost) from what the platform had accepted and what the messenger received.

| PROTOCOL | Rule | Taken out of | Failing test |
|---|---|---|---|
"""


def page(breaks: Sequence[Break]) -> str:
    """The reference page of a list."""
    lines = []
    for one in breaks:
        letters, _, rule = one.rule.partition(": ")
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in one.tests)
        lines.append(f"| {letters} | {rule} | `{one.file}` | {tests} |\n")
    return _HEAD + "".join(lines)


async def attempt_all(breaks: Sequence[Break], *, processes: int, seconds: float) -> list[str]:
    """Try all of them; what is wrong, empty when every break was noticed."""
    from tests.support.servers import TestRun  # not where trials are forked from: they have tests of their own

    waiting = list(reversed(breaks))
    wrong: list[str] = []
    until = time.monotonic() + seconds
    servers = TestRun()

    async def work(number: int, tree: Path, url: str) -> None:
        while waiting:
            one = waiting.pop()
            if time.monotonic() > until:
                wrong.append(f"{one.name}: no time left")
                continue
            began = time.monotonic()
            problem = await _attempt(one, tree, url, f"gw{number}")
            wrong.extend([f"{one.name}: {problem}"] if problem else [])
            verdict = problem or "caught"
            sys.stdout.write(f"{time.monotonic() - began:5.1f} s  {one.name}: {verdict}\n")
            sys.stdout.flush()

    try:
        url = (await asyncio.to_thread(servers.servers)).postgres_url
        with ExitStack() as stack:
            trees = [stack.enter_context(copied()) for _ in range(processes)]
            async with asyncio.TaskGroup() as group:
                for number, tree in enumerate(trees):
                    group.create_task(work(number, tree, url))
    finally:
        await asyncio.to_thread(servers.leave)
    return wrong


async def _attempt(one: Break, tree: Path, url: str, worker: str) -> str:
    """Why a break was not caught; empty if it was."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        await connection.execute(await connection.fetchval(_DROP, f"test_{worker}"))
    finally:
        await connection.close()
    try:
        with broken(one, tree):
            code, output = await _pytest(one, tree, worker)
    except ValueError as error:
        return str(error)
    if code == 1 and "FAILED" in output:
        return ""
    return "survived" if code == 0 else f"could not be tried: {output[-600:]}"


async def _pytest(one: Break, tree: Path, worker: str) -> tuple[int, str]:
    """Exit code and output of the tests that must notice. Tests that come to no end have noticed."""
    output = tree / "output"
    child = nursery().Process(target=run, args=(str(tree), worker, one.tests, str(output)))
    child.start()
    await asyncio.to_thread(child.join, _EACH)
    if child.exitcode is None:
        child.kill()
        await asyncio.to_thread(child.join)
        return 1, "FAILED: nothing came to an end"
    return child.exitcode, output.read_text("utf-8", "replace")


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.breaks.protocol", description=__doc__)
    parser.add_argument("list", nargs="?", type=Path, default=LIST)
    parser.add_argument("--only", default="", help="only breaks whose name contains this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--page", action="store_true", help="write the reference page")
    options = parser.parse_args(arguments)
    if options.page:
        PAGE.write_text(page(load(LIST)), "utf-8")
        return 0
    breaks = [one for one in load(options.list) if options.only in one.name]
    wrong = asyncio.run(attempt_all(breaks, processes=options.processes, seconds=options.minutes * 60))
    sys.stdout.write(f"{len(breaks) - len(wrong)} of {len(breaks)} caught\n" + "".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

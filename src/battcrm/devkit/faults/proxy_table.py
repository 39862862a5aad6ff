"""The fault table: `python -m battcrm.devkit.faults.proxy_table [GROUP...] [--into FOLDER] [--page docs/reference/faults.md]`.

Plays the groups (all without names), keeps each group's rows as JSON in the folder, and writes the page from what is there.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from battcrm.devkit.faults import proxy_cases, proxy_cases_own, proxy_special
from battcrm.devkit.faults.proxy_cases import Case
from battcrm.devkit.faults.proxy_run import Row, play

CASES: Final[tuple[Case, ...]] = (*proxy_cases.CASES, *proxy_cases_own.CASES)
GROUPS: Final = tuple(dict.fromkeys((*(case.group for case in CASES), *proxy_special.GROUPS)))
_HEAD: Final = """# What faults cost

Written by `make faults`; every line is a run of the real processes on throw-away servers, with a TCP proxy before
PostgreSQL, Redis, the graph, the model and the messenger. Load: 20 messages a second for 6 s over 20 tenants, 30 % of the
dialogues through the model, 5 % delivered twice, unless the line says otherwise; the fault begins a second after the load.

Counted from the generator's and the emulated messenger's own logs (PROTOCOL K). *accepted*: got a 2xx. *lost*: accepted and
neither stored nor answered, or decided and never shown. *duplicated*: shown twice. *unknown*: sends whose outcome nobody can
know, in brackets how many were in the air when the fault struck, which bounds them. *effects*: events whose effect on the
graph is missing at the end, where the line's world has a graph (PostgreSQL, Redis, graph, disk). *refused*: never accepted although repeated six times as platforms do; the platform knows.
*drain*: seconds after the load until nothing waited; after 8 s the leases of claims are let run out, as waiting would.

"""


async def run(groups: Sequence[str], folder: Path) -> list[Row]:
    """Play groups, or parts of them (`redis:1/2`); each row is in the folder as soon as its case is done."""
    found: list[Row] = []
    for group in groups:
        name, _, part = group.partition(":")
        if name in proxy_special.GROUPS:
            found += [_keep(row, folder) for row in await proxy_special.GROUPS[name]()]
        else:
            found += [_keep(row, folder) async for row in play(chosen(name, part))]
    return found


def chosen(group: str, part: str = "") -> list[Case]:
    """The cases of a group, or of its part such as `2/3`."""
    cases = [case for case in CASES if case.group == group]
    if not part:
        return cases
    number, _, of = part.partition("/")
    return cases[int(number) - 1 :: int(of)]


def _keep(row: Row, folder: Path) -> Row:
    sys.stderr.write(f"{'ok  ' if row.right else 'BAD '} {row}\n")
    (folder / f"{row.case.replace(' ', '-')}.json").write_bytes(orjson.dumps(dataclasses.asdict(row)))
    return row


def page(folder: Path) -> str:
    """The page made from the rows in the folder."""
    kept = [Row(**orjson.loads(path.read_bytes())) for path in folder.glob("*.json")]
    order = {case.name: number for number, case in enumerate(CASES)}
    rows = sorted(kept, key=lambda row: (order.get(row.case, len(order)), row.case))
    lines = [
        "| fault | injected | accepted | lost | duplicated | unknown | effects | refused | drain s |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.case} | {r.injected} | {r.accepted} | {r.lost} | {r.duplicated} | {r.unknown} ({r.doubt}) | {r.effects} "
            f"| {r.refused} | {r.drain_s} |"
            for r in rows
        ),
    ]
    total = f"{len(rows)} cases: {sum(r.accepted for r in rows)} accepted, {sum(r.lost for r in rows)} lost, "
    total += f"{sum(r.duplicated for r in rows)} duplicated, {sum(r.unknown for r in rows)} unknown.\n\n"
    missing = [case.name for case in CASES if case.name not in {row.case for row in rows}]
    left = f"\nIn this run not played: {', '.join(missing)}.\n" if missing else ""
    return _HEAD + total + "\n".join(lines) + "\n" + left + proxy_special.notes()


def main() -> None:
    """Play and write. Exit 1 when a case did not go right."""
    parser = argparse.ArgumentParser(prog="python -m battcrm.devkit.faults.proxy_table")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"some of: {', '.join(GROUPS)}; redis:1/2 is a half")
    parser.add_argument("--into", type=Path, default=Path("build/faults"), help="folder for the rows")
    parser.add_argument("--page", type=Path, help="write the page here")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    rows = asyncio.run(run(options.groups or GROUPS, options.into))
    if options.page is not None:
        options.page.write_text(page(options.into), encoding="utf-8")
    if not all(row.right for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()

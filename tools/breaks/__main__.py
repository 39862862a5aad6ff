"""`python -m tools.breaks [LIST.yaml] [--only WORD] [--new] [--skip 0] [--processes 2] [--minutes 20] [--record]`.

Tries each break in a copy of the tree; exit 1 when fewer than 90 % are caught, or one survives without a reason in the
list, or one could not be tried. `--record` writes into the list which script caught what, so that it is played first.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.breaks.listed import BEHAVIOUR, load
from tools.breaks.run import Trial, Verdict, attempt_all

ENOUGH = 0.9


def wrong(trials: Sequence[Trial]) -> list[str]:
    """What speaks against the scripts; empty = enough is caught and the rest is explained."""
    caught = sum(t.verdict is Verdict.CAUGHT for t in trials)
    found = [f"{t.one.name}: could not be tried: {t.detail}" for t in trials if t.verdict is Verdict.BAD]
    found += [
        f"{t.one.name} survived ({t.one.rule})" for t in trials if t.verdict is Verdict.SURVIVED and not t.one.survives
    ]
    if caught < ENOUGH * len(trials):
        found.append(f"only {caught} of {len(trials)} are caught")
    return found


def record(path: Path, trials: Sequence[Trial]) -> None:
    """Note in the list who caught what. Entries are told apart by their `- name:` lines."""
    blocks = re.split(r"(?m)^(?=  - name: )", path.read_text("utf-8"))
    caught = {t.one.name: t.noticed for t in trials if t.verdict is Verdict.CAUGHT and not t.one.tests}
    for index, block in enumerate(blocks):
        name = re.match(r"  - name: (\S+)", block)
        if name and name[1] in caught:
            bare = re.sub(r"(?m)^    caught_by: .*\n", "", block).rstrip("\n")
            title = caught[name[1]].replace("'", "''")
            blocks[index] = f"{bare}\n    caught_by: '{title}'\n"
    path.write_text("".join(blocks), "utf-8")


def _show(trial: Trial) -> None:
    line = f"{trial.verdict:9} {trial.seconds:5.1f} s  {trial.one.name}"
    sys.stdout.write(f"{line}: {trial.noticed or trial.detail}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.breaks", description=__doc__)
    parser.add_argument("list", nargs="?", type=Path, default=BEHAVIOUR)
    parser.add_argument("--only", default="", help="only breaks whose name contains this")
    parser.add_argument("--new", action="store_true", help="only breaks that no script is known to catch")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many from the start of the list")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args(arguments)
    listed = load(options.list)[options.skip :]
    breaks = [o for o in listed if options.only in o.name and not (options.new and o.caught_by)]
    trials = asyncio.run(attempt_all(breaks, processes=options.processes, seconds=options.minutes * 60, report=_show))
    caught = sum(t.verdict is Verdict.CAUGHT for t in trials)
    sys.stdout.write(f"{caught} of {len(trials)} caught\n")
    if options.record:
        record(options.list, trials)
    found = wrong(trials)
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

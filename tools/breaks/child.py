"""Plays dialogue scripts on a database until one goes wrong: `python -m tools.breaks.child URL FOLDER [TITLE...]`.

Titles are played first. The last line of standard output is JSON: {"played", "title", "wrong"}; title null = all right.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from battcrm.devkit.scripts.format import Script, load_scripts
from battcrm.devkit.scripts.run import World, world

_AT_ONCE: Final = 8


def ordered(scripts: Sequence[tuple[Path, Script]], first: Sequence[str]) -> list[tuple[Path, Script]]:
    """The named ones first, in that order; the others as they stand in their files."""
    places = {title: index for index, title in enumerate(first)}
    return sorted(scripts, key=lambda item: places.get(item[1].title, len(places)))


async def until_wrong(opened: World, scripts: Sequence[tuple[Path, Script]], alone: int) -> dict[str, Any]:
    """Play in order, the first `alone` by themselves, and stop at the first batch with a wrong one."""
    played = 0
    batches = [scripts[i : i + 1] for i in range(min(alone, len(scripts)))]
    batches += [scripts[i : i + _AT_ONCE] for i in range(len(batches), len(scripts), _AT_ONCE)]
    for batch in batches:
        try:
            results = (await opened.play_all(batch)).results
        except ExceptionGroup as errors:  # a script that cannot be played to its end has noticed, too
            return {"played": played, "title": batch[0][1].title, "wrong": [repr(errors.exceptions[0])[:300]]}
        played += len(batch)
        wrong = next((result for result in results if result.wrong), None)
        if wrong is not None:
            return {"played": played, "title": wrong.script.title, "wrong": list(wrong.wrong)}
    return {"played": played, "title": None, "wrong": []}


async def main(url: str, folder: str, *first: str) -> None:
    """See the module."""
    scripts = ordered(load_scripts(Path(folder)), first)
    async with world(url, at_once=_AT_ONCE) as opened:
        found = await until_wrong(opened, scripts, len(first))
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Plays dialogue scripts until one goes wrong: `python -m tools.breaks.child FOLDER`, one request a line on standard input.

A request is JSON: {"url": migrated database, "first": [titles played first]}. Its answer is one line of JSON:
{"played", "title", "wrong"}; title null = all right, "error" = they could not be played.

What breaks do not touch is loaded once; each request is played by a fork, which loads the rest as it is by then.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from battcrm.devkit.scripts.format import Script
    from battcrm.devkit.scripts.run import World

_AT_ONCE: Final = 8
# Heavy to load, and below the layers that are broken.
_PRELOADED: Final = (
    "battcrm.extraction.dispatcher", "battcrm.extraction.llm_call", "battcrm.graph.context",
    "battcrm.graph.pricing_source", "battcrm.infra.embedded", "battcrm.infra.http", "battcrm.infra.migrate",
    "battcrm.infra.postgres", "battcrm.transport.accounts", "battcrm.transport.door", "battcrm.transport.sender",
    "jinja2.sandbox",
)  # fmt: skip
BROKEN: Final = ("battcrm.pipeline", "battcrm.resolution", "battcrm.response", "battcrm.services", "battcrm.workers")
"""Packages of which nothing may be loaded before the break is made."""


def preload() -> None:
    """Load what stays whole; RuntimeError when that loads what may be broken."""
    for name in _PRELOADED:
        importlib.import_module(name)
    from battcrm.extraction.gazetteer.catalogue import Catalogue
    from battcrm.extraction.normalise_morph import warm_up

    Catalogue.load()
    warm_up()
    early = sorted(name for name in sys.modules if name.startswith(BROKEN))
    if early:
        raise RuntimeError(f"loaded too early: {', '.join(early)}")


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


async def _play(folder: str, url: str, first: Sequence[str]) -> dict[str, Any]:
    from battcrm.devkit.scripts.format import load_scripts
    from battcrm.devkit.scripts.run import world

    scripts = ordered(load_scripts(Path(folder)), first)
    async with world(url, at_once=_AT_ONCE) as opened:
        return await until_wrong(opened, scripts, len(first))


def _answer(folder: str, request: dict[str, Any]) -> None:
    """In the fork: play, answer, end."""
    try:
        found = asyncio.run(_play(folder, request["url"], request["first"]))
    except Exception:  # noqa: BLE001 - whatever it is, the runner has to know that nothing was tried
        found = {"error": traceback.format_exc()[-600:]}
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main(folder: str) -> None:
    """See the module."""
    preload()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _answer(folder, json.loads(line))
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])

"""`battcrm run`: one role, some, or all of them in one process."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from battcrm.settings import load_settings
from battcrm.workers.supervise import ALL, parse_roles, run_roles


def run(
    role: Annotated[str, typer.Argument(help=f"all, or roles separated by commas: {', '.join(ALL)}")],
) -> None:
    """Run roles until SIGTERM (they finish what they hold) or a second signal (at once)."""
    names = parse_roles(role)
    settings = load_settings()
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_roles(names, settings))
    except ImportError:
        asyncio.run(run_roles(names, settings))

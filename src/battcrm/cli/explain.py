"""`battcrm explain`: the chain from a message to its answer, on one screen."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from typing import Annotated, Final

import typer
from rich.console import Console

from battcrm.cli.explain_screen import LINES, WIDTH, screen
from battcrm.kit.errors import Invalid
from battcrm.services.explain import Explainer, Explanation
from battcrm.services.explain_labels import LANGUAGES
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings
from battcrm.workers.runtime import connect

_UUID_CHARS: Final = 32


def explain(
    what: Annotated[str, typer.Argument(help="Id of a message, turn or reply, or the number of an appeal.")],
    tenant: Annotated[
        str, typer.Option("--tenant", envvar="BATTCRM_TENANT", help="Slug or id; the only tenant by default.")
    ] = "",
    lang: Annotated[str, typer.Option("--lang", help="ru or en.")] = "ru",
    full: Annotated[bool, typer.Option("--full", help="Show every line, however many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show why the system did what it did: message, facts, evidence, decision, answer, delivery."""
    if lang not in LANGUAGES:
        raise Invalid(f"no language {lang!r}", field="lang", remedy=f"use {' or '.join(LANGUAGES)}")
    found = asyncio.run(_explain(what, tenant))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), ensure_ascii=False, default=str))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
        console.print(screen(found, lang, width=console.width, lines=None if full else LINES))


async def _explain(what: str, tenant: str) -> Explanation:
    async with connect(load_settings(), name="battcrm-explain") as runtime:
        needed = bool(tenant) or len(what) < _UUID_CHARS
        chosen = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(tenant) if needed else None
        return await Explainer(runtime.pool).explain(what, chosen.tenant_id if chosen else None)

"""`battcrm eval harvest`: operators' corrections as labelled examples."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps
from battcrm.services.harvest import Harvest
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings

_OWNER_ONLY: Final = 0o600


def register(app: typer.Typer) -> None:
    """Add the command to the `eval` group."""
    app.command("harvest")(harvest)


def harvest(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Slug or id; the only tenant when not given.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Corrections of the last so many days.")] = 90,
    out: Annotated[Path | None, typer.Option("--out", help="Write here instead of standard output.")] = None,
) -> None:
    """Write operators' corrections as labelled examples, personal data taken out; review them before you keep them."""
    examples = asyncio.run(_examples(tenant, timedelta(days=days)))
    lines = b"".join(dumps(example) + b"\n" for example in examples)
    if out is None:
        sys.stdout.buffer.write(lines)
    else:
        _write(out, lines)
    typer.echo(f"{len(examples)} examples", err=True)


async def _examples(tenant: str | None, back: timedelta) -> list[dict[str, Any]]:
    # The runtime brings the servers' modules along, which the other commands of this group do without.
    from battcrm.workers.runtime import connect

    async with connect(load_settings(), name="battcrm-harvest") as runtime:
        chosen = await Tenants(runtime.pool, runtime.clock, runtime.ids).choose(tenant)
        since: datetime = runtime.clock.now() - back
        return await Harvest(runtime.pool).examples(chosen.tenant_id, since)


def _write(path: Path, content: bytes) -> None:
    """Readable for its owner alone: redaction is good, not perfect."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    except OSError as error:
        raise Invalid(f"cannot write {path}: {error.strerror}", field="--out") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)

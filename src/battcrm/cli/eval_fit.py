"""`battcrm eval fit`: fits the weights of extraction's second opinion on labelled dialogues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from battcrm.kit.errors import Invalid


def register(app: typer.Typer) -> None:
    """Add the command to the `eval` group."""
    app.command("fit")(fit)


def fit(
    files: Annotated[list[Path], typer.Argument(help="Labelled dialogues to learn from, JSON lines.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; the packaged weights by default.")] = None,
) -> None:
    """Fit the weights of extraction's second opinion. The same files always give the same weights."""
    from battcrm.extraction.opinion.fit import weights_from
    from battcrm.extraction.opinion.weights import packaged, write

    target = out if out is not None else packaged()
    try:
        rows, made_of = weights_from(files)
    except (OSError, Invalid) as error:
        typer.echo(f"battcrm eval: {error}", err=True)
        raise typer.Exit(2) from None
    write(target, rows, made_of)
    typer.echo(f"{target}: {len(rows) - 1} features of {len(files)} files, fingerprint {made_of}")

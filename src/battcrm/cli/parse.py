"""`battcrm parse`: what one webhook body means, without any server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from battcrm.kit.errors import Invalid
from battcrm.models.unified import to_wire
from battcrm.transport.registry import manifest_of


def parse(
    channel: Annotated[str, typer.Argument(help="Channel kind: telegram, vk, whatsapp, avito, max, webchat.")],
    file: Annotated[str, typer.Argument(help="File with the body as it came over the wire; - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (a list).")] = False,
) -> None:
    """Print the unified messages of one webhook body; [] if it is the platform's but carries nothing for us."""
    try:
        documents = documents_of(channel, _read(file))
    except Invalid as error:
        _fail(error)
    if as_json:
        # The standard encoder: a body may hold integers that no 64-bit encoder takes.
        sys.stdout.write(json.dumps(documents, ensure_ascii=False, indent=2) + "\n")
        return
    for document in documents:
        _print_summary(document)
    if not documents:
        typer.echo("nothing for us in this body")


def documents_of(channel: str, body: bytes) -> list[dict[str, Any]]:
    """`to_wire` documents of a body. Invalid for an unknown channel or a body that is not that platform's."""
    return [to_wire(message) for message in manifest_of(channel).parse(body, None)]


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}", field="file") from None


def _fail(error: Invalid) -> NoReturn:
    where = f"{error.field}: " if error.field else ""
    typer.echo(f"battcrm parse: {where}{error.text}" + (f" ({error.remedy})" if error.remedy else ""), err=True)
    raise typer.Exit(2)


def _print_summary(document: dict[str, Any]) -> None:
    sender, message = document["sender"], document["message"]
    kinds = ", ".join(a["kind"] for a in message["attachments"])
    typer.echo(f"{document['kind']}  {document['occurred_at'] or ''}  chat {document['conversation']['id']}")
    typer.echo(f"  from   {sender['display_name'] or ''} ({sender['id']})")
    for label, value in (("text", message["text"]), ("files", kinds), ("key", document["dedup_key"])):
        if value:
            typer.echo(f"  {label:<6} {value}")

"""`battcrm tenant config`: the tenant's document from draft to publication."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from battcrm.kit.errors import Invalid
from battcrm.models.config import SECTIONS
from battcrm.services.configuration import Configuration, Version, difference
from battcrm.services.tenants import Tenants
from battcrm.settings import load_settings
from battcrm.workers.layers import load_sections
from battcrm.workers.runtime import connect

app = typer.Typer(help="The tenant's document: draft, validate, publish, roll back.", no_args_is_help=True)
Tenant = Annotated[str, typer.Argument(help="Slug or id of the tenant.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Author = Annotated[str, typer.Option(help="Who makes the change, for the history.")]
T = TypeVar("T")


@app.command()
def get(
    tenant: Tenant,
    path: Annotated[str, typer.Argument(help="section or section.field; nothing = the whole document")] = "",
    effective: Annotated[bool, typer.Option(help="With the defaults filled in.")] = False,
    as_json: Json = False,
) -> None:
    """Show the document in force."""
    version = _run(tenant, lambda service, tenant_id: service.current(tenant_id))
    document: Any = version.document
    if effective:
        document = {name: section.model_dump(mode="json") for name, section in SECTIONS.validate(document).items()}
    for part in filter(None, path.split(".")):
        if not isinstance(document, dict) or part not in document:
            raise Invalid(f"{path} is not set", field=path, remedy="see --effective for the defaults")
        document = document[part]
    typer.echo(json.dumps(document, ensure_ascii=False, indent=None if as_json else 2))


@app.command(name="set")
def set_(
    tenant: Tenant,
    path: Annotated[str, typer.Argument(help="section.field, such as dialog.quiet")],
    value: Annotated[str, typer.Argument(help="JSON value; null removes the field")],
    author: Author = "cli",
) -> None:
    """Change one value in the draft."""
    parsed = _value(value)
    version = _run(tenant, lambda service, tenant_id: service.set(tenant_id, path, parsed, author))
    typer.echo(f"draft {version.version}: {path} set; `battcrm tenant config publish {tenant}` puts it in force")


@app.command()
def validate(file: Annotated[typer.FileText, typer.Argument(help="JSON document; - for standard input")]) -> None:
    """Check a document without touching anything; exit 2 names the wrong field."""
    load_sections()
    SECTIONS.validate(_document(file.read()))
    typer.echo("the document is valid")


@app.command()
def replace(
    tenant: Tenant,
    file: Annotated[typer.FileText, typer.Argument(help="JSON document; - for standard input")],
    author: Author = "cli",
) -> None:
    """Replace the draft by a whole document."""
    document = _document(file.read())
    version = _run(tenant, lambda service, tenant_id: service.save(tenant_id, document, author))
    typer.echo(f"draft {version.version} saved")


@app.command()
def diff(tenant: Tenant, as_json: Json = False) -> None:
    """What the draft would change; exit 1 if it changes something."""

    async def both(service: Configuration, tenant_id: UUID) -> tuple[Version, Version | None]:
        return await service.current(tenant_id), await service.draft(tenant_id)

    current, draft = _run(tenant, both)
    changes = list(difference(current.document, draft.document)) if draft else []
    if as_json:
        rows = [{"path": c.path, "before": c.before, "after": c.after} for c in changes]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    for change in changes if not as_json else ():
        before, after = (json.dumps(v, ensure_ascii=False) for v in (change.before, change.after))
        typer.echo(f"{change.path}: {before} -> {after}")
    if changes:
        raise typer.Exit(1)


@app.command()
def publish(tenant: Tenant, author: Author = "cli") -> None:
    """Put the draft in force."""
    version = _run(tenant, lambda service, tenant_id: service.publish(tenant_id, author))
    typer.echo(f"version {version.version} is in force")


@app.command()
def rollback(
    tenant: Tenant, version: Annotated[int, typer.Argument(help="A published version.")], author: Author = "cli"
) -> None:
    """Put an earlier version in force again."""
    new = _run(tenant, lambda service, tenant_id: service.rollback(tenant_id, version, author))
    typer.echo(f"version {new.version} is in force, equal to {version}")


@app.command()
def history(tenant: Tenant, as_json: Json = False) -> None:
    """The versions, newest first."""
    versions = _run(tenant, lambda service, tenant_id: service.history(tenant_id))
    rows = [
        {
            "version": v.version,
            "state": v.state,
            "author": v.author,
            "published_at": v.published_at.isoformat() if v.published_at else None,
        }
        for v in versions
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['version']:>4}  {row['state']:10} {row['published_at'] or '':32} {row['author'] or ''}")


def _run(tenant: str, use: Callable[[Configuration, UUID], Awaitable[T]]) -> T:
    async def work() -> T:
        async with connect(load_settings()) as runtime:
            found = await Tenants(runtime.pool, runtime.clock, runtime.ids).find(tenant)
            result = await use(Configuration(runtime.pool, runtime.clock, runtime.wakeups), found.tenant_id)
            await runtime.wakeups.flush()
            return result

    load_sections()
    return asyncio.run(work())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Invalid(f"not JSON: line {error.lineno}", field="document", remedy="correct the file") from error
    if not isinstance(document, dict):
        raise Invalid("the document must be an object", field="document", remedy='write {"section": {…}}')
    return document

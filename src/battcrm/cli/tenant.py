"""`battcrm tenant`: create tenants and look at them."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from battcrm.cli import tenant_config
from battcrm.services.tenants import Tenants, TenantView
from battcrm.settings import load_settings
from battcrm.workers.runtime import Runtime, connect

app = typer.Typer(help="Tenants and their configuration.", no_args_is_help=True)
app.add_typer(tenant_config.app, name="config")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def tenants_of(runtime: Runtime) -> Tenants:
    """The service on an open runtime."""
    return Tenants(runtime.pool, runtime.clock, runtime.ids)


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="Short name: a-z, 0-9, hyphens.")],
    name: Annotated[str, typer.Option(help="The shop's name.")] = "",
    timezone: Annotated[str, typer.Option(help="Time zone, such as Europe/Moscow.")] = "Europe/Moscow",
    locale: Annotated[str, typer.Option(help="Language of the shop: ru or en.")] = "ru",
    as_json: Json = False,
) -> None:
    """Create a tenant with the default configuration."""

    async def work() -> TenantView:
        async with connect(load_settings()) as runtime:
            return await tenants_of(runtime).create(slug, name or slug, timezone=timezone, locale=locale)

    _show(asyncio.run(work()), as_json=as_json)


@app.command()
def show(slug: Annotated[str, typer.Argument(help="Slug or id.")], as_json: Json = False) -> None:
    """Show one tenant."""

    async def work() -> TenantView:
        async with connect(load_settings()) as runtime:
            return await tenants_of(runtime).find(slug)

    _show(asyncio.run(work()), as_json=as_json)


def _show(tenant: TenantView, *, as_json: bool) -> None:
    document: dict[str, Any] = {
        "tenant_id": str(tenant.tenant_id),
        "slug": tenant.slug,
        "name": tenant.name,
        "timezone": tenant.timezone,
        "locale": tenant.locale,
        "state": tenant.state,
    }
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    for key, value in document.items():
        typer.echo(f"{key:10} {value}")

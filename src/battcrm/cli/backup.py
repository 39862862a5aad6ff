"""`battcrm backup` and `battcrm restore`: one file with everything an installation on local servers needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from redis.asyncio import Redis

from battcrm.cli.migrate import prepare
from battcrm.infra import embedded
from battcrm.infra.embedded import locate
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.services import backup as service
from battcrm.services.backup import Manifest, Place
from battcrm.settings import Settings, load_settings

_NEEDED = frozenset({"postgres", "redis"})


def backup(
    file: Annotated[
        Path, typer.Argument(help="Where to write; an existing file is replaced when the new one is whole.")
    ],
) -> None:
    """Write database, media and key of this installation to one private file, while it runs."""
    made = asyncio.run(_backup(_local(load_settings()), file.resolve()))
    typer.echo(f"{file}: {_said(made)}. It holds the key that opens channel secrets: keep it as carefully as them.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `battcrm backup` wrote.", exists=True, dir_okay=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace what this installation has now.")] = False,
) -> None:
    """Bring this installation back to a backup and to the newest schema. No role may be running."""
    settings = _local(load_settings())
    try:
        done = asyncio.run(_restore(settings, file, replace=replace))
    except Conflict as error:
        remedy = "stop them first" if error.code == "backup.running" else "say --replace to give up what is here"
        raise Invalid(error.text, field="file", remedy=remedy) from error
    typer.echo(
        f"restored: {_said(done)}. Replies that waited then are marked unknown: see them with `battcrm operator`."
    )
    typer.echo("The graph follows with: battcrm graph rebuild")


def _said(manifest: Manifest) -> str:
    when = f"{manifest.created_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{manifest.tenants} tenants and {manifest.media} files as of {when}, schema {manifest.revision}"


def _local(settings: Settings) -> Settings:
    if "postgres" not in settings.embedded:
        raise Invalid(
            "these commands are for local servers, and DATABASE_URL names another",
            field="DATABASE_URL",
            remedy="use pg_dump and pg_restore on that server: docs/guides/backup.md has the commands",
        )
    return settings


async def _backup(settings: Settings, file: Path) -> Manifest:
    running = await embedded.start(settings.home, which=frozenset({"postgres"}), detached=True)
    return await service.backup(_place(settings, running), file, SystemClock())


async def _restore(settings: Settings, file: Path, *, replace: bool) -> Manifest:
    running = await embedded.start(settings.home, which=_NEEDED & settings.embedded, detached=True)
    done = await service.restore(_place(settings, running), file, SystemClock(), replace=replace)
    await prepare(running.postgres_url)
    url = settings.redis_url or running.redis_url
    if url:
        async with Redis.from_url(url) as client:
            await client.flushdb()
    return done


def _place(settings: Settings, running: embedded.Running) -> Place:
    return Place(running.postgres_url, locate.postgres_bin(), settings.media_dir, settings.home / service.KEY)

"""Backup and restore of an installation on local servers: one file with the database, the media and the key.

The graph is a projection and Redis only moves things: neither is in a backup, both are brought back from the database.
"""

from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Conflict, Invalid, Permanent
from battcrm.kit.text import dumps, loads

FORMAT: Final = 1
KEY: Final = "secret.key"
# Of a large installation a database is dropped, and what waited is settled, in minutes.
_STATEMENT_S: Final = 3600.0
_DUMP, _MANIFEST, _MEDIA = "database.dump", "manifest.json", "media"

_REVISION: Final = "SELECT version_num FROM alembic_version /* all tenants: the schema */"
_TABLES: Final = "SELECT to_regclass('tenant') IS NOT NULL /* all tenants: is there a schema */"
_CREATE: Final = "SELECT format('CREATE DATABASE %I', $1::text) /* all tenants: DDL */"
_DROP: Final = "SELECT format('DROP DATABASE IF EXISTS %I', $1::text) /* all tenants: DDL */"
_RENAME: Final = "SELECT format('ALTER DATABASE %I RENAME TO %I', $1::text, $2::text) /* all tenants: DDL */"
_RESTRICT: Final = "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text) /* all tenants: DDL */"
_ADMIT: Final = """
SELECT format('GRANT CONNECT ON DATABASE %I TO battcrm_worker, battcrm_api', $1::text) /* all tenants: DDL */
"""
_TENANTS: Final = "SELECT count(*) FROM tenant WHERE tenant_id IS NOT NULL"
_BUSY: Final = """
SELECT array_agg(DISTINCT application_name) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'battcrm-%' /* all tenants: who is connected */
"""
# A reply that waited when the backup was made may have been sent since. Saying it twice is worse than asking a person.
_SETTLE: Final = """
UPDATE outgoing SET state = 'unknown', error_code = 'restored', due_at = NULL, lease_until = NULL, finished_at = $1
WHERE state IN ('pending', 'sending') AND tenant_id IS NOT NULL
"""
# What consumers had done is as old as the backup; what the streams hold is not. They read the outbox from their place on.
_DISTRUST: Final = """
UPDATE consumer_group SET position = split_part(position, ' ', 1) || ' ', updated_at = $1
/* all tenants: places of consumers */
"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    created_at: datetime
    revision: str
    tenants: int
    media: int


@dataclass(frozen=True, slots=True)
class Place:
    """An installation: its database as the owner, PostgreSQL's programs, its folder of media and its key's file."""

    owner_url: str
    programs: Path
    media: Path
    key: Path


async def backup(place: Place, target: Path, clock: Clock) -> Manifest:
    """Write a backup while the system runs; the database is as of one moment. The file is private and replaced whole.

    Media are content-addressed and written before the row that names them, so copying them after the database finds
    them all. Invalid where there is no folder for the file, Permanent when a program fails.
    """
    if not target.parent.is_dir():
        raise Invalid(f"{target.parent} is no folder", field="file", remedy="make it first, or name another")
    pool = await open_pool(place.owner_url, maximum=1, name="backup")
    try:
        revision: str = await pool.fetchval(_REVISION)
        tenants: int = await pool.fetchval(_TENANTS)
    finally:
        await pool.close()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".battcrm-backup-") as folder:
        dump = Path(folder) / _DUMP
        await _program(place, "pg_dump", "--format=custom", "--compress=6", f"--file={dump}")
        partial = Path(folder) / "backup.tar"
        media = await asyncio.to_thread(_pack, place, dump, partial, (clock.now(), revision, tenants))
        partial.replace(target)
    return Manifest(clock.now(), revision, tenants, media)


def _pack(place: Place, dump: Path, target: Path, known: tuple[datetime, str, int]) -> int:
    created_at, revision, tenants = known
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            files = [path for path in sorted(place.media.rglob("*")) if path.is_file()]
            about = {"format": FORMAT, "created_at": created_at.isoformat(), "revision": revision, "tenants": tenants}
            text = dumps(about | {"media": len(files)})
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
            tar.add(dump, _DUMP)
            if place.key.exists():
                tar.add(place.key, KEY)
            for path in files:
                tar.add(path, f"{_MEDIA}/{path.relative_to(place.media)}")
        file.flush()
        os.fsync(file.fileno())
    return len(files)


def inspect(source: Path) -> Manifest:
    """What is in a backup. Invalid for a file that is none, or of a newer kind."""
    try:
        with tarfile.open(source) as tar:
            member = tar.extractfile(_MANIFEST)
            about: dict[str, Any] = loads(member.read()) if member is not None else {}
        if about["format"] > FORMAT:
            raise Invalid(f"{source} was made by a newer version", field="file", remedy="restore it with that version")
        created_at = datetime.fromisoformat(about["created_at"]).astimezone(UTC)
        return Manifest(created_at, about["revision"], about["tenants"], about["media"])
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise Invalid(
            f"{source} is no backup", field="file", remedy="name a file that `battcrm backup` wrote"
        ) from error


async def restore(place: Place, source: Path, clock: Clock, *, replace: bool = False) -> Manifest:
    """Bring an installation back to a backup, all or nothing; whoever calls migrates, empties Redis and rebuilds the graph.

    The dump fills a database of its own, which takes the old one's name when it is whole: until then nothing has changed.
    Conflict when our processes still run, or when there are tenants and not `replace`. Replies that waited when the backup
    was made become `unknown`: they may have been sent since, and an operator decides.
    """
    manifest = inspect(source)
    name = urlsplit(place.owner_url).path.lstrip("/")
    pool = await open_pool(place.owner_url, maximum=1, name="restore")
    try:
        await _check_free(pool, replace=replace)
    finally:
        await pool.close()
    fresh = f"{name}_restore"
    server = await open_pool(_in(place.owner_url, "postgres"), maximum=1, name="restore", patience=_STATEMENT_S)
    try:
        await _ddl(server, _DROP, fresh)
        await _ddl(server, _CREATE, fresh)
        with tempfile.TemporaryDirectory(prefix=".battcrm-restore-") as folder:
            await asyncio.to_thread(_unpack, source, Path(folder))
            await _fill(dataclasses.replace(place, owner_url=_in(place.owner_url, fresh)), Path(folder), clock)
            await _swap(server, name, fresh)
            await asyncio.to_thread(_put_back, Path(folder), place)
    finally:
        await _ddl(server, _DROP, fresh)
        await server.close()
    return manifest


async def _fill(fresh: Place, folder: Path, clock: Clock) -> None:
    """The dump into a new database, and what time has made untrue of it."""
    await _program(fresh, "pg_restore", "--no-owner", "--exit-on-error", str(folder / _DUMP))
    pool = await open_pool(fresh.owner_url, maximum=1, name="restore", patience=_STATEMENT_S)
    try:
        now = clock.now()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(_SETTLE, now)
            await connection.execute(_DISTRUST, now)
    finally:
        await pool.close()


async def _swap(server: Pool, name: str, fresh: str) -> None:
    """The new database takes the old one's name. Conflict when somebody is connected to the old one."""
    before = f"{name}_before_restore"
    await _ddl(server, _DROP, before)
    try:
        await _ddl(server, _RENAME, name, before)
    except asyncpg.ObjectInUseError as error:
        raise Conflict("somebody is connected to the database", code="backup.running") from error
    await _ddl(server, _RENAME, fresh, name)
    await _ddl(server, _RESTRICT, name)
    await _ddl(server, _ADMIT, name)
    await _ddl(server, _DROP, before)


async def _ddl(server: Pool, quoted: str, *names: str) -> None:
    """Run DDL whose names the server has quoted."""
    await server.execute(await server.fetchval(quoted, *names))


def _in(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _check_free(pool: Pool, *, replace: bool) -> None:
    busy: Sequence[str] = await pool.fetchval(_BUSY) or ()
    if busy:
        raise Conflict(f"still running: {', '.join(sorted(busy))}", code="backup.running")
    if await pool.fetchval(_TABLES) and await pool.fetchval(_TENANTS) and not replace:
        raise Conflict("this installation has tenants", code="backup.not_empty")


def _unpack(source: Path, folder: Path) -> None:
    """Only what a backup holds: plain files inside its folder (Python 3.11.2 has no extraction filters yet)."""
    base = folder.resolve()
    with tarfile.open(source) as tar:
        for member in tar:
            target = (base / member.name).resolve()
            content = tar.extractfile(member) if member.isfile() else None
            if content is None or not target.is_relative_to(base):
                raise Invalid(
                    f"{source} holds {member.name!r}, which no backup does", field="file", remedy="do not use it"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)


def _put_back(folder: Path, place: Place) -> None:
    """Media are added to what is there: a file's name is its content. The key is kept beside one that differs."""
    for path in sorted((folder / _MEDIA).rglob("*")):
        if path.is_file():
            target = place.media / path.relative_to(folder / _MEDIA)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    saved = folder / KEY
    if saved.exists():
        if place.key.exists() and place.key.read_bytes() != saved.read_bytes():
            place.key.replace(place.key.with_suffix(".before-restore"))
        place.key.parent.mkdir(parents=True, exist_ok=True)
        place.key.touch(mode=0o600)
        place.key.write_bytes(saved.read_bytes())


async def _program(place: Place, name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on the database; the password goes through the environment, never the command line."""
    parts = urlsplit(place.owner_url)
    environment = os.environ | {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
    into = ("--dbname", parts.path.lstrip("/")) if name == "pg_restore" else ()
    try:
        process = await asyncio.create_subprocess_exec(
            place.programs / name,
            *into,
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise Permanent(f"{name} cannot be run: {error.strerror}", code="backup.program") from error
    _, problem = await process.communicate()
    if process.returncode:
        last = problem.decode(errors="replace").strip().splitlines()[-1:]
        raise Permanent(f"{name} failed: {' '.join(last)}", code="backup.failed")

"""A backup brings everything back, on an installation that has moved on or lost all."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from battcrm.infra.embedded.locate import postgres_bin
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.services.backup import Place, _unpack, backup, inspect, restore
from tests.support.database import with_database

_TENANT = (
    "INSERT INTO tenant (tenant_id, bucket, slug, name, config_version, created_at) VALUES ($1, $2, $3, $3, 1, $4)"
)
_MESSAGE = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, received_at)
VALUES ($1, $2, $3, $3, 1, 'in', 'client', 'message', 'сколько стоит экран?', $4)
"""
_OUTGOING = """
INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, part, author, state, message_id, due_at,
                      created_at)
VALUES ($1, $2, $3, $2, $2, 1, 0, 'bot', $4, $2, $5, $5)
"""
_COUNTS = """
SELECT (SELECT count(*) FROM tenant) AS tenants, (SELECT count(*) FROM message) AS messages,
       (SELECT text FROM message LIMIT 1) AS text, (SELECT array_agg(state ORDER BY state) FROM outgoing) AS states
"""
_POLICIES = "SELECT tablename, policyname, roles::text[] FROM pg_policies ORDER BY 1, 2"
_PARTITIONS = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1"


@pytest.fixture
async def database(pg_url: str, worker: str) -> AsyncIterator[str]:
    """A database of its own, as restoring replaces it whole."""
    name = f"backup_{worker}"
    server = await asyncpg.connect(pg_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE battcrm_template")
    yield with_database(pg_url, name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
def place(database: str, tmp_path: Path) -> Place:
    media = tmp_path / "media"
    (media / "ab").mkdir(parents=True)
    (media / "ab" / "abcd").write_bytes(b"picture")
    (tmp_path / "secret.key").write_text("the key of then", "ascii")
    return Place(database, postgres_bin(), media, tmp_path / "secret.key")


async def filled(url: str) -> tuple[asyncpg.Connection, Any]:
    connection = await asyncpg.connect(url)
    clock = SystemClock()
    ids, now = IdFactory(clock), clock.now()
    tenant = ids.new()
    await connection.execute(_TENANT, tenant, bucket_of(tenant), "shop", now)
    await connection.execute(_MESSAGE, tenant, ids.new(), ids.new(), now)
    for state in ("pending", "sending", "sent"):
        due = now if state != "sent" else None
        await connection.execute(_OUTGOING, tenant, ids.new(), bucket_of(tenant), state, due or now)
    return connection, tenant


async def test_what_was_there_is_there_again(place: Place, tmp_path: Path) -> None:
    connection, tenant = await filled(place.owner_url)
    shape = (await connection.fetch(_POLICIES), await connection.fetch(_PARTITIONS))
    target = tmp_path / "shop.backup"
    made = await backup(place, target, SystemClock())
    assert (made.tenants, made.media) == (1, 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert inspect(target).revision == made.revision
    # Everything goes on, and goes wrong.
    await connection.execute("UPDATE message SET text = 'changed since' WHERE tenant_id = $1", tenant)
    await connection.execute("DELETE FROM outgoing WHERE tenant_id = $1", tenant)
    await connection.execute(_TENANT, IdFactory(SystemClock()).new(), 1, "newer", SystemClock().now())
    (place.media / "ab" / "abcd").unlink()
    place.key.write_text("another key", "ascii")
    with pytest.raises(Conflict, match="has tenants"):
        await restore(place, target, SystemClock())
    with pytest.raises(Conflict, match="somebody is connected"):
        await restore(place, target, SystemClock(), replace=True)
    await connection.close()
    await restore(place, target, SystemClock(), replace=True)
    connection = await asyncpg.connect(place.owner_url)
    row = await connection.fetchrow(_COUNTS)
    assert row is not None
    assert (row["tenants"], row["messages"], row["text"]) == (1, 1, "сколько стоит экран?")
    assert row["states"] == ["sent", "unknown", "unknown"], "what waited may have been sent since"
    assert (await connection.fetch(_POLICIES), await connection.fetch(_PARTITIONS)) == shape
    assert (place.media / "ab" / "abcd").read_bytes() == b"picture"
    assert place.key.read_text("ascii") == "the key of then"
    assert place.key.with_suffix(".before-restore").read_text("ascii") == "another key"
    await connection.close()


async def test_nothing_is_restored_under_running_roles(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "empty.backup"
    await backup(place, target, SystemClock())
    role = await asyncpg.connect(place.owner_url, server_settings={"application_name": "battcrm-relay"})
    with pytest.raises(Conflict, match="battcrm-relay"):
        await restore(place, target, SystemClock(), replace=True)
    await role.close()


async def test_a_backup_that_breaks_off_changes_nothing(place: Place, tmp_path: Path) -> None:
    connection, _ = await filled(place.owner_url)
    target = tmp_path / "cut.backup"
    await backup(place, target, SystemClock())
    broken = tmp_path / "broken.backup"
    with tarfile.open(target) as old, tarfile.open(broken, "w") as new:
        for member in old.getmembers():
            data = old.extractfile(member)
            if member.name == "database.dump":
                member.size = member.size * 2 // 3
            new.addfile(member, data)
    with pytest.raises(Exception, match="pg_restore failed"):
        await restore(place, broken, SystemClock(), replace=True)
    row = await connection.fetchrow(_COUNTS)
    assert row is not None
    assert (row["tenants"], row["states"]) == (1, ["pending", "sending", "sent"])
    await connection.close()


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("hello", "utf-8")
    with pytest.raises(Invalid, match="is no backup"):
        inspect(file)


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    """Whoever hands over a file hands over its names too."""
    good, bad, link = tmp_path / "good.tar", tmp_path / "bad.tar", tmp_path / "link.tar"
    for path, name in ((good, "media/a/b"), (bad, "../escaped")):
        with tarfile.open(path, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"data"))
    with tarfile.open(link, "w") as tar:
        pointer = tarfile.TarInfo("media/link")
        pointer.type, pointer.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(pointer)
    folder = tmp_path / "folder"
    folder.mkdir()
    _unpack(good, folder)
    assert (folder / "media/a/b").read_bytes() == b"data"
    for path in (bad, link):
        with pytest.raises(Invalid, match="which no backup does"):
            _unpack(path, folder)
    assert not (tmp_path / "escaped").exists()

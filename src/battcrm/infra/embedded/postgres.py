"""An own PostgreSQL cluster: durable, loopback only, one owner role and two roles under row-level security."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg
import psutil

from battcrm.infra.embedded import identity, locate, process
from battcrm.infra.embedded.home import Credentials, Home, write_private
from battcrm.infra.embedded.process import LOOPBACK
from battcrm.infra.embedded.server import Launch, Progress
from battcrm.kit.errors import AuthExpired, Permanent, Transient, wording

DATABASE: Final = "battcrm"
OWNER, WORKER, API = "battcrm_owner", "battcrm_worker", "battcrm_api"

_CONFIGURATION: Final = """\
# Written at every start; changes are lost.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 200
authentication_timeout = 10min
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 192MB
max_wal_size = 2GB
wal_compression = {wal_compression}
checkpoint_timeout = 15min
jit = off
autovacuum_naptime = 3s
idle_in_transaction_session_timeout = 60s
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
"""
_ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = $1"
_CREATE_ROLE: Final = "SELECT format('CREATE ROLE %I LOGIN NOBYPASSRLS PASSWORD %L', $1::text, $2::text)"
_CREATE_OWNER: Final = "SELECT format('CREATE ROLE %I LOGIN NOBYPASSRLS CREATEDB PASSWORD %L', $1::text, $2::text)"
_DATABASE_EXISTS: Final = "SELECT 1 FROM pg_database WHERE datname = $1"
_CREATE_DATABASE: Final = "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $2::text)"
_RESTRICT: Final = "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text)"
_ADMIT: Final = "SELECT format('GRANT CONNECT ON DATABASE %I TO %I, %I', $1::text, $2::text, $3::text)"
_MONITOR: Final = "SELECT format('GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO %I', $1::text)"


class Postgres:
    """The cluster in `<home>/postgres/data`."""

    name: str = "postgres"
    default_ports: tuple[int, ...] = (15432,)
    port_refused: bytes = b""
    ask_to_end: signal.Signals = signal.SIGINT  # fast shutdown: sessions are cut, a checkpoint is written

    def __init__(self, home: Home, credentials: Credentials) -> None:
        self._home = home
        self._credentials = credentials
        self._data = home.root / self.name / "data"

    @property
    def marker(self) -> Path:
        return self._data

    def url(self, ports: tuple[int, ...], role: str = OWNER) -> str:
        """Connection URL of one of the three roles, password included."""
        password = {OWNER: self._credentials.owner, WORKER: self._credentials.worker, API: self._credentials.api}[role]
        return f"postgresql://{role}:{quote(password, safe='')}@{LOOPBACK}:{ports[0]}/{DATABASE}"

    async def prepare(self, progress: Progress) -> None:
        way = await asyncio.to_thread(self._way)
        if not self._data.exists():
            progress(self.name, "creating the cluster")
            await asyncio.to_thread(self._initialise, way)
        await asyncio.to_thread(identity.own, self._data, way.owner)
        self._drop_stale_pid()

    def _way(self) -> identity.RunAs:
        folder = self._home.folder(self.name)
        return identity.choose(locate.postgres_bin(), folder, folder)

    def _initialise(self, way: identity.RunAs) -> None:
        """Make the cluster beside the final place, then rename: a crash leaves no half-made cluster."""
        partial = self._data.with_name("data.partial")
        secret = self._data.with_name("initial-password")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        write_private(secret, self._credentials.postgres)
        try:
            if way.owner is not None:
                for path in (partial, secret):
                    os.chown(path, way.owner.uid, way.owner.gid)
            code, output = process.run(
                way.command(
                    "initdb",
                    "--pgdata",
                    partial,
                    "--username=postgres",
                    f"--pwfile={secret}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ),
                identity=way.identity,
            )
        finally:
            secret.unlink(missing_ok=True)
        if code != 0:
            raise Permanent(f"initdb failed with code {code}:\n{output}", code="embedded.postgres.initdb")
        partial.rename(self._data)

    def _drop_stale_pid(self) -> None:
        """After a crash the pid in the lock file may belong to another program, which PostgreSQL would take for itself.

        A file held by a live `postgres` stays, so that two servers (of two containers, say) never share the data.
        """
        lock = self._data / "postmaster.pid"
        try:
            holder = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            held = holder.name() == "postgres" and holder.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            held = False
        if not held:
            lock.unlink(missing_ok=True)

    def launch(self, ports: tuple[int, ...]) -> Launch:
        way = self._way()
        text = _CONFIGURATION.format(host=LOOPBACK, port=ports[0], wal_compression=_wal_compression(way))
        configuration = self._data / "postgresql.conf"
        write_private(configuration, text)
        if way.owner is not None:
            os.chown(configuration, way.owner.uid, way.owner.gid)
        return Launch(tuple(way.command("postgres", "-D", self._data)), Path("/"), way.identity)

    async def ask(self, ports: tuple[int, ...]) -> str:
        connection = await self._connect(ports)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    async def settle(self, ports: tuple[int, ...]) -> None:
        connection = await self._connect(ports)
        try:
            if await connection.fetchval(_DATABASE_EXISTS, DATABASE) is None:
                await self._make_database(connection)
        finally:
            await connection.close()

    async def _make_database(self, connection: asyncpg.Connection) -> None:
        """The roles, then the database, which marks the work as done. Names are quoted by the server."""
        known = self._credentials
        for create, role, password in (
            (_CREATE_OWNER, OWNER, known.owner),
            (_CREATE_ROLE, WORKER, known.worker),
            (_CREATE_ROLE, API, known.api),
        ):
            if await connection.fetchval(_ROLE_EXISTS, role) is None:
                await connection.execute(await connection.fetchval(create, role, password))
        await connection.execute(await connection.fetchval(_MONITOR, OWNER))
        await connection.execute(await connection.fetchval(_CREATE_DATABASE, DATABASE, OWNER))
        await connection.execute(await connection.fetchval(_RESTRICT, DATABASE))
        await connection.execute(await connection.fetchval(_ADMIT, DATABASE, WORKER, API))

    async def _connect(self, ports: tuple[int, ...]) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                host=LOOPBACK,
                port=ports[0],
                user="postgres",
                password=self._credentials.postgres,
                database="postgres",
                ssl=False,
                timeout=30,
            )
        except asyncpg.InvalidPasswordError as error:
            raise AuthExpired("PostgreSQL refuses the password of this home", code="embedded.postgres.auth") from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
            raise Transient(f"PostgreSQL does not answer: {wording(error)}", code="embedded.postgres") from error


def _wal_compression(way: identity.RunAs) -> str:
    """lz4 is worth its CPU; the built-in algorithm is not."""
    code, output = process.run([way.programs / "pg_config", "--configure"])
    return "lz4" if code == 0 and "--with-lz4" in output else "off"

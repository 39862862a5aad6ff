"""Start, attach, stop and crash of the embedded servers, with the real programs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from battcrm.infra import embedded
from battcrm.infra.embedded import process
from battcrm.infra.embedded.home import Home, Record
from battcrm.kit.errors import Invalid
from tests.support.waiting import eventually

BOTH = frozenset({"postgres", "redis"})
_CHILD = Path(__file__).with_name("child.py")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="battcrm-embedded-"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def stopped_after(home: Path) -> AsyncIterator[Path]:
    yield home
    await embedded.stop(home)


def pids(home: Path) -> dict[str, int]:
    return {name: record.pid for name in embedded.ALL if (record := Home(home).record(name)) and record.pid}


def owner(path: Path) -> int:
    return path.stat().st_uid


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def value(url: str, query: str, *arguments: object) -> object:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def test_everything_starts_is_found_again_and_keeps_its_data(stopped_after: Path) -> None:
    first = await embedded.start(stopped_after)
    assert first.started == embedded.ALL
    await value(first.postgres_url, "CREATE TABLE kept (n int)")
    await value(first.postgres_url, "INSERT INTO kept VALUES (7)")
    async with Redis.from_url(first.redis_url) as client:
        await client.set("kept", "7")

    second = await embedded.start(stopped_after)
    assert second.started == frozenset()
    assert second.postgres_url == first.postgres_url
    await second.stop()
    assert all(state.running for state in await embedded.status(stopped_after))

    await first.stop()
    assert not any(state.running for state in await embedded.status(stopped_after))
    third = await embedded.start(stopped_after)
    assert await value(third.postgres_url, "SELECT n FROM kept") == 7
    async with Redis.from_url(third.redis_url) as client:
        assert await client.get("kept") == b"7"
    assert "ArcadeDB" in third.versions["graph"]


async def test_servers_are_durable_private_and_on_loopback_only(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after)
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await value(running.postgres_url, "SELECT current_setting($1)", name) == "on"
    async with Redis.from_url(running.redis_url, decode_responses=True) as client:
        assert await client.config_get("appendonly", "appendfsync", "maxmemory-policy") == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
    passwords = Home(stopped_after).credentials()
    secrets = [getattr(passwords, name) for name in type(passwords).__slots__]
    for pid in pids(stopped_after).values():
        listening = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening
        assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1"}
        assert not [s for s in secrets if s in " ".join(psutil.Process(pid).cmdline())]
    for path in ("credentials.json", "redis/valkey.conf", "graph/root-password"):
        assert mode(stopped_after / path) == 0o600
    assert not [
        url for url in (running.redis_url, running.postgres_url, running.neo4j_password) if url in repr(running)
    ]


async def test_wrong_password_is_refused(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after, which=BOTH)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(running.postgres_url, password="wrong", ssl=False)


async def test_roles_differ_in_power(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after, which=frozenset({"postgres"}))
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    for url, user in ((running.postgres_url, "owner"), (running.worker_url, "worker"), (running.api_url, "api")):
        assert await value(url, "SELECT current_user::text") == f"battcrm_{user}"
        assert await value(url, query) is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await value(running.api_url, "CREATE TABLE public.intruder (n int)")


async def test_another_program_on_the_usual_port_is_left_alone(stopped_after: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Home(stopped_after).remember("redis", Record((port,)))
        running = await embedded.start(stopped_after, which=frozenset({"redis"}))
        assert f":{port}/" not in running.redis_url


async def test_two_homes_run_side_by_side(stopped_after: Path) -> None:
    first, second = await asyncio.gather(
        embedded.start(stopped_after, which=BOTH), embedded.start(stopped_after.with_name("other"), which=BOTH)
    )
    try:
        assert first.started == second.started == BOTH
        assert first.postgres_url.rpartition("@")[2] != second.postgres_url.rpartition("@")[2]
    finally:
        await second.stop()


async def test_concurrent_starts_of_one_home_give_one_set(stopped_after: Path) -> None:
    both = await asyncio.gather(*(embedded.start(stopped_after, which=BOTH) for _ in range(2)))
    assert sorted(len(r.started) for r in both) == [0, 2]
    assert both[0].postgres_url == both[1].postgres_url


def spawn_child(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(_CHILD), str(home), *arguments], stdout=subprocess.PIPE, text=True)


async def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return (await asyncio.to_thread(child.stdout.readline)).strip()


@pytest.mark.parametrize("parent_mode", [0o700, 0o755])
async def test_servers_end_with_a_parent_that_is_killed_and_recover(stopped_after: Path, parent_mode: int) -> None:
    stopped_after.parent.chmod(parent_mode)  # as root: in a user namespace, or as the user nobody
    with spawn_child(stopped_after, "owned") as child:
        assert await said(child) == "up"
        before = pids(stopped_after)
        assert before.keys() == embedded.ALL
        child.kill()
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in before.values()), what="servers end")
    log = (stopped_after / "postgres" / "server.log").read_text()
    assert "database system is shut down" in log
    again = await embedded.start(stopped_after, which=BOTH)
    assert again.started == BOTH


async def test_detached_servers_outlive_their_starter_and_are_stopped_by_pid(stopped_after: Path) -> None:
    with spawn_child(stopped_after, "detached") as child:
        assert await said(child) == "up"
        child.kill()
    before = pids(stopped_after)
    found = await embedded.attach(stopped_after)
    assert found is not None
    assert found.started == frozenset()
    assert await embedded.stop(stopped_after) == embedded.ALL
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in before.values()), what="servers end")


async def test_killed_servers_recover_what_was_committed(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after, which=BOTH)
    await value(running.postgres_url, "CREATE TABLE kept (n int)")
    await value(running.postgres_url, "INSERT INTO kept VALUES (7)")
    before = pids(stopped_after)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    again = await embedded.start(stopped_after, which=BOTH)
    assert again.started == BOTH
    assert await value(again.postgres_url, "SELECT n FROM kept") == 7


async def test_a_reused_pid_is_not_taken_for_the_server(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after, which=BOTH)
    ports = {name: record.ports for name in BOTH if (record := Home(stopped_after).record(name))}
    await running.stop()
    own = psutil.Process()
    for name in BOTH:
        Home(stopped_after).remember(name, Record(ports[name], own.pid, own.create_time()))
    (stopped_after / "postgres" / "data" / "postmaster.pid").write_text(f"{own.pid}\n")
    assert not any(state.running for state in await embedded.status(stopped_after))
    assert await embedded.stop(stopped_after) == frozenset()
    assert (await embedded.start(stopped_after, which=BOTH)).started == BOTH


async def test_a_server_whose_record_is_lost_is_found_by_its_command_line(stopped_after: Path) -> None:
    running = await embedded.start(stopped_after, which=BOTH)
    before = pids(stopped_after)
    for name in BOTH:
        record = Home(stopped_after).record(name)
        assert record is not None
        Home(stopped_after).remember(name, Record(record.ports))  # as before the start was noted
    again = await embedded.start(stopped_after, which=BOTH)
    assert again.started == frozenset()
    assert pids(stopped_after) == before
    await running.stop()


async def test_a_crash_during_initialisation_is_repaired(stopped_after: Path) -> None:
    half = Home(stopped_after).folder("postgres") / "data.partial"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    assert (await embedded.start(stopped_after, which=frozenset({"postgres"}))).started == {"postgres"}


async def test_private_folder_above_the_home(stopped_after: Path) -> None:
    stopped_after.parent.chmod(0o700)
    running = await embedded.start(stopped_after, which=frozenset({"postgres"}))
    assert await value(running.postgres_url, "SELECT 1") == 1
    assert mode(stopped_after / "postgres" / "data") == 0o700


async def test_as_an_ordinary_user(stopped_after: Path) -> None:
    stopped_after.parent.chmod(0o777)
    with spawn_child(stopped_after, "owned", "ordinary") as child:
        assert await said(child) == "up"
        assert {psutil.Process(pid).uids().real for pid in pids(stopped_after).values()} == {owner(stopped_after)}
        child.send_signal(signal.SIGTERM)
    assert owner(stopped_after) != 0
    assert mode(stopped_after) == 0o700


def test_an_unusable_home_names_the_variable(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(Invalid) as caught:
        asyncio.run(embedded.start(home, which=BOTH))
    assert caught.value.field == "BATTCRM_HOME"
    assert caught.value.remedy


def test_unknown_server_is_refused(home: Path) -> None:
    with pytest.raises(Invalid, match="mongo"):
        asyncio.run(embedded.start(home, which=frozenset({"mongo"})))
    assert not home.exists()


async def test_temporary_servers_leave_nothing(home: Path) -> None:
    async with embedded.temporary(BOTH) as running:
        assert await value(running.postgres_url, "SELECT 1") == 1
        live = list(pids(running.home).values())
    assert not running.home.exists()
    assert not any(psutil.pid_exists(pid) for pid in live)


def test_chosen_ports_differ() -> None:
    first = process.choose_ports((0, 0))
    assert len(set(first)) == 2

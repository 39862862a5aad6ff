"""The world of a run: throw-away servers, emulators and our roles, each in its own process."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import psutil

from battcrm.devkit.bench.seed import Shop, seed_shops
from battcrm.infra import embedded
from battcrm.infra.embedded.process import free_port
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Permanent

KEY: Final = base64.b64encode(b"bench-key-bench-key-bench-key-32").decode()
_ROLES: Final = ("processor", "ai-worker", "out-worker", "relay", "event-processor", "caretaker")
WORKER_ROLES: Final = ",".join(_ROLES)
_START_S: Final = 300.0  # a busy machine takes long; a process that has ended is noticed at once


@dataclass(slots=True)
class Bench:
    """Addresses and processes of a running world."""

    database_url: str
    gateway_url: str
    telegram_url: str
    model_url: str
    shops: list[Shop]
    servers: embedded.Running
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def pids(self) -> dict[str, list[psutil.Process]]:
        """Processes by the name they have in the report, with their children."""
        groups: dict[str, list[psutil.Process]] = {}
        for name, process in self.processes.items():
            groups[name] = _family(process.pid)
        for name, port in (("postgres", self.servers.postgres_url), ("valkey", self.servers.redis_url)):
            groups[name] = listening_on(urlsplit(port).port)
        if self.servers.neo4j_url:
            groups["graph"] = listening_on(urlsplit(self.servers.neo4j_url).port)
        return groups


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def listening_on(port: int | None) -> list[psutil.Process]:
    """The process that listens on a port, with its children; empty when none does."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.pid or len(connection.laddr) < 2:
            continue
        if connection.laddr[1] == port:
            return _family(connection.pid)
    return []


@dataclass(frozen=True, slots=True)
class Shape:
    """What the world is made of."""

    tenants: int = 200
    graph: bool = True
    model: bool = True
    workers: int = 1
    split: bool = False
    """Each role in a process of its own, as containers have it."""
    debounce: float = 0.0
    model_ms: tuple[int, int] = (500, 1500)
    gateway_port: int = 0
    log: Path | None = None


@asynccontextmanager
async def world(shape: Shape, folder: Path) -> AsyncIterator[Bench]:
    """Start everything, hand it over, stop everything."""
    which = embedded.ALL if shape.graph else embedded.ALL - {"graph"}
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded.temporary(which))
        await upgrade(servers.postgres_url)
        owner = await open_pool(servers.postgres_url, maximum=2, name="bench-owner")
        await maintain(owner, SystemClock().now())
        processes: dict[str, asyncio.subprocess.Process] = {}
        stack.push_async_callback(stop_all, processes)
        telegram = await start_emulator("telegram", processes, folder)
        model = await start_emulator("openai", processes, folder, *_latency(shape)) if shape.model else ""
        shops = await seed_shops(servers.postgres_url, telegram, base64.b64decode(KEY), shape.tenants, shape.debounce)
        await owner.close()
        gateway_port = shape.gateway_port or free_port()
        env = environment_of(servers, model, gateway_port)
        await start_role("gateway", "gateway", env, processes, folder)
        for name, roles in _worker_processes(shape):
            await start_role(name, roles, env, processes, folder)
        bench = Bench(
            servers.postgres_url, f"http://127.0.0.1:{gateway_port}", telegram, model, shops, servers, processes, env
        )
        await wait_ready(bench)
        yield bench


def _worker_processes(shape: Shape) -> list[tuple[str, str]]:
    """Names and roles of the processes beside the gateway."""
    if shape.split:
        return [(role, role) for role in _ROLES]
    if shape.workers == 1:
        return [("worker", WORKER_ROLES)]
    return [(f"worker-{number + 1}", WORKER_ROLES) for number in range(shape.workers)]


def _latency(shape: Shape) -> Sequence[str]:
    low, high = shape.model_ms
    return ("--latency-ms", f"{low}-{high}")


def environment_of(servers: embedded.Running, model: str, gateway_port: int) -> dict[str, str]:
    """What our roles are told."""
    env = dict(os.environ)
    env |= {
        "DATABASE_URL": servers.worker_url,
        "BATTCRM_OWNER_URL": servers.postgres_url,
        "REDIS_URL": servers.redis_url,
        "BATTCRM_SECRET_KEYS": KEY,
        "BATTCRM_GATEWAY_PORT": str(gateway_port),
        "BATTCRM_LOG_LEVEL": "warning",
    }
    if servers.neo4j_url:
        env |= {
            "NEO4J_URL": servers.neo4j_url,
            "NEO4J_USER": servers.neo4j_user,
            "NEO4J_PASSWORD": servers.neo4j_password,
            "NEO4J_DATABASE": servers.neo4j_database,
        }
    if model:
        env |= {"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": f"{model}/v1"}
    return env


async def start_emulator(
    name: str, processes: dict[str, asyncio.subprocess.Process], folder: Path, *options: str
) -> str:
    """Start an emulator as a process of its own; its address."""
    command = (sys.executable, "-m", f"battcrm.devkit.emulators.{name}", "--port", "0", *options)
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
    processes[f"emulator-{name}"] = process
    if process.stdout is None:
        raise Permanent(f"the {name} emulator has no output")
    async with asyncio.timeout(_START_S):
        line = (await process.stdout.readline()).decode().strip()
    if not line.startswith("http"):
        raise Permanent(f"the {name} emulator did not start; see {folder / (name + '.log')}")
    return line


async def start_role(
    name: str, roles: str, env: dict[str, str], processes: dict[str, asyncio.subprocess.Process], folder: Path
) -> None:
    """Start a process with these roles; its output goes to the folder."""
    command = str(Path(sys.executable).parent / "battcrm")
    with (folder / f"{name}.log").open("wb") as log:
        processes[name] = await asyncio.create_subprocess_exec(command, "run", roles, env=env, stdout=log, stderr=log)


async def wait_ready(bench: Bench) -> None:
    """Until our roles are connected and the gateway listens. Permanent if one of them ended."""
    port = urlsplit(bench.gateway_url).port
    connection = await asyncpg.connect(bench.database_url)
    wanted = sum(1 for name in bench.processes if not name.startswith("emulator"))
    try:
        async with asyncio.timeout(_START_S):
            while True:
                names = await connection.fetch(
                    "SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'battcrm-%'"
                    " /* all tenants: the server's own view */"
                )
                if len(names) >= min(wanted, 2) and await _open(port):
                    return
                dead = [n for n, p in bench.processes.items() if p.returncode is not None]
                if dead:
                    raise Permanent(f"ended at start: {', '.join(dead)}")
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


def check_alive(bench: Bench, folder: Path) -> None:
    """Permanent, with the last line of its log, if a process that serves the load has ended."""
    for name, process in bench.processes.items():
        if process.returncode is not None and name != "generator":
            log = folder / f"{name}.log"
            said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            raise Permanent(f"{name} ended under the load: {said[-1] if said else process.returncode}")


async def _open(port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def stop_all(processes: dict[str, asyncio.subprocess.Process]) -> None:
    """Roles first, emulators last; what does not end is killed."""
    for name in sorted(processes, key=lambda n: n.startswith("emulator")):
        process = processes[name]
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

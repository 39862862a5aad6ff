"""A real Neo4j on this machine, for the contract suite: `python -m battcrm.devkit.neo4j_server`.

Maven fetches Neo4j Community into HOME/lib once; Java 17 or 21 runs it on the loopback interface, without a password,
until Ctrl-C. The embedded server serves development and demo; this one proves that we run on the original.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import BattError, Invalid, Permanent

_POM: Final = Path(__file__).resolve().parents[3] / "deploy" / "neo4j" / "pom.xml"
_MAIN: Final = "org.neo4j.server.CommunityEntryPoint"
_OPENS: Final = ("java.nio", "java.io", "java.lang", "sun.nio.ch")
_START_SECONDS: Final = 120.0


def fetch_command(lib: Path) -> list[str]:
    """How Maven fills `lib`."""
    return [
        _program("mvn", "install Maven"),
        *("-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", "-DincludeScope=runtime"),
        f"-DoutputDirectory={lib}",
    ]


@dataclass(frozen=True, slots=True)
class Memory:
    """What the server may use, in Java's units. The default is enough for the contract suite and small for a load."""

    heap: str = "1g"
    pages: str = "64m"


def server_command(home: Path, memory: Memory) -> list[str]:
    """How Java runs what Maven fetched."""
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENS]
    java = _program("java", "install a Java 17 or 21 runtime")
    places = [f"--home-dir={home}", f"--config-dir={home / 'conf'}"]
    heap = f"-Xmx{memory.heap}"
    return [java, "-Xms64m", heap, "-XX:+UseSerialGC", *opens, "-cp", f"{home / 'lib'}/*", _MAIN, *places]


def configuration(port: int, memory: Memory) -> str:
    """The whole neo4j.conf: Bolt on loopback, nothing else, nothing reported home."""
    lines = {
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.http.enabled": "false",
        "server.https.enabled": "false",
        "dbms.security.auth_enabled": "false",
        "dbms.usage_report.enabled": "false",
        "server.memory.pagecache.size": memory.pages,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


async def prepare(home: Path, port: int, memory: Memory) -> None:
    """Fetch what is missing and write the configuration. Permanent when Maven fails."""
    lib, conf = home / "lib", home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "neo4j.conf").write_text(configuration(port, memory))
    if (lib / "complete").exists():
        return
    if not _POM.exists():
        raise Invalid(f"{_POM} is missing", field="pom.xml", remedy="run this from a source checkout")
    maven = await asyncio.create_subprocess_exec(*fetch_command(lib))
    if await maven.wait() != 0:
        raise Permanent("Maven could not fetch Neo4j", code="neo4j.fetch")
    (lib / "complete").touch()


async def serve(home: Path, port: int, clock: Clock, memory: Memory) -> int:
    """Run the server until a signal comes. Returns its exit code; 0 after an orderly stop."""
    await prepare(home, port, memory)
    command = server_command(home, memory)
    process = await asyncio.create_subprocess_exec(*command, stdout=sys.stderr, stderr=sys.stderr)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(process.wait())
        asked = tasks.create_task(stop.wait())
        ready = tasks.create_task(_announce(port, clock))
        await asyncio.wait({gone, asked}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if process.returncode is None:
            process.terminate()
        await gone
        asked.cancel()
    return 0 if stop.is_set() else process.returncode or 1


async def _announce(port: int, clock: Clock) -> None:
    deadline = clock.monotonic() + _START_SECONDS
    while clock.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            typer.echo(f"bolt://127.0.0.1:{port} is ready (user neo4j, any password); Ctrl-C stops it")
            return
        await clock.sleep(0.2)
    typer.echo(f"port {port} is still closed; see the messages above", err=True)


def _program(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Invalid(f"{name} is not on the path", field=name, remedy=remedy)
    return found


def main(
    home: Annotated[Path, typer.Option(help="Where libraries and data go.")] = Path(".battcrm/neo4j"),
    port: Annotated[int, typer.Option(help="Bolt port on 127.0.0.1.")] = 7687,
    heap: Annotated[str, typer.Option(help="Java heap at most, such as 2g.")] = Memory().heap,
    pages: Annotated[str, typer.Option(help="Page cache, such as 1g.")] = Memory().pages,
) -> None:
    """Fetch (once) and run Neo4j Community on this machine."""
    try:
        code = asyncio.run(serve(home.resolve(), port, SystemClock(), Memory(heap, pages)))
    except BattError as error:
        typer.echo(f"error: {error.text}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)

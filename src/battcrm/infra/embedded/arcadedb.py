"""An own graph server: ArcadeDB's Bolt door, the local stand-in for Neo4j, in a JVM of its own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from battcrm.infra.embedded import bolt, locate
from battcrm.infra.embedded.home import Credentials, Home, write_private
from battcrm.infra.embedded.process import LOOPBACK
from battcrm.infra.embedded.server import Launch, Progress

DATABASE: Final = "battcrm"
USER: Final = "root"
_HEAP_MB: Final = 160
_PAGES_MB: Final = 40
_NICE: Final = 5


class ArcadeDb:
    """The server whose data is in `<home>/graph/data`. Ports: Bolt, HTTP."""

    name: str = "graph"
    default_ports: tuple[int, ...] = (17687, 12480)
    port_refused: bytes = b"Unable to listen to a HTTP port"
    ask_to_end: signal.Signals = signal.SIGTERM

    def __init__(self, home: Home, credentials: Credentials) -> None:
        self._home = home
        self._credentials = credentials

    @property
    def marker(self) -> Path:
        return self._home.root / self.name / "java.args"

    def url(self, ports: tuple[int, ...]) -> str:
        """Bolt URL, without user and password."""
        return f"bolt://{LOOPBACK}:{ports[0]}"

    def http_url(self, ports: tuple[int, ...]) -> str:
        """Address of the HTTP API (databases, SQL), without user and password."""
        return f"http://{LOOPBACK}:{ports[1]}"

    async def prepare(self, progress: Progress) -> None:  # noqa: ARG002 - nothing takes long here
        self._home.folder(self.name, "data")

    def launch(self, ports: tuple[int, ...]) -> Launch:
        data = self._home.folder(self.name, "data")
        secret = self._home.root / self.name / "root-password"
        write_private(secret, self._credentials.graph)
        jvm = locate.arcadedb()
        properties = {
            "server.rootPath": data,
            "server.rootPasswordPath": secret,
            "server.logsDirectory": data / "log",
            "server.httpIncomingHost": LOOPBACK,
            "server.httpIncomingPort": ports[1],
            "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "server.defaultDatabases": f"{DATABASE}[{USER}]",
            "bolt.host": LOOPBACK,
            "bolt.port": ports[0],
            "bolt.defaultDatabase": DATABASE,
            # Three hundred megabytes in all, also with a hundred thousand appeals; what falls out is on the disk.
            "maxPageRAM": _PAGES_MB,
            "indexCompactionRAM": _PAGES_MB,
        }
        arguments = [
            "-Xms64m",
            f"-Xmx{_HEAP_MB}m",
            "-XX:+UseSerialGC",
            # The second compiler costs more than a small server ever gets back: twice the start, twice the work a query.
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Djava.awt.headless=true",
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            f"{jvm.jars}/*",
            *(f"-Darcadedb.{name}={value}" for name, value in properties.items()),
            "com.arcadedb.server.ArcadeDBServer",
        ]
        write_private(self.marker, "\n".join(_quoted(part) for part in arguments) + "\n")
        # It follows the database and answers what a turn can do without: a message in hand goes before.
        return Launch((jvm.java, f"@{self.marker}"), data, nice=_NICE)

    async def ask(self, ports: tuple[int, ...]) -> str:
        return await bolt.ask_version(LOOPBACK, ports[0], USER, self._credentials.graph, database=DATABASE)

    async def settle(self, ports: tuple[int, ...]) -> None:
        """Nothing to make: the database is made at the first start."""


def _quoted(argument: str) -> str:
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

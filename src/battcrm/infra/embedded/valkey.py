"""An own Valkey: append-only file, nothing evicted, loopback only, password required."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from battcrm.infra.embedded import locate
from battcrm.infra.embedded.home import Credentials, Home, write_private
from battcrm.infra.embedded.process import LOOPBACK
from battcrm.infra.embedded.server import Launch, Progress
from battcrm.kit.errors import AuthExpired, Transient, wording

_CONFIGURATION: Final = """\
# Written at every start; changes are lost.
bind {host}
port {port}
protected-mode yes
requirepass {password}
daemonize no
set-proc-title no
databases 64
dir "{data}"
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


class Valkey:
    """The server whose data is in `<home>/redis/data`."""

    name: str = "redis"
    default_ports: tuple[int, ...] = (16379,)
    port_refused: bytes = b""
    ask_to_end: signal.Signals = signal.SIGTERM

    def __init__(self, home: Home, credentials: Credentials) -> None:
        self._home = home
        self._credentials = credentials

    @property
    def marker(self) -> Path:
        return self._home.root / self.name / "valkey.conf"

    def url(self, ports: tuple[int, ...]) -> str:
        """Connection URL of database 0, password included."""
        return f"redis://:{quote(self._credentials.redis, safe='')}@{LOOPBACK}:{ports[0]}/0"

    async def prepare(self, progress: Progress) -> None:  # noqa: ARG002 - nothing takes long here
        self._home.folder(self.name, "data")

    def launch(self, ports: tuple[int, ...]) -> Launch:
        data = self._home.folder(self.name, "data")
        quoted = str(data).replace("\\", "\\\\").replace('"', '\\"')
        write_private(
            self.marker,
            _CONFIGURATION.format(host=LOOPBACK, port=ports[0], password=self._credentials.redis, data=quoted),
        )
        return Launch((locate.valkey_server(), self.marker), data)

    async def ask(self, ports: tuple[int, ...]) -> str:
        client = Redis(
            host=LOOPBACK,
            port=ports[0],
            password=self._credentials.redis,
            socket_timeout=30,
            retry=Retry(NoBackoff(), 0),  # the caller asks again at its own pace
        )
        try:
            info = await client.info("server")
        except AuthenticationError as error:
            raise AuthExpired("Valkey refuses the password of this home", code="embedded.redis.auth") from error
        except (RedisError, OSError) as error:
            raise Transient(f"Valkey does not answer: {wording(error)}", code="embedded.redis") from error
        finally:
            await client.aclose()
        return str(info.get("valkey_version") or info["redis_version"])

    async def settle(self, ports: tuple[int, ...]) -> None:
        """Nothing to make: databases exist by number."""

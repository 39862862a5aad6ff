"""Waking an n8n execution that waits for its answer.

The address comes out of a task, so it is not trusted: scheme, exact host and beginning of the path must be allowed,
nothing is followed, and nothing of the answer is used but its status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError, Invalid, Permanent, Transient
from battcrm.migration.queue.settings import Resume

_TIMEOUT_S: Final = 10.0
# n8n answers 409 until the execution has been parked, a matter of milliseconds.
_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_RUNNING: Final = re.compile(rb"running", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


class Poster(Protocol):
    """The part of an HTTP client that is used."""

    async def request(
        self, method: str, url: str, *, json: Any = None, timeout: float = 20.0, idempotent: bool = False
    ) -> HttpResponse: ...


class Resumer:
    """Posts answers to waiting executions."""

    def __init__(self, http: Poster, clock: Clock, allowed: Resume) -> None:
        self._http, self._clock = http, clock
        self._hosts = frozenset(host.lower() for host in allowed.hosts)
        self._paths = allowed.paths

    def check(self, url: str) -> str:
        """The address, if it is one of those that may be resumed. Invalid says what is not allowed, without the address."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise _refused("it is no address") from None
        if parts.scheme not in ("http", "https") or parts.username is not None or parts.password is not None:
            raise _refused("only http and https without credentials")
        host = f"[{host}]" if ":" in host else host
        if not _HOST.fullmatch(host) or any(c in url for c in "\\\r\n\t ") or not url.isascii():
            raise _refused("it is no plain address")
        if (host if port is None else f"{host}:{port}") not in self._hosts:
            raise _refused("its host is not in resume.hosts")
        path = unquote(parts.path)
        if ".." in path or "//" in path or not path.startswith(self._paths):
            raise _refused("its path is not in resume.paths")
        return url

    async def post(self, url: str, answer: Mapping[str, Any]) -> str:
        """Resume; `resumed`, or `gone` when nobody waits there any more. Transient to try again later, Permanent if refused."""
        allowed = self.check(url)
        for pause in (*_PAUSES_S, None):
            # A second try of one that was taken is answered "gone": repeating it does no harm.
            answered = await self._http.request("POST", allowed, json=dict(answer), timeout=_TIMEOUT_S, idempotent=True)
            if not _still_running(answered):
                return _outcome(answered)
            if pause is not None:
                await self._clock.sleep(pause)
        raise Transient("n8n has not parked the execution yet", code="not_parked")


def _still_running(answered: HttpResponse) -> bool:
    """409 means two things: not parked yet, and finished already (where n8n keeps finished executions)."""
    return answered.status == 409 and _RUNNING.search(answered.body) is not None


def _outcome(answered: HttpResponse) -> str:
    if answered.status in (404, 409, 410):
        return "gone"
    if answered.status < 300:
        return "resumed"
    if answered.status == 429 or answered.status >= 500:
        raise Transient(f"n8n answered {answered.status}", code="n8n")
    raise Permanent(f"n8n refused the answer: {answered.status}", code="n8n_refused")


def _refused(why: str) -> BattError:
    return Invalid(f"the resume address is not allowed: {why}", field="resume_url", code="resume_url")

"""Fetching files from addresses that came from outside: only through a client that guards each hop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.transport.base import HttpClient


@runtime_checkable
class Downloads(Protocol):
    """The guarded download of infra/http.py."""

    async def download(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        trusted: bool = False,
        redirects: int = 3,
    ) -> HttpResponse:
        """GET at most `max_bytes`. Invalid for a private address or too much (code `too_large`), Transient otherwise."""
        ...


async def fetch(http: HttpClient, url: str, max_bytes: int) -> HttpResponse:
    """A file by its public address, without credentials. Permanent if gone, too large or private, Transient if not there."""
    if not isinstance(http, Downloads):
        raise Permanent("this client fetches no foreign addresses", code="no_file")
    try:
        answer = await http.download(url, max_bytes=max_bytes)
    except Invalid as error:
        raise Permanent(error.text, code="file_too_big" if error.code == "too_large" else "no_file") from None
    if answer.status in (403, 404, 410):
        raise Permanent(f"the file is gone ({answer.status})", code="no_file")
    if answer.status != 200:
        raise Transient(f"the file's address answered {answer.status}", code="file_not_ready")
    return answer

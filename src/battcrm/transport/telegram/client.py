"""The Bot API over HTTP for one bot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.kit.text import dumps
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.downloads import Downloads
from battcrm.transport.telegram.errors import result_of

BASE_URL: Final = "https://api.telegram.org"
MAX_FILE: Final = 20 * 1024 * 1024

File = tuple[str, bytes, str]


class BotApi:
    """Calls methods of one bot; the token never leaves this class except in the request's path."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        """Raises Invalid if the account has no token."""
        token = account.secrets.get("token", "")
        if ":" not in token or "/" in token:
            raise Invalid("the bot token is missing or malformed", field="token", remedy="copy it from @BotFather")
        self._base = (account.base_url or BASE_URL).rstrip("/")
        self._token = token
        self._http = http

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, File] | None = None,
        timeout: float = 20.0,
        idempotent: bool = False,
    ) -> Any:
        """The method's `result`. None-valued arguments are left out. Errors: telegram/errors.py, infra/http.py."""
        given = {k: v for k, v in (arguments or {}).items() if v is not None}
        url = f"{self._base}/bot{self._token}/{method}"
        if files:
            form = {k: v if isinstance(v, str) else dumps(v).decode() for k, v in given.items()}
            answer = await self._http.request(
                "POST", url, form=form, files=files, timeout=timeout, idempotent=idempotent
            )
        else:
            answer = await self._http.request("POST", url, json=given, timeout=timeout, idempotent=idempotent)
        return result_of(answer, idempotent=idempotent)

    async def file(self, file_id: str, max_bytes: int = MAX_FILE) -> bytes:
        """The bytes of a file sent to the bot (at most 20 MB on the cloud server). Permanent if it is larger."""
        described = wire.obj(await self.call("getFile", {"file_id": file_id}, idempotent=True))
        path = wire.text(described.get("file_path"))
        if path is None or ".." in path.split("/"):
            raise Transient("Telegram has no path for the file yet", code="file_not_ready")
        answer = await self._download(f"{self._base}/file/bot{self._token}/{path.lstrip('/')}", max_bytes)
        if answer.status != 200:
            raise Transient(f"file download answered {answer.status}", code="file_not_ready")
        return answer.body

    async def _download(self, url: str, max_bytes: int) -> HttpResponse:
        if not isinstance(self._http, Downloads):
            return await self._http.request("GET", url, timeout=60.0, idempotent=True)
        try:
            return await self._http.download(url, max_bytes=max_bytes, trusted=True, redirects=0)
        except Invalid as error:
            raise Permanent("the file is too large", code="file_too_big") from error

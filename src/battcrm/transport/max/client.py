"""MAX's bot API over HTTP for one bot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.max.errors import result_of

BASE_URL: Final = "https://platform-api2.max.ru"
UPLOAD_TIMEOUT: Final = 120.0
# What we read; other types would only cost traffic.
UPDATES: Final = (
    "message_created",
    "message_callback",
    "message_edited",
    "message_removed",
    "bot_started",
    "bot_stopped",
    "dialog_removed",
)

File = tuple[str, bytes, str]


class MaxApi:
    """Calls of one bot. The token goes into the Authorization header, bare, and to no other host.

    The API's certificate ends in a root that no default store has: `http` must be a view with the account's setting
    `ca_bundle` (infra/http.py, `for_settings`).
    """

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        """Raises Invalid if the account has no token."""
        token = account.secrets.get("token", "")
        if not token:
            raise Invalid("the bot's token is missing", field="token", remedy="business.max.ru → Чат-боты → settings")
        self._base = (account.base_url or BASE_URL).rstrip("/")
        self._headers = {"Authorization": token}
        self._http = http

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        timeout: float = 20.0,
        idempotent: bool = False,
    ) -> dict[str, Any]:
        """The answer's object. Errors: max/errors.py, infra/http.py."""
        try:
            answer = await self._http.request(
                method,
                self._base + path,
                headers=self._headers,
                params=params,
                json=json,
                timeout=timeout,
                idempotent=idempotent,
            )
        except Transient as error:
            if error.code != "certificate":
                raise
            raise Transient(
                f"{error.text}; set ca_bundle to MAX's root", code="certificate", retry_after=60.0
            ) from None
        return result_of(answer, idempotent=idempotent)

    async def upload(self, kind: str, file: File) -> dict[str, Any]:
        """The attachment of an uploaded file; `kind` is image | video | audio | file. Nothing is shown to anybody yet.

        An address takes one file and gets no token of ours. Pictures and files are named by the upload's answer, video
        and sound by the first one: their upload answers in XML.
        """
        given = await self.call("POST", "/uploads", params={"type": kind}, timeout=10.0, idempotent=True)
        url, early = wire.text(given.get("url")), wire.text(given.get("token"))
        if url is None:
            raise Permanent("MAX gave no address to upload to", code="upload_refused")
        answer = await self._http.request("POST", url, files={"data": file}, timeout=UPLOAD_TIMEOUT, idempotent=True)
        if answer.status >= 500 or answer.status == 429:
            raise Transient(f"MAX's upload answered {answer.status}", code="unavailable")
        token = _uploaded(kind, answer, early)
        if token is None:
            raise Permanent(f"MAX refused the file ({answer.status})", code="file_refused")
        return {"type": kind, "payload": {"token": token}}

    async def video_url(self, token: str) -> str | None:
        """Where a video can be fetched, in the best quality there is."""
        described = await self.call("GET", f"/videos/{quote(token, safe='')}", timeout=10.0, idempotent=True)
        urls = wire.obj(described.get("urls"))
        known = (f"mp4_{height}" for height in (1080, 720, 480, 360, 240, 144))
        return next((url for name in known if (url := wire.text(urls.get(name)))), None)

    async def subscriptions(self) -> list[dict[str, Any]]:
        """The bot's webhooks: `url`, `update_types`."""
        found = await self.call("GET", "/subscriptions", timeout=10.0, idempotent=True)
        return wire.objects(found.get("subscriptions"))


def _uploaded(kind: str, answer: HttpResponse, early: str | None) -> str | None:
    if not 200 <= answer.status < 300:
        return None
    if kind in ("video", "audio"):
        refused = b"<retval>" in answer.body and b"<retval>1</retval>" not in answer.body
        return None if refused else early
    try:
        document = wire.obj(loads(answer.body))
    except (ValueError, RecursionError):
        return None
    if kind == "image":
        photos = wire.obj(document.get("photos")).values()
        return next((token for photo in photos if (token := wire.text(wire.obj(photo).get("token")))), None)
    return wire.text(document.get("token"))

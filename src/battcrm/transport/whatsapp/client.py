"""Graph API over HTTP for one WhatsApp number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from battcrm.kit.errors import Invalid, Permanent, Transient
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.whatsapp.errors import result_of

BASE_URL: Final = "https://graph.facebook.com"
API_VERSION: Final = "v26.0"
UPLOAD_TIMEOUT: Final = 120.0

File = tuple[str, bytes, str]


class CloudApi:
    """Calls of one number; the token goes into the Authorization header and nowhere else."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        """Raises Invalid if the account has no token."""
        token = account.secrets.get("token", "")
        if not token:
            raise Invalid("the access token is missing", field="token", remedy="make a system user's permanent token")
        base = (account.base_url or BASE_URL).rstrip("/")
        self._base = f"{base}/{account.settings.get('api_version') or API_VERSION}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._number = account.account_ref
        self._http = http

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET an object of the graph."""
        answer = await self._http.request(
            "GET", f"{self._base}/{path}", params=params, headers=self._headers, timeout=10.0, idempotent=True
        )
        return result_of(answer, idempotent=True)

    async def post(
        self, path: str, body: Mapping[str, Any], *, timeout: float = 20.0, idempotent: bool = False
    ) -> dict[str, Any]:
        """POST JSON. Errors: whatsapp/errors.py, infra/http.py."""
        answer = await self._http.request(
            "POST", f"{self._base}/{path}", json=body, headers=self._headers, timeout=timeout, idempotent=idempotent
        )
        return result_of(answer, idempotent=idempotent)

    async def message(
        self, body: Mapping[str, Any], *, timeout: float = 20.0, idempotent: bool = False
    ) -> dict[str, Any]:
        """POST to the number's `messages`: a message, or a read mark."""
        document = {"messaging_product": "whatsapp", **body}
        return await self.post(f"{self._number}/messages", document, timeout=timeout, idempotent=idempotent)

    async def upload(self, file: File) -> str:
        """The media id of an uploaded file (kept for 30 days). Nothing is shown to anybody yet."""
        answer = await self._http.request(
            "POST",
            f"{self._base}/{self._number}/media",
            form={"messaging_product": "whatsapp", "type": file[2]},
            files={"file": file},
            headers=self._headers,
            timeout=UPLOAD_TIMEOUT,
            idempotent=True,
        )
        media_id = wire.ident(result_of(answer, idempotent=True).get("id"))
        if media_id is None:
            raise Permanent("WhatsApp did not name the uploaded file", code="file_refused")
        return media_id

    async def media(self, media_id: str) -> dict[str, Any]:
        """`url` (for 5 minutes), `mime_type`, `sha256`, `file_size` of a media id (7 days for received ones)."""
        return await self.get(media_id, {"phone_number_id": self._number})

    async def download(self, url: str) -> bytes:
        """The bytes behind a media url; the platform wants the token here too. Transient if it is not there."""
        answer = await self._http.request("GET", url, headers=self._headers, timeout=60.0, idempotent=True)
        if answer.status != 200:
            raise Transient(f"media download answered {answer.status}", code="file_not_ready")
        return answer.body

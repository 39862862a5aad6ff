"""Files that people sent: pictures by their address, voice messages by their id."""

from __future__ import annotations

from battcrm.kit.errors import Permanent
from battcrm.models.unified import Attachment
from battcrm.transport.avito.client import AvitoApi
from battcrm.transport.base import ChannelAccount, FetchedFile, HttpClient
from battcrm.transport.downloads import fetch


class AvitoFiles:
    """Fetches attachments without our token: their addresses are signed."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._api = AvitoApi(account, http)
        self._http = http

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The bytes. Permanent if there is no address, nothing behind it, or more than `max_bytes`."""
        url = attachment.url
        if attachment.kind == "voice" and attachment.ref:
            url = await self._api.voice_url(attachment.ref)
        if not url:
            raise Permanent("the attachment has no file", code="no_file")
        answer = await fetch(self._http, url, max_bytes)
        mime = answer.headers.get("content-type", "").partition(";")[0].strip()
        return FetchedFile(answer.body, attachment.mime or mime or None, attachment.filename)

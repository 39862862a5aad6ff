"""Files that people sent: signed addresses, fetched at once and without our token."""

from __future__ import annotations

from battcrm.kit.errors import Permanent
from battcrm.models.unified import Attachment
from battcrm.transport.base import ChannelAccount, FetchedFile, HttpClient
from battcrm.transport.downloads import fetch
from battcrm.transport.max.client import MaxApi


class MaxFiles:
    """Fetches attachments by their address; a video without one by its token."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._api = MaxApi(account, http)
        self._http = http

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The bytes. Permanent if there is no address, nothing behind it, or more than `max_bytes`."""
        if attachment.size is not None and attachment.size > max_bytes:
            raise Permanent("the file is too large", code="file_too_big")
        url = attachment.url
        if url is None and attachment.kind == "video" and attachment.ref:
            url = await self._api.video_url(attachment.ref)
        if url is None:
            raise Permanent("the attachment has no file", code="no_file")
        answer = await fetch(self._http, url, max_bytes)
        mime = answer.headers.get("content-type", "").partition(";")[0].strip()
        return FetchedFile(answer.body, attachment.mime or mime or None, attachment.filename)

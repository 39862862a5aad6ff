"""Files that people sent to the community."""

from __future__ import annotations

from battcrm.kit.errors import Permanent
from battcrm.models.unified import Attachment
from battcrm.transport.base import ChannelAccount, FetchedFile, HttpClient
from battcrm.transport.downloads import fetch


class VkFiles:
    """Fetches attachments by the signed addresses VK gives; our key goes to none of them."""

    def __init__(self, _account: ChannelAccount, http: HttpClient) -> None:
        self._http = http

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The bytes. Permanent if there is no address (videos), nothing behind it, or more than `max_bytes`.

        Addresses expire within hours or days; a fresh one comes with the message read again (`Manifest.hydrator`).
        """
        if not attachment.url:
            raise Permanent("VK gives no address of this file", code="no_file")
        answer = await fetch(self._http, attachment.url, max_bytes)
        mime = answer.headers.get("content-type", "").partition(";")[0].strip()
        return FetchedFile(answer.body, attachment.mime or mime or None, attachment.filename)

"""Files that people sent to the number."""

from __future__ import annotations

from battcrm.kit.errors import Permanent
from battcrm.models.unified import Attachment
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, FetchedFile, HttpClient
from battcrm.transport.whatsapp.client import CloudApi


class WhatsAppFiles:
    """Fetches attachments by their media id: ask for the address, then read it at once."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._api = CloudApi(account, http)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The bytes. Permanent if the media is gone (after 7 days) or over `max_bytes`."""
        if attachment.ref is None:
            raise Permanent("the attachment has no file", code="no_file")
        described = await self._api.media(attachment.ref)
        url = wire.text(described.get("url"))
        if url is None:
            raise Permanent("WhatsApp has no address for the file", code="no_file")
        if (wire.whole(described.get("file_size")) or 0) > max_bytes:
            raise Permanent("the file is too large", code="file_too_big")
        content = await self._api.download(url)
        if len(content) > max_bytes:
            raise Permanent("the file is too large", code="file_too_big")
        mime = wire.text(described.get("mime_type")) or attachment.mime
        return FetchedFile(content, mime, attachment.filename)

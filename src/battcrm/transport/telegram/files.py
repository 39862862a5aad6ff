"""Files that people sent to the bot."""

from __future__ import annotations

from battcrm.kit.errors import Permanent
from battcrm.models.unified import Attachment
from battcrm.transport.base import ChannelAccount, FetchedFile, HttpClient
from battcrm.transport.telegram.client import BotApi


class TelegramFiles:
    """Fetches attachments by their `file_id`."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._api = BotApi(account, http)

    async def fetch(self, attachment: Attachment, max_bytes: int) -> FetchedFile:
        """The bytes. Permanent if Telegram does not give it to bots (over 20 MB) or it is over `max_bytes`."""
        if attachment.ref is None:
            raise Permanent("the attachment has no file", code="no_file")
        if attachment.size is not None and attachment.size > max_bytes:
            raise Permanent("the file is too large", code="file_too_big")
        content = await self._api.file(attachment.ref, max_bytes)
        if len(content) > max_bytes:
            raise Permanent("the file is too large", code="file_too_big")
        return FetchedFile(content, attachment.mime, attachment.filename)

"""Speaking to people from an Avito account. There is no idempotency key: an unknown outcome stays unknown."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Permanent
from battcrm.models.outgoing import OutAttachment, OutgoingCommand, Sent
from battcrm.transport import wire
from battcrm.transport.avito.client import AvitoApi, File
from battcrm.transport.avito.contacts import forbidden_in, without_contacts
from battcrm.transport.avito.errors import CONTENT_POLICY
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient
from battcrm.transport.degrade import Piece, plan
from battcrm.transport.sending import send_pieces

MB: Final = 1024 * 1024
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/bmp", "image/heic"})
CORRECTED: Final = {"ru": "Исправлено:", "en": "Corrected:"}

CAPABILITIES: Final = Capabilities(
    text_limit=1000,
    caption_limit=None,
    mark_read=True,
    attachments_out=frozenset({"photo"}),
    max_file_out=24 * MB,
    max_file_in=24 * MB,
    # Unpublished; Avito tells in headers when it is too much.
    per_second=5.0,
    per_chat_interval=1.0,
    forbids_contacts=True,
)


class AvitoSender:
    """Sender of one account. It writes into existing chats only: Avito lets nobody write first."""

    def __init__(
        self,
        account: ChannelAccount,
        http: HttpClient,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._api = AvitoApi(account, http, clock=clock)
        self._account = account
        # A link in a first answer gets the message hidden, and repeated contacts get the account blocked.
        self._contacts_allowed = account.settings.get("allow_contacts") is True

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver the command; buttons are numbered text, what is over a limit becomes several messages.

        Permanent (`content_policy`) before anything is sent if any part names a phone, an address outside Avito, a mail
        or a nick, unless the setting `allow_contacts` is on; what the bot wrote goes without them instead. Nothing can be
        edited: a correction says so.
        """
        if command.context.get("author") == "bot" and not self._contacts_allowed:
            command = replace(command, text=without_contacts(command.text))
        if command.edit_of:
            mark = CORRECTED.get(str(command.context.get("locale") or "ru"), CORRECTED["ru"])
            command = replace(command, text=f"{mark} {command.text}")
        pieces = plan(_links_as_text(command), CAPABILITIES)
        self._check_content(pieces)

        async def one(piece: Piece, _: int) -> Sent:
            return await self._piece(command.conversation_id, piece)

        return await send_pieces(pieces, one)

    def _check_content(self, pieces: tuple[Piece, ...]) -> None:
        if self._contacts_allowed:
            return
        reason = forbidden_in("\n".join(piece.text for piece in pieces))
        if reason is not None:
            raise Permanent(f"Avito hides messages with contacts: the text has a {reason}", code=CONTENT_POLICY)

    async def _piece(self, chat_id: str, piece: Piece) -> Sent:
        if piece.attachment is not None:
            image = await self._api.upload_image(await asyncio.to_thread(_read, piece.attachment))
            return _sent(await self._api.in_chat("POST", chat_id, "messages/image", json={"image_id": image}))
        body = {"type": "text", "message": {"text": piece.text}}
        return _sent(await self._api.in_chat("POST", chat_id, "messages", json=body))

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Nothing: Avito has no buttons."""

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:
        """Nothing. Avito shows no typing, and a chat that is marked as read is hidden from the reconciliation."""

    async def mark_read(self, conversation_id: str) -> None:
        """Mark the whole chat as read; a refusal is no error."""
        try:
            await self._api.read(conversation_id)
        except AuthExpired:
            raise
        except BattError:
            return

    async def check(self) -> dict[str, Any]:
        """account_ref, title and link of the account, and `secrets` where asking used up the refresh token that was given.

        AuthExpired if the key is refused, Permanent (`wrong_account`) if it is another account's.
        """
        found = await self._api.whoami()
        number = wire.ident(found.get("id"))
        if self._account.account_ref not in ("", number):
            raise Permanent("the key belongs to another Avito account", code="wrong_account")
        described: dict[str, Any] = {
            "account_ref": number,
            "username": None,
            "title": wire.text(found.get("name")),
            "link": wire.text(found.get("profile_url")),
        }
        newest = self._api.tokens.newest_refresh_token
        if self._account.tokens is None and newest:
            described["secrets"] = {"refresh_token": newest}
        return described


def _sent(answer: Any) -> Sent:
    return Sent(wire.ident(wire.obj(answer).get("id")))


def _links_as_text(command: OutgoingCommand) -> OutgoingCommand:
    """Avito takes uploaded pictures only; a public address goes into the text (if contacts are allowed there)."""
    links = [item.url for item in command.attachments if not item.path and item.url]
    if not links:
        return command
    text = "\n".join(part for part in (command.text, *links) if part)
    return replace(command, text=text, attachments=tuple(item for item in command.attachments if item.path))


def _read(attachment: OutAttachment) -> File:
    if not attachment.path:
        raise Permanent("the attachment has neither a file nor an address", code="empty")
    path = Path(attachment.path)
    name = attachment.filename or path.name
    mime = attachment.mime or mimetypes.guess_type(name)[0] or "image/jpeg"
    if mime not in IMAGE_TYPES:
        raise Permanent(f"Avito takes no {mime}", code="file_refused")
    try:
        if path.stat().st_size > CAPABILITIES.max_file_out:
            raise Permanent("the picture is over 24 MB", code="file_too_big")
        return name, path.read_bytes(), mime
    except OSError:
        raise Permanent("the file to send is gone", code="file_missing") from None

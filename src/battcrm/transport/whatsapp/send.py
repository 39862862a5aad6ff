"""Speaking to people from a WhatsApp number. There is no idempotency key: an unknown outcome stays unknown."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import AuthExpired, BattError, Permanent
from battcrm.models.outgoing import OutAttachment, OutgoingCommand, Sent
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.degrade import Piece
from battcrm.transport.sending import send_pieces
from battcrm.transport.whatsapp.client import CloudApi, File
from battcrm.transport.whatsapp.compose import (
    CAPABILITIES,
    WORDS,
    media_body,
    media_kind,
    pieces_of,
    template_body,
    text_body,
)
from battcrm.transport.whatsapp.errors import NEEDS_TEMPLATE

CLIENT_REF_LIMIT: Final = 512
_SEND_TIMEOUT: Final = 30.0


class WhatsAppSender:
    """Sender of one number."""

    def __init__(self, account: ChannelAccount, http: HttpClient, *, clock: Clock | None = None) -> None:
        """`clock` decides whether the customer service window is open."""
        self._api = CloudApi(account, http)
        self._account = account
        self._clock = clock or SystemClock()

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver the command; what is over a limit becomes several messages, named in `extra_ids`.

        Without a template nothing is sent once `context["window_expires_at"]` (datetime or RFC 3339; the `window` of
        the last inbound message) has passed: Permanent, code `needs_template`. WhatsApp itself would accept such a
        message and lose it later. Messages cannot be edited: a correction is a new message that says so.
        """
        if command.template is not None:
            return await self._deliver(command, template_body(command.template), first=True)
        if self._closed(command):
            raise Permanent("the 24-hour window is closed: choose a template", code=NEEDS_TEMPLATE)
        locale = str(command.context.get("locale") or "ru")
        if command.edit_of:
            mark = WORDS.get(locale, WORDS["ru"])["corrected"]
            command = replace(command, text=f"{mark} {command.text}", reply_to=command.reply_to or command.edit_of)

        async def one(piece: Piece, index: int) -> Sent:
            body = await self._media(piece) if piece.attachment else text_body(piece, locale)
            return await self._deliver(command, body, first=index == 0)

        return await send_pieces(pieces_of(command), one)

    def _closed(self, command: OutgoingCommand) -> bool:
        expires = _moment(command.context.get("window_expires_at"))
        return expires is not None and self._clock.now() >= expires

    async def _deliver(self, command: OutgoingCommand, body: dict[str, Any], *, first: bool) -> Sent:
        document = {
            "recipient_type": "individual",
            **_address(command.conversation_id),
            **body,
            "biz_opaque_callback_data": command.idempotency_key[:CLIENT_REF_LIMIT],
        }
        if first and command.reply_to:
            document["context"] = {"message_id": command.reply_to}
        answer = await self._api.message(document, timeout=_SEND_TIMEOUT)
        accepted = wire.objects(answer.get("messages"))
        return Sent(wire.ident(accepted[0].get("id")) if accepted else None)

    async def _media(self, piece: Piece) -> dict[str, Any]:
        attachment = piece.attachment
        if attachment is None or not (attachment.path or attachment.url):
            raise Permanent("the attachment has neither a file nor an address", code="empty")
        if attachment.path:
            file = await asyncio.to_thread(_read, attachment)
            kind = media_kind(attachment, file[2], len(file[1]))
            piece = replace(piece, attachment=replace(attachment, filename=file[0]))
            return media_body(kind, {"id": await self._api.upload(file)}, piece)
        kind = media_kind(attachment, attachment.mime or "image/jpeg", 0)
        return media_body(kind, {"link": str(attachment.url)}, piece)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Nothing: WhatsApp's buttons do not wait."""

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:  # noqa: ARG002 - by message here
        """Mark `message_id` (the customer's last one) as read and show typing for up to 25 s; without one, nothing."""
        if message_id:
            await self._seen(message_id, {"typing_indicator": {"type": "text"}})

    async def mark_read(self, conversation_id: str, message_id: str | None = None) -> None:  # noqa: ARG002 - by message
        """Mark a message, and with it all earlier ones, as read."""
        if message_id:
            await self._seen(message_id, {})

    async def _seen(self, message_id: str, more: dict[str, Any]) -> None:
        try:
            body = {"status": "read", "message_id": message_id, **more}
            await self._api.message(body, timeout=5.0, idempotent=True)
        except AuthExpired:
            raise
        except BattError:
            return

    async def check(self) -> dict[str, Any]:
        """account_ref, phone, title, link and quality of the number. AuthExpired if the token is refused."""
        fields = "id,display_phone_number,verified_name,quality_rating"
        number = await self._api.get(self._account.account_ref, {"fields": fields})
        phone = wire.e164(number.get("display_phone_number"))
        return {
            "account_ref": wire.ident(number.get("id")),
            "username": phone,
            "title": wire.text(number.get("verified_name")),
            "link": f"https://wa.me/{phone.removeprefix('+')}" if phone else None,
            "quality": wire.text(number.get("quality_rating")),
        }


def _address(conversation_id: str) -> dict[str, str]:
    """A phone goes into `to`, a business-scoped user id into `recipient`: one in the other's place is refused."""
    digits = conversation_id.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return {"to": digits}
    return {"recipient": conversation_id}


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _read(attachment: OutAttachment) -> File:
    path = Path(str(attachment.path))
    try:
        size = path.stat().st_size
        if size > CAPABILITIES.max_file_out:
            raise Permanent("the file is over 100 MB", code="file_too_big")
        content = path.read_bytes()
    except OSError:
        raise Permanent("the file to send is gone", code="file_missing") from None
    name = attachment.filename or path.name
    return name, content, attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"

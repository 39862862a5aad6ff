"""Speaking to people through a Telegram bot."""

from __future__ import annotations

import asyncio
import html
import mimetypes
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from battcrm.kit.errors import AuthExpired, BattError, Permanent
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand, Sent
from battcrm.transport import wire
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient
from battcrm.transport.degrade import Piece, Rows, native_buttons, plan, with_numbered
from battcrm.transport.sending import send_pieces
from battcrm.transport.telegram.client import BotApi, File
from battcrm.transport.telegram.errors import BAD_MARKUP, NOT_MODIFIED, Migrated

CAPABILITIES: Final = Capabilities(
    text_limit=4096,
    caption_limit=1024,
    text_unit="utf16",
    buttons=100,
    buttons_per_row=8,
    button_title_limit=64,
    button_payload_limit=64,
    url_buttons=True,
    ask_contact=True,
    ask_location=True,
    typing=True,
    edit=True,
    attachments_out=frozenset({"photo", "document", "voice"}),
    max_file_out=50 * 1024 * 1024,
    max_file_in=20 * 1024 * 1024,
    ordered_by_platform=True,
    per_second=30.0,
    per_chat_interval=1.0,
    long_poll=True,
)

_METHODS: Final = {"photo": "sendPhoto", "document": "sendDocument", "voice": "sendVoice"}
_ACTIONS_IN_REPLY_KEYBOARD: Final = {"contact": "request_contact", "location": "request_location"}
_UPLOAD_TIMEOUT: Final = 120.0


class TelegramSender:
    """Sender of one bot."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._api = BotApi(account, http)

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver the command; what is over a limit becomes several messages, named in `extra_ids`."""
        if command.edit_of:
            return await self._edit(command, command.edit_of)
        command = _links_apart(command)
        pieces = plan(command, CAPABILITIES)

        async def one(piece: Piece, index: int) -> Sent:
            return await self._piece(command, piece, first=index == 0)

        return await send_pieces(pieces, one)

    async def _piece(self, command: OutgoingCommand, piece: Piece, *, first: bool) -> Sent:
        arguments: dict[str, Any] = {
            "chat_id": command.conversation_id,
            "disable_notification": True if command.silent else None,
            "reply_parameters": _reply(command.reply_to) if first else None,
            "reply_markup": _markup(piece.buttons),
            "parse_mode": _parse_mode(command),
        }
        if piece.attachment is None:
            arguments["text"] = piece.text
            return await self._message("sendMessage", arguments)
        arguments["caption"] = piece.text or None
        return await self._media(piece.attachment, arguments)

    async def _media(self, attachment: OutAttachment, arguments: dict[str, Any]) -> Sent:
        method = _METHODS[attachment.kind]
        if attachment.path is None:
            if not attachment.url:
                raise Permanent("the attachment has neither a file nor an address", code="empty")
            return await self._message(method, {**arguments, attachment.kind: attachment.url})
        file = await asyncio.to_thread(_read, attachment)
        return await self._message(method, arguments, {attachment.kind: file})

    async def _message(self, method: str, arguments: dict[str, Any], files: dict[str, File] | None = None) -> Sent:
        """Send; a moved group and refused markup are mended once: both refusals mean that nothing was delivered."""
        timeout = _UPLOAD_TIMEOUT if files else 20.0
        try:
            return _sent(await self._api.call(method, arguments, files=files, timeout=timeout))
        except Migrated as moved:
            again = {**arguments, "chat_id": moved.chat_id}
        except Permanent as error:
            if error.code != BAD_MARKUP or not arguments.get("parse_mode"):
                raise
            again = _plain(arguments)
        return _sent(await self._api.call(method, again, files=files, timeout=timeout))

    async def _edit(self, command: OutgoingCommand, message_id: str) -> Sent:
        native = native_buttons(command.buttons, CAPABILITIES)
        arguments = {
            "chat_id": command.conversation_id,
            "message_id": _number(message_id),
            "text": command.text if native is not None else with_numbered(command.text, command.buttons),
            "parse_mode": _parse_mode(command),
            "reply_markup": _markup(native or ()),
        }
        try:
            # Repeating an edit changes nothing, so a lost answer may simply be asked again.
            await self._api.call("editMessageText", arguments, idempotent=True)
        except Permanent as error:
            if error.code != NOT_MODIFIED:
                raise
        return Sent(message_id, message_id)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:  # noqa: ARG002 - Telegram needs no chat
        """Stop the button's spinner; Telegram refuses this after about a minute, which is no error."""
        await self._best_effort("answerCallbackQuery", {"callback_query_id": ack_ref})

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:  # noqa: ARG002 - by chat here
        """Show "typing" for about five seconds."""
        await self._best_effort("sendChatAction", {"chat_id": conversation_id, "action": "typing"})

    async def _best_effort(self, method: str, arguments: dict[str, Any]) -> None:
        try:
            await self._api.call(method, arguments, timeout=5.0, idempotent=True)
        except AuthExpired:
            raise
        except BattError:
            return

    async def check(self) -> dict[str, Any]:
        """`getMe`: account_ref (bot id), username, title, link. AuthExpired if the token is refused."""
        me = wire.obj(await self._api.call("getMe", timeout=10.0, idempotent=True))
        username = me.get("username")
        return {
            "account_ref": wire.ident(me.get("id")),
            "username": username,
            "title": me.get("first_name"),
            "link": f"https://t.me/{username}" if username else None,
        }


def _sent(result: Any) -> Sent:
    ident = wire.ident(wire.obj(result).get("message_id"))
    return Sent(ident, ident)


def _number(ident: str) -> int | str:
    return int(ident) if ident.lstrip("-").isdecimal() and len(ident) < 19 else ident


def _reply(message_id: str | None) -> dict[str, Any] | None:
    if not message_id:
        return None
    return {"message_id": _number(message_id), "allow_sending_without_reply": True}


def _parse_mode(command: OutgoingCommand) -> str | None:
    return "HTML" if command.context.get("format") == "html" else None


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same message without markup: Telegram could not read it."""
    stripped = {k: v for k, v in arguments.items() if k != "parse_mode"}
    for key in ("text", "caption"):
        if stripped.get(key):
            stripped[key] = html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", stripped[key]))
    return stripped


def _links_apart(command: OutgoingCommand) -> OutgoingCommand:
    """A reply keyboard has no links: beside a request for phone or place they go into the text."""
    rows = command.buttons
    if not any(b.kind in _ACTIONS_IN_REPLY_KEYBOARD for row in rows for b in row):
        return command
    links = tuple(tuple(b for b in row if b.kind == "url") for row in rows)
    others = tuple(tuple(b for b in row if b.kind != "url") for row in rows)
    return replace(command, text=with_numbered(command.text, links), buttons=tuple(row for row in others if row))


def _markup(rows: Rows) -> dict[str, Any] | None:
    """An inline keyboard; a request for phone or place needs a reply keyboard, which has room for plain choices only."""
    if not rows:
        return None
    if any(b.kind in _ACTIONS_IN_REPLY_KEYBOARD for row in rows for b in row):
        keys = [[_key(b) for b in row] for row in rows]
        return {"keyboard": keys, "resize_keyboard": True, "one_time_keyboard": True}
    return {"inline_keyboard": [[_inline(b) for b in row] for row in rows]}


def _key(button: OutButton) -> dict[str, Any]:
    action = _ACTIONS_IN_REPLY_KEYBOARD.get(button.kind)
    return {"text": button.title, action: True} if action else {"text": button.title}


def _inline(button: OutButton) -> dict[str, Any]:
    if button.kind == "url":
        return {"text": button.title, "url": button.url}
    return {"text": button.title, "callback_data": button.payload or _short(button.title)}


def _short(title: str) -> str:
    return title.encode()[: CAPABILITIES.button_payload_limit].decode(errors="ignore")


def _read(attachment: OutAttachment) -> File:
    path = Path(str(attachment.path))
    try:
        content = path.read_bytes()
    except OSError:
        raise Permanent("the file to send is gone", code="file_missing") from None
    if len(content) > CAPABILITIES.max_file_out:
        raise Permanent("the file is over 50 MB", code="file_too_big")
    name = attachment.filename or path.name
    return name, content, attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"

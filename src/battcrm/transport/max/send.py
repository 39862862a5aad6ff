"""Speaking to people as a MAX bot. There is no idempotency key: an unknown outcome stays unknown."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import AuthExpired, BattError, Permanent, Transient
from battcrm.models.outgoing import OutAttachment, OutgoingCommand, Sent
from battcrm.transport import wire
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient
from battcrm.transport.degrade import Piece, native_buttons, plan, with_numbered
from battcrm.transport.max.client import File, MaxApi
from battcrm.transport.max.errors import NOT_READY
from battcrm.transport.max.keyboard import BUTTONS, PAYLOAD_LIMIT, ROW_WIDTH, TITLE_LIMIT, keyboard
from battcrm.transport.max.parse import BY_USER
from battcrm.transport.sending import send_pieces

MB: Final = 1024 * 1024
TEXT_LIMIT: Final = 4000
NOT_READY_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
# Shown as a toast; an answer without a word in it is not documented to be allowed.
ACKNOWLEDGED: Final = "✓"
_KINDS: Final = {"photo": "image", "voice": "audio", "video": "video", "document": "file"}
_SIZES: Final = {"image": 50 * MB, "audio": 256 * MB, "video": 250 * MB, "file": 256 * MB}

CAPABILITIES: Final = Capabilities(
    text_limit=TEXT_LIMIT,
    caption_limit=TEXT_LIMIT,
    text_unit="utf16",
    buttons=BUTTONS,
    buttons_per_row=ROW_WIDTH,
    button_title_limit=TITLE_LIMIT,
    button_payload_limit=PAYLOAD_LIMIT,
    url_buttons=True,
    ask_contact=True,
    ask_location=True,
    typing=True,
    edit=True,
    attachments_out=frozenset({"photo", "document", "voice", "video"}),
    # MAX takes files of 4 GB; ours are read into memory.
    max_file_out=256 * MB,
    max_file_in=256 * MB,
    per_second=30.0,
    per_chat_interval=0.5,
    long_poll=True,
)


class MaxSender:
    """Sender of one bot."""

    def __init__(self, account: ChannelAccount, http: HttpClient, *, clock: Clock | None = None) -> None:
        """`clock` measures the pauses while MAX prepares an uploaded file."""
        self._api = MaxApi(account, http)
        self._account = account
        self._clock = clock or SystemClock()

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver the command; what is over a limit becomes several messages, named in `extra_ids`."""
        if command.edit_of:
            return await self._edit(command, command.edit_of)
        pieces = plan(_links_as_text(command), CAPABILITIES)

        async def one(piece: Piece, index: int) -> Sent:
            return await self._piece(command, piece, first=index == 0)

        return await send_pieces(pieces, one)

    async def _piece(self, command: OutgoingCommand, piece: Piece, *, first: bool) -> Sent:
        text, attached = _with_keyboard(piece)
        if piece.attachment is not None:
            attached.insert(0, await self._attachment(piece.attachment))
        body: dict[str, Any] = {"notify": not command.silent}
        if text:
            body["text"] = text
        if attached:
            body["attachments"] = attached
        if first and command.reply_to:
            body["link"] = {"type": "reply", "mid": command.reply_to}
        return await self._message(_address(command.conversation_id), body)

    async def _message(self, address: dict[str, str], body: dict[str, Any]) -> Sent:
        """Send; while MAX still prepares a file it refuses, which proves that nothing was delivered: ask again."""
        for pause in NOT_READY_PAUSES:
            try:
                return _sent(await self._api.call("POST", "/messages", params=address, json=body))
            except Transient as error:
                if error.code != NOT_READY:
                    raise
            await self._clock.sleep(pause)
        return _sent(await self._api.call("POST", "/messages", params=address, json=body))

    async def _attachment(self, attachment: OutAttachment) -> dict[str, Any]:
        kind = _KINDS[attachment.kind]
        if attachment.path:
            return await self._api.upload(kind, await asyncio.to_thread(_read, attachment, kind))
        if attachment.url and kind == "image":
            return {"type": "image", "payload": {"url": attachment.url}}
        raise Permanent("the attachment has neither a file nor an address", code="empty")

    async def _edit(self, command: OutgoingCommand, message_id: str) -> Sent:
        native = native_buttons(command.buttons, CAPABILITIES) if command.buttons else ()
        text = command.text if native is not None else with_numbered(command.text, command.buttons)
        shown, attached = _with_keyboard(Piece(text=text, buttons=native or ()))
        # Repeating an edit changes nothing, so a lost answer may simply be asked again. An empty list removes buttons.
        body = {"text": shown, "attachments": attached}
        await self._api.call("PUT", "/messages", params={"message_id": message_id}, json=body, idempotent=True)
        return Sent(message_id)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:  # noqa: ARG002 - MAX needs no chat
        """Answer a button with a toast; a late or refused answer is no error."""
        await self._best_effort("/answers", {"notification": ACKNOWLEDGED}, {"callback_id": ack_ref})

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:  # noqa: ARG002 - by chat here
        """Show "typing"; documented for groups, harmless elsewhere."""
        if not conversation_id.startswith(BY_USER):
            await self._best_effort(f"/chats/{quote(conversation_id, safe='-')}/actions", {"action": "typing_on"})

    async def delete(self, message_id: str) -> None:
        """Take back a message of ours. Permanent if MAX refuses."""
        await self._api.call("DELETE", "/messages", params={"message_id": message_id}, idempotent=True)

    async def _best_effort(self, path: str, body: dict[str, Any], params: dict[str, str] | None = None) -> None:
        try:
            await self._api.call("POST", path, params=params, json=body, timeout=5.0, idempotent=True)
        except AuthExpired:
            raise
        except BattError:
            return

    async def check(self) -> dict[str, Any]:
        """account_ref, username, title and link of the bot. AuthExpired if the token is refused, Permanent
        (`wrong_account`) if it is another bot's."""
        bot = await self._api.call("GET", "/me", timeout=10.0, idempotent=True)
        number, username = wire.ident(bot.get("user_id")), wire.text(bot.get("username"))
        if self._account.account_ref not in ("", number):
            raise Permanent("the token belongs to another bot", code="wrong_account")
        return {
            "account_ref": number,
            "username": username,
            "title": wire.text(bot.get("name")) or wire.text(bot.get("first_name")),
            "link": f"https://max.ru/{username}" if username else None,
        }


def _with_keyboard(piece: Piece) -> tuple[str, list[dict[str, Any]]]:
    """The text and the keyboard, or the text with the buttons as numbers where they do not fit into rows."""
    if not piece.buttons:
        return piece.text, []
    keys = keyboard(piece.buttons)
    return (piece.text, [keys]) if keys else (with_numbered(piece.text, piece.buttons), [])


def _address(conversation_id: str) -> dict[str, str]:
    if conversation_id.startswith(BY_USER):
        return {"user_id": conversation_id.removeprefix(BY_USER)}
    return {"chat_id": conversation_id}


def _sent(answer: dict[str, Any]) -> Sent:
    body = wire.obj(wire.obj(answer.get("message")).get("body"))
    return Sent(wire.ident(body.get("mid")), wire.ident(body.get("seq")))


def _links_as_text(command: OutgoingCommand) -> OutgoingCommand:
    """Only pictures can be sent by their address; other addresses go into the text, where MAX makes previews."""
    links = [item.url for item in command.attachments if not item.path and item.url and item.kind != "photo"]
    if not links:
        return command
    kept = tuple(item for item in command.attachments if item.path or item.kind == "photo")
    return replace(command, text="\n".join(part for part in (command.text, *links) if part), attachments=kept)


def _read(attachment: OutAttachment, kind: str) -> File:
    path = Path(str(attachment.path))
    try:
        if path.stat().st_size > _SIZES[kind]:
            raise Permanent(f"the file is over {_SIZES[kind] // MB} MB", code="file_too_big")
        content = path.read_bytes()
    except OSError:
        raise Permanent("the file to send is gone", code="file_missing") from None
    name = attachment.filename or path.name
    return name, content, attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"

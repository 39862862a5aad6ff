"""Speaking to people as a VK community. `random_id` makes a repeated send harmless."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from battcrm.kit.errors import AuthExpired, BattError, Permanent
from battcrm.models.outgoing import OutAttachment, OutgoingCommand, Sent
from battcrm.transport import wire
from battcrm.transport.base import Capabilities, ChannelAccount, HttpClient
from battcrm.transport.degrade import Piece, native_buttons, plan, with_numbered
from battcrm.transport.sending import send_pieces
from battcrm.transport.vk.client import File, VkApi, sent_of
from battcrm.transport.vk.errors import BAD_BUTTONS
from battcrm.transport.vk.keyboard import keyboard

TEXT_LIMIT: Final = 4000

CAPABILITIES: Final = Capabilities(
    # The schema allows 9000, people's applications show 4096; the margin is for what VK adds to links.
    text_limit=TEXT_LIMIT,
    caption_limit=TEXT_LIMIT,
    buttons=10,
    buttons_per_row=5,
    button_title_limit=40,
    button_payload_limit=240,
    url_buttons=True,
    ask_location=True,
    typing=True,
    mark_read=True,
    edit=True,
    receipts=frozenset({"read"}),
    attachments_out=frozenset({"photo", "document", "voice"}),
    max_file_out=50 * 1024 * 1024,
    max_file_in=200 * 1024 * 1024,
    idempotent_send=True,
    ordered_by_platform=True,
    per_second=20.0,
    per_chat_interval=0.35,
    long_poll=True,
)


def random_id(idempotency_key: str, part: int) -> int:
    """VK's idempotency key: a positive int32, the same for the same part of the same command, never 0."""
    digest = hashlib.blake2b(f"{idempotency_key}:{part}".encode(), digest_size=4).digest()
    return (int.from_bytes(digest, "big") & 0x7FFFFFFF) or 1


class VkSender:
    """Sender of one community."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        self._account = account
        self._api = VkApi(account, http)
        # An old client without inline keyboards is rare; a tenant whose customers have them can switch.
        self._inline = account.settings.get("inline_keyboard", True) is not False
        self._reference = account.settings.get("echo_reference", True) is not False

    async def send(self, command: OutgoingCommand) -> Sent:
        """Deliver the command. It may be repeated after any error: delivered parts are recognised by `random_id`."""
        if command.edit_of:
            return await self._edit(command, command.edit_of)
        pieces = plan(_links_as_text(command), CAPABILITIES)

        async def one(piece: Piece, index: int) -> Sent:
            return await self._piece(command, piece, index)

        return await send_pieces(pieces, one, idempotent=True)

    async def _piece(self, command: OutgoingCommand, piece: Piece, index: int) -> Sent:
        arguments: dict[str, Any] = {
            "peer_ids": command.conversation_id,
            "random_id": random_id(command.idempotency_key, index),
            "message": piece.text or None,
            "reply_to": command.reply_to if index == 0 else None,
            # Comes back in VK's echo of the message and settles a send whose answer was lost.
            "payload": {"ref": command.idempotency_key} if self._reference else None,
        }
        if piece.attachment is not None:
            file = await asyncio.to_thread(_read, piece.attachment)
            arguments["attachment"] = await self._api.upload(piece.attachment.kind, command.conversation_id, file)
        keys = keyboard(piece.buttons, inline=self._inline) if piece.buttons else None
        if piece.buttons and keys is None:
            arguments["message"] = with_numbered(piece.text, piece.buttons)
        try:
            return await self._message({**arguments, "keyboard": keys})
        except Permanent as error:
            if keys is None or error.code != BAD_BUTTONS:
                raise
        # Keyboards are refused where the community has no bot features; the choice still reaches the customer.
        return await self._message({**arguments, "message": with_numbered(piece.text, piece.buttons)})

    async def _message(self, arguments: dict[str, Any]) -> Sent:
        item = sent_of(await self._api.call("messages.send", arguments))
        return Sent(wire.ident(item.get("message_id")), wire.ident(item.get("conversation_message_id")))

    async def _edit(self, command: OutgoingCommand, message_id: str) -> Sent:
        native = native_buttons(command.buttons, CAPABILITIES) if command.buttons else None
        keys = keyboard(native, inline=self._inline) if native else None
        text = command.text if keys or not command.buttons else with_numbered(command.text, command.buttons)
        arguments = {
            "peer_id": command.conversation_id,
            "message_id": message_id,
            "message": text,
            "keyboard": keys,
            "keep_forward_messages": True,
        }
        # Repeating an edit changes nothing, so a lost answer may simply be asked again.
        await self._api.call("messages.edit", arguments, idempotent=True)
        return Sent(message_id)

    async def acknowledge(self, ack_ref: str, conversation_id: str) -> None:
        """Stop the spinner of a callback button; VK refuses this after about a minute, which is no error."""
        event_id, _, user = ack_ref.partition(":")
        arguments = {"event_id": event_id, "user_id": user or conversation_id, "peer_id": conversation_id}
        await self._best_effort("messages.sendMessageEventAnswer", arguments)

    async def typing(self, conversation_id: str, message_id: str | None = None) -> None:  # noqa: ARG002 - by chat here
        """Show "typing" for about ten seconds, and the conversation as read."""
        await self.mark_read(conversation_id)
        await self._best_effort("messages.setActivity", {"peer_id": conversation_id, "type": "typing"})

    async def mark_read(self, conversation_id: str) -> None:
        """Mark the whole conversation as read."""
        arguments = {"peer_id": conversation_id, "mark_conversation_as_read": True}
        await self._best_effort("messages.markAsRead", arguments)

    async def _best_effort(self, method: str, arguments: dict[str, Any]) -> None:
        try:
            await self._api.call(method, arguments, timeout=5.0, idempotent=True)
        except AuthExpired:
            raise
        except BattError:
            return

    async def check(self) -> dict[str, Any]:
        """account_ref, username, title, link, permissions, and `settings` to store before the webhook is registered.

        AuthExpired if the key is refused, Permanent (`wrong_community`, `no_permission`) if it is another community's
        or lacks the right to write messages.
        """
        rights = wire.obj(await self._api.call("groups.getTokenPermissions", timeout=10.0, idempotent=True))
        names = [wire.text(item.get("name")) for item in wire.objects(rights.get("permissions"))]
        if "messages" not in names:
            raise Permanent("the key has no right to write messages", code="no_permission")
        ref = self._account.account_ref
        found = await self._api.call("groups.getById", {"group_id": ref}, timeout=10.0, idempotent=True)
        groups = wire.objects(found) or wire.objects(wire.obj(found).get("groups"))
        group = groups[0] if groups else {}
        if wire.ident(group.get("id")) != ref:
            raise Permanent("the key belongs to another community", code="wrong_community")
        code = wire.obj(
            await self._api.call("groups.getCallbackConfirmationCode", {"group_id": ref}, timeout=10.0, idempotent=True)
        )
        username = wire.text(group.get("screen_name"))
        return {
            "account_ref": ref,
            "username": username,
            "title": wire.text(group.get("name")),
            "link": f"https://vk.me/{username}" if username else None,
            "permissions": sorted(name for name in names if name),
            "settings": {"confirmation": wire.text(code.get("code"))},
        }


def _links_as_text(command: OutgoingCommand) -> OutgoingCommand:
    """VK takes uploaded files only; a public address goes into the text, where VK makes a preview of it."""
    links = [item.url for item in command.attachments if not item.path and item.url]
    if not links:
        return command
    text = "\n".join(part for part in (command.text, *links) if part)
    return replace(command, text=text, attachments=tuple(item for item in command.attachments if item.path))


def _read(attachment: OutAttachment) -> File:
    if not attachment.path:
        raise Permanent("the attachment has neither a file nor an address", code="empty")
    path = Path(attachment.path)
    try:
        content = path.read_bytes()
    except OSError:
        raise Permanent("the file to send is gone", code="file_missing") from None
    if len(content) > CAPABILITIES.max_file_out:
        raise Permanent("the file is over 50 MB", code="file_too_big")
    name = attachment.filename or path.name
    return name, content, attachment.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"

"""What people do in the emulated Telegram; each act becomes an update."""

from __future__ import annotations

from typing import Any

from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.telegram.methods import new_chat, store_file
from battcrm.devkit.emulators.telegram.state import Bot, Chat


class People(Emulator):
    """Control API. `chat` is the person's id (a private chat) or a negative group id; a first word opens the chat."""

    bots: dict[str, Bot]

    def bot(self, token: str) -> Bot | None:
        """The bot of a token."""
        return self.bots.get(token)

    def _of(self, token: str) -> Bot:
        found = self.bot(token)
        if found is None:
            raise KeyError("no such bot")
        return found

    def user_says(self, token: str, chat: int, text: str | None = None, **content: Any) -> int:
        """A person writes; `content` are further fields of the Message. Returns its message_id."""
        bot = self._of(token)
        room = new_chat(bot, chat)
        message = self._message(room) | content
        if text is not None:
            message["text"] = text
            if text.startswith("/"):
                length = len(text.split()[0])
                message.setdefault("entities", [{"type": "bot_command", "offset": 0, "length": length}])
        room.messages[message["message_id"]] = message
        self._emit(bot, "message", message, chat)
        return int(message["message_id"])

    def user_sends_file(self, token: str, chat: int, kind: str, content: bytes, **fields: Any) -> int:
        """A person sends a photo, document or voice with these bytes; getFile can fetch it. Returns the message_id."""
        bot = self._of(token)
        ident = store_file(bot, f"{kind}s/file_{len(bot.files)}", content)
        item: dict[str, Any] = {"file_id": ident, "file_unique_id": f"u{ident}", "file_size": len(content)}
        if kind == "photo":
            return self.user_says(token, chat, photo=[{**item, "width": 640, "height": 480}], **fields)
        if kind == "voice":
            item["duration"] = 3
        fields[kind] = item
        return self.user_says(token, chat, **fields)

    def edit(self, token: str, chat: int, message_id: int, text: str) -> None:
        """A person changes a message of theirs."""
        bot = self._of(token)
        message = bot.chats[chat].messages[message_id]
        message.update(text=text, edit_date=int(self.clock.now().timestamp()))
        self._emit(bot, "edited_message", dict(message), chat)

    def press(self, token: str, chat: int, title: str, message_id: int | None = None) -> str:
        """A person presses the inline button with this title on a message (by default the latest that has it).

        Returns the callback query's id. KeyError if there is no such button.
        """
        bot = self._of(token)
        room = bot.chats[chat]
        candidates = [room.messages[message_id]] if message_id else list(reversed(room.messages.values()))
        for message in candidates:
            for row in message.get("reply_markup", {}).get("inline_keyboard", ()):
                for button in row:
                    if button["text"] == title and "callback_data" in button:
                        return self._query(bot, room, message, button["callback_data"])
        raise KeyError(f"no button {title!r}")

    def _query(self, bot: Bot, room: Chat, message: dict[str, Any], data: str) -> str:
        ident = str(2_178_918_237_461_000_000 + len(bot.queries))
        bot.queries[ident] = False
        query = {"id": ident, "from": room.user, "message": message, "chat_instance": "-44", "data": data}
        self._emit(bot, "callback_query", query, room.id)
        return ident

    def block(self, token: str, chat: int) -> None:
        """A person blocks the bot."""
        self._membership(token, chat, blocked=True)

    def unblock(self, token: str, chat: int) -> None:
        """A person lets the bot speak again."""
        self._membership(token, chat, blocked=False)

    def _membership(self, token: str, chat: int, *, blocked: bool) -> None:
        bot = self._of(token)
        room = new_chat(bot, chat)
        room.blocked = blocked
        states = ("member", "kicked") if blocked else ("kicked", "member")
        change = {
            "chat": room.describe(),
            "from": room.user,
            "date": int(self.clock.now().timestamp()),
            "old_chat_member": {"user": bot.describe(), "status": states[0]},
            "new_chat_member": {"user": bot.describe(), "status": states[1]},
        }
        self._emit(bot, "my_chat_member", change, chat)

    def answered(self, token: str, query_id: str) -> bool:
        """Whether the button's spinner was stopped."""
        return self._of(token).queries.get(query_id, False)

    async def delivered(self, token: str) -> None:
        """Wait until the webhook has accepted (or outlived) every update of the bot."""
        await self._of(token).queue.idle()

    def _message(self, room: Chat) -> dict[str, Any]:
        return {
            "message_id": room.next_id(),
            "from": room.user,
            "chat": room.describe(),
            "date": int(self.clock.now().timestamp()),
        }

    def _emit(self, bot: Bot, kind: str, content: dict[str, Any], chat: int) -> None:
        fault = self.faults.take("update", str(bot.id), str(chat))
        copies = 2 if fault is not None and fault.kind == "duplicate" else 1
        hold = fault is not None and fault.kind == "out_of_order"
        bot.emit(kind, content, chat, copies=copies, hold=hold)

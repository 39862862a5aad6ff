"""What people do in the emulated MAX; each act becomes an update."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.max.state import Bot, Dialog

CHATS = 182_000_000


class People(Emulator):
    """Control API. `bot` is the bot's number, `user` the person's; the first act opens the dialogue."""

    bots: dict[int, Bot]

    def dialog(self, bot: int, user: int) -> Dialog:
        """The person's dialogue, made if there is none."""
        owner = self.bots[bot]
        found = next((d for d in owner.dialogs.values() if d.user["user_id"] == user), None)
        if found is None:
            found = Dialog(CHATS + user, self._card(user))
            owner.dialogs[found.chat_id] = found
        return found

    def _card(self, user: int) -> dict[str, Any]:
        return {
            "user_id": user,
            "first_name": "Ольга",
            "last_name": "Смирнова",
            "is_bot": False,
            "last_activity_time": self.now_ms(),
            "name": "Ольга Смирнова",
        }

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.clock.now().timestamp() * 1000)

    def press_start(self, bot: int, user: int, payload: str | None = None) -> int:
        """A person presses Start, maybe by a deep link. Returns the dialogue's chat_id."""
        place = self.dialog(bot, user)
        place.suspended = False
        self._life(bot, place, "bot_started", {"payload": payload} if payload else {})
        return place.chat_id

    def stop_bot(self, bot: int, user: int, kind: str = "bot_stopped") -> None:
        """A person stops the bot (or, kind dialog_removed, deletes the dialogue)."""
        place = self.dialog(bot, user)
        place.suspended = True
        self._life(bot, place, kind, {})

    def block(self, bot: int, user: int) -> None:
        """As `stop_bot`, but nobody is told."""
        self.dialog(bot, user).suspended = True

    def _life(self, bot: int, place: Dialog, kind: str, more: dict[str, Any]) -> None:
        update = {"chat_id": place.chat_id, "user": place.user, "user_id": place.user["user_id"], "user_locale": "ru"}
        self.tell(self.bots[bot], place, kind, update | more)

    def user_says(self, bot: int, user: int, text: str, **body: Any) -> str:
        """A person writes; `body` are further fields of the message's body. Returns the mid."""
        return self._says(bot, user, {"text": text} | body, {})

    def user_sends(self, bot: int, user: int, attachment: dict[str, Any], text: str = "") -> str:
        """A person sends an attachment."""
        return self._says(bot, user, {"text": text, "attachments": [attachment]}, {})

    def replies(self, bot: int, user: int, text: str, mid: str) -> str:
        """A person answers a message of either side."""
        quoted = self.dialog(bot, user).messages[mid]
        link = {"type": "reply", "message": quoted["body"], "sender": quoted["sender"]}
        return self._says(bot, user, {"text": text}, {"link": link})

    def shares_contact(self, bot: int, user: int, phone: str, owner: int | None = None, forged: bool = False) -> str:
        """A person shares a card: their own, or somebody else's (`owner`); `forged` breaks MAX's signature."""
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ольга Смирнова\r\nTEL;TYPE=cell:{phone}\r\nEND:VCARD\r\n"
        signed = hmac.new(self.bots[bot].token.encode(), card.encode(), hashlib.sha256).hexdigest()
        payload = {"vcf_info": card, "hash": "0" * 64 if forged else signed, "max_info": self._card(owner or user)}
        return self.user_sends(bot, user, {"type": "contact", "payload": payload})

    def _says(self, bot: int, user: int, body: dict[str, Any], more: dict[str, Any]) -> str:
        owner, place = self.bots[bot], self.dialog(bot, user)
        place.suspended = False
        message = self.make(owner, place, body, place.user, bot) | more
        mid = str(message["body"]["mid"])
        place.messages[mid] = message
        self.tell(owner, place, "message_created", {"message": message, "user_locale": "ru"})
        return mid

    def make(self, owner: Bot, place: Dialog, body: dict[str, Any], sender: dict[str, Any], to: int) -> dict[str, Any]:
        """A message; empty fields are left out as MAX leaves them out."""
        mid, seq = owner.next_mid(place.chat_id)
        known = {name: value for name, value in body.items() if value not in (None, [])}
        return {
            "recipient": {"chat_id": place.chat_id, "chat_type": "dialog", "user_id": to},
            "timestamp": self.now_ms(),
            "body": {"mid": mid, "seq": seq} | known,
            "sender": sender,
        }

    def edit(self, bot: int, user: int, mid: str, text: str) -> None:
        """A person changes a message of theirs."""
        place = self.dialog(bot, user)
        message = place.messages[mid]
        message["body"]["text"] = text
        self.tell(self.bots[bot], place, "message_edited", {"message": message})

    def remove(self, bot: int, user: int, mid: str) -> None:
        """A message is deleted by the person; a press on its buttons comes without it."""
        place = self.dialog(bot, user)
        del place.messages[mid]
        self.tell(
            self.bots[bot], place, "message_removed", {"message_id": mid, "chat_id": place.chat_id, "user_id": user}
        )

    def press(self, bot: int, user: int, title: str, gone: bool = False) -> str:
        """A person presses the newest callback button with this title; `gone`: its message was deleted meanwhile."""
        owner, place = self.bots[bot], self.dialog(bot, user)
        for mid in reversed(place.messages):
            for button in _buttons(place.messages[mid]):
                if button["text"] != title or button["type"] != "callback":
                    continue
                callback_id = f"f9LHodD0cOJf4_{len(owner.presses)}"
                owner.presses[callback_id] = None
                press = {"timestamp": self.now_ms(), "callback_id": callback_id, "user": place.user}
                press["payload"] = button["payload"]
                message = None if gone else place.messages[mid]
                self.tell(
                    owner, place, "message_callback", {"callback": press, "message": message, "user_locale": "ru"}
                )
                return callback_id
        raise KeyError(f"no button {title!r}")

    def tell(self, owner: Bot, place: Dialog, kind: str, content: dict[str, Any]) -> None:
        """One update."""
        fault = self.faults.take("webhook", str(owner.id), str(place.chat_id))
        update = {**content, "timestamp": self.now_ms(), "update_type": kind}
        copies = 2 if fault is not None and fault.kind == "duplicate" else 1
        owner.emit(update, place.chat_id, copies=copies, hold=fault is not None and fault.kind == "out_of_order")


def _buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    found = (a for a in message["body"].get("attachments", ()) if a["type"] == "inline_keyboard")
    return [button for item in found for row in item["payload"]["buttons"] for button in row]

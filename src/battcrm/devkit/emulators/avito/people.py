"""What people, and Avito itself, do in the emulated chats; each act becomes a webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from battcrm.devkit.emulators.avito.state import Account, Chat
from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.delivery import Delivery
from battcrm.kit.text import dumps


class People(Emulator):
    """Control API. `account` is the seller's number, `chat` the chat's id."""

    accounts: dict[int, Account]

    def open_chat(
        self, account: int, user: int = 187_654_321, name: str = "Игорь", item_id: int | None = 4_341_979_279
    ) -> str:
        """A person opens a chat about an ad (or, with item_id None, from the profile). Returns the chat's id."""
        owner = self.accounts[account]
        kind = "u2i" if item_id else "u2u"
        item = self._item(owner, item_id) if item_id else None
        known = next(
            (c for c in owner.chats.values() if c.user_id == user and (c.item or {}).get("id") == item_id), None
        )
        if known is not None:
            return known.id
        return self.make_chat(owner, f"{kind}-{owner.next_id('chat')[:18]}~", user, name, item).id

    def make_chat(self, owner: Account, chat_id: str, user: int, name: str, item: dict[str, Any] | None) -> Chat:
        """A chat with this id."""
        chat = owner.chats[chat_id] = Chat(chat_id, user, name, item, self._now(), "u2i" if item else "u2u")
        return chat

    def _item(self, owner: Account, item_id: int) -> dict[str, Any]:
        return {
            "id": item_id,
            "price_string": "24 900 ₽",
            "status_id": 10,
            "title": "Замена дисплея iPhone 13 Pro",
            "url": f"https://avito.ru/moskva/predlozheniya_uslug/zamena_displeya_{item_id}",
            "user_id": owner.id,
            "images": {"count": 1, "main": {"140x105": "https://img.avito.example/140x105/1.jpg"}},
        }

    def user_says(self, account: int, chat: str, text: str) -> str:
        """A person writes. Returns the message's id."""
        return self.user_sends(account, chat, "text", {"text": text})

    def user_sends(self, account: int, chat: str, kind: str, content: dict[str, Any], **more: Any) -> str:
        """A message of any type. `more` are further fields of the history's document, for instance `quote`."""
        owner = self.accounts[account]
        place = owner.chats[chat]
        place.unread = True
        return self.add(owner, place, kind, content, place.user_id, **more)

    def user_sends_image(self, account: int, chat: str, content: bytes) -> str:
        """A person sends a picture that can be fetched."""
        image = self.store_image(self.accounts[account], content)
        return self.user_sends(account, chat, "image", {"image": {"sizes": self.sizes(image)}})

    def user_sends_voice(self, account: int, chat: str, content: bytes) -> str:
        """A person sends a voice message; its address is given by getVoiceFiles."""
        owner = self.accounts[account]
        voice = str(UUID(owner.next_id("voice")))
        owner.voices[voice] = content
        return self.user_sends(account, chat, "voice", {"voice": {"voice_id": voice}})

    def operator_says(self, account: int, chat: str, text: str) -> str:
        """A human of the seller answers in Avito's own interface."""
        owner = self.accounts[account]
        return self.add(owner, owner.chats[chat], "text", {"text": text}, owner.id)

    def misses_call(self, account: int, chat: str) -> str:
        """A person called in Avito, nobody answered."""
        return self.user_sends(account, chat, "call", {"call": {"status": "missed", "target_user_id": account}})

    def avito_says(self, account: int, chat: str, text: str) -> str:
        """Avito's own robot writes into the chat."""
        owner = self.accounts[account]
        return self.add(owner, owner.chats[chat], "system", {"text": text, "flow_id": "emulated"}, 0)

    def delete(self, account: int, chat: str, message_id: str) -> None:
        """Somebody takes a message back."""
        owner = self.accounts[account]
        place = owner.chats[chat]
        found = place.named(message_id)
        if found is None:
            raise KeyError("no such message")
        found.update(type="deleted", content={})
        self.emit(owner, place, {**found, "created": self._now()})

    def block(self, account: int, chat: str, blocked: bool = True) -> None:
        """A person blocks the seller; writing is refused from then on."""
        self.accounts[account].chats[chat].blocked = blocked

    def expire_tokens(self, account: int) -> None:
        """Every token given so far ends now; the key stays good."""
        self.accounts[account].tokens.clear()

    def lose_webhooks(self, account: int, lossy: bool = True) -> None:
        """From now on nothing is delivered: only the history tells."""
        self.accounts[account].lossy = lossy

    def add(self, owner: Account, chat: Chat, kind: str, content: dict[str, Any], author: int, **more: Any) -> str:
        """A message by anybody, kept in the history and told by webhook; echoes of our own included."""
        message = {
            "id": owner.next_id("message"),
            "author_id": author,
            "content": content,
            "created": self._now(),
            "direction": "out" if author == owner.id else "in",
            "is_read": author == owner.id,
            "read": None,
            "type": kind,
            **more,
        }
        chat.messages.append(message)
        self.emit(owner, chat, message)
        return str(message["id"])

    def emit(self, owner: Account, chat: Chat, message: dict[str, Any]) -> None:
        """The v3 webhook of a message; what only the history has (quote, is_read) is left out."""
        value = {name: message[name] for name in ("id", "author_id", "created", "type", "content", "read")}
        value |= {"chat_id": chat.id, "user_id": owner.id, "chat_type": chat.kind}
        if chat.item:
            value["item_id"] = chat.item["id"]
        stamp = datetime.fromtimestamp(message["created"], UTC)
        value["published_at"] = stamp.isoformat().replace("+00:00", "Z")
        envelope = {
            "id": str(UUID(owner.next_id("delivery"))),
            "version": "v3.0.0",
            "timestamp": self._now(),
            "payload": {"type": "message", "value": value},
        }
        self._hand_over(owner, chat.id, dumps(envelope))

    def _hand_over(self, owner: Account, chat: str, body: bytes) -> None:
        fault = self.faults.take("webhook", str(owner.id), chat)
        kind = fault.kind if fault else ""
        if owner.lossy or kind == "lost":
            return
        if kind == "out_of_order":
            owner.held[chat] = body
            return
        late = owner.held.pop(chat, None)
        for one in (body, *([body] if kind == "duplicate" else []), *([late] if late else [])):
            for queue in owner.queues.values():
                queue.push(Delivery(chat, one, {"x-avito-messenger-signature": "0" * 64}))

    def store_image(self, owner: Account, content: bytes) -> str:
        """The id of a stored picture."""
        image = f"{owner.id}.{owner.next_id('image')[:20]}"
        owner.images[image] = content
        return image

    def sizes(self, image: str) -> dict[str, str]:
        """Addresses of a picture by size."""
        return {size: f"{self.url}/files/{size}/{image}" for size in ("1280x960", "640x480", "140x105", "32x32")}

    def _now(self) -> int:
        return int(self.clock.now().timestamp())

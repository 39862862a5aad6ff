"""What people do in the emulated VK; each act becomes an event."""

from __future__ import annotations

from typing import Any, Final

from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.vk.state import Community, Peer

CLIENT_INFO: Final[dict[str, Any]] = {
    "button_actions": ["text", "location", "open_link", "callback"],
    "keyboard": True,
    "inline_keyboard": True,
    "carousel": True,
    "lang_id": 0,
}


class People(Emulator):
    """Control API. `user` is the person's id; a first word, or `allow`, opens the chat."""

    communities: dict[str, Community]

    def _of(self, token: str) -> Community:
        return self.communities[token]

    def user_says(self, token: str, user: int, text: str = "", **content: Any) -> int:
        """A person writes; `content` are further fields of the message. Returns its conversation_message_id.

        With over five attachments the event is cropped as VK does it; the whole is read by messages.getById.
        """
        community = self._of(token)
        peer = community.peer(user)
        peer.allowed = True
        message = self._message(community, peer, text) | content
        peer.messages[message["conversation_message_id"]] = message
        shown = dict(message)
        if len(message["attachments"]) > 5:
            shown |= {"attachments": message["attachments"][:5], "is_cropped": True}
        self._emit(community, "message_new", {"client_info": CLIENT_INFO, "message": shown}, user)
        return int(message["conversation_message_id"])

    def _message(self, community: Community, peer: Peer, text: str) -> dict[str, Any]:
        number, seq = community.next_ids(peer)
        return {
            "date": int(self.clock.now().timestamp()),
            "from_id": peer.id,
            "id": number,
            "version": 10_000_000 + number,
            "out": 0,
            "fwd_messages": [],
            "important": False,
            "is_hidden": False,
            "attachments": [],
            "conversation_message_id": seq,
            "text": text,
            "peer_id": peer.id,
            "random_id": 0,
        }

    def edit(self, token: str, user: int, seq: int, text: str) -> None:
        """A person changes a message of theirs."""
        community = self._of(token)
        message = community.peers[user].messages[seq]
        message.update(text=text, update_time=int(self.clock.now().timestamp()), version=message["version"] + 1)
        self._emit(community, "message_edit", dict(message), user)

    def press(self, token: str, user: int, title: str) -> str | None:
        """A person presses the newest button with this title. A callback gives its event_id, a text button a message."""
        community = self._of(token)
        for seq, message in reversed(community.peers[user].messages.items()):
            for action in message.get("actions", ()):
                if action.get("label") != title:
                    continue
                if action["type"] == "text":
                    self.user_says(token, user, title, payload=action["payload"])
                    return None
                return self._press(community, user, seq, action)
        raise KeyError(f"no button {title!r}")

    def _press(self, community: Community, user: int, seq: int, action: dict[str, Any]) -> str:
        from battcrm.kit.text import loads

        event_id = f"{len(community.presses):012x}"
        community.presses[event_id] = False
        content = {
            "user_id": user,
            "peer_id": user,
            "event_id": event_id,
            "payload": loads(action["payload"]),
            "conversation_message_id": seq,
        }
        self._emit(community, "message_event", content, user)
        return event_id

    def allow(self, token: str, user: int, key: str | None = None) -> None:
        """A person lets the community write."""
        community = self._of(token)
        community.peer(user).allowed = True
        self._emit(community, "message_allow", {"user_id": user} | ({"key": key} if key else {}), user)

    def deny(self, token: str, user: int) -> None:
        """A person forbids messages."""
        community = self._of(token)
        community.peer(user).allowed = False
        self._emit(community, "message_deny", {"user_id": user}, user)

    def read(self, token: str, user: int) -> None:
        """A person reads everything."""
        community = self._of(token)
        peer = community.peers[user]
        last = peer.messages[max(peer.messages)]
        content = {
            "from_id": user,
            "peer_id": user,
            "read_message_id": last["id"],
            "conversation_message_id": last["conversation_message_id"],
        }
        self._emit(community, "message_read", content, user)

    def operator_says(self, token: str, user: int, text: str, admin: int = 901_234) -> None:
        """A human answers in VK's own interface."""
        community = self._of(token)
        peer = community.peer(user)
        content = {"from_id": -community.id, "out": 1, "admin_author_id": admin}
        message = self._message(community, peer, text) | content
        peer.messages[message["conversation_message_id"]] = message
        self._emit(community, "message_reply", message, user)

    def _emit(self, community: Community, kind: str, content: dict[str, Any], peer: int) -> None:
        fault = self.faults.take("event", str(community.id), str(peer))
        copies = 2 if fault is not None and fault.kind == "duplicate" else 1
        hold = fault is not None and fault.kind == "out_of_order"
        community.emit(kind, content, peer, copies=copies, hold=hold)

"""The API methods a community's bot needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from battcrm.devkit.emulators.base import Fault, Received, ReceivedLog
from battcrm.devkit.emulators.vk import checks
from battcrm.devkit.emulators.vk.state import ApiError, Community, Peer, Server
from battcrm.kit.clock import Clock

SEND_ERRORS: Final = {
    900: "Can't send messages for users from blacklist",
    901: "Can't send messages for users without permission",
    902: "Can't send messages to this user due to their privacy settings",
}
_KIND: Final = {"photo": "photo", "doc": "document", "audio_message": "voice"}


class Servers(Protocol):
    """Configures callback servers; done by the HTTP side, which can call them."""

    def configure(self, community: Community, server: Server) -> None:
        """Ask the server's address for the confirmation string."""
        ...

    def remove(self, server: Server) -> None:
        """Stop delivering to a server."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who, with what, and what is to go wrong with it."""

    community: Community
    arguments: Mapping[str, str]
    fault: Fault | None
    clock: Clock
    log: ReceivedLog
    url: str
    servers: Servers
    open_chats: bool

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock.now().timestamp())


def send(call: Call) -> Any:
    """`messages.send`: checks first, then one result per peer; a refusal for a peer stands inside the list."""
    arguments, community = call.arguments, call.community
    number, text = checks.random_id(arguments), checks.text(arguments)
    kind, actions = checks.attachment(arguments, community.files), checks.keyboard(arguments)
    if not text and kind is None and "sticker_id" not in arguments:
        raise checks.missing("message is empty or invalid")
    if actions and not community.bot_features:
        raise ApiError(912, "This is a chat bot feature, change this status in settings")
    peers = _peers(arguments)
    results = [_to_peer(call, peer, number, text, kind, actions) for peer in peers]
    if "peer_ids" in arguments:
        return results
    if "error" in results[0]:
        raise ApiError(results[0]["error"]["code"], results[0]["error"]["description"])
    return results[0]["message_id"]


def _peers(arguments: Mapping[str, str]) -> list[int]:
    if "peer_ids" in arguments:
        values = arguments["peer_ids"].split(",")
        if not 0 < len(values) <= 100:
            raise checks.missing("peer_ids is invalid")
        return [checks.integer({"peer_ids": value}, "peer_ids") for value in values]
    return [checks.integer(arguments, "peer_id" if "peer_id" in arguments else "user_id")]


def _to_peer(
    call: Call, number: int, random_id: int, text: str, kind: str | None, actions: list[dict[str, Any]]
) -> dict[str, Any]:
    peer = call.community.peer(number)
    refusal = 901 if not (peer.allowed or call.open_chats) else None
    if call.fault is not None and call.fault.kind == "blocked":
        refusal = 901
    if refusal is not None:
        return {"peer_id": number, "error": {"code": refusal, "description": SEND_ERRORS[refusal]}}
    known = peer.sent.get(random_id) if random_id else None
    if known is None:
        known = call.community.next_ids(peer)
        if random_id:
            peer.sent[random_id] = known
        _store(call, peer, known, random_id, text, kind, actions)
    return {"peer_id": number, "message_id": known[0], "conversation_message_id": known[1]}


def _ours(call: Call, peer: Peer, ids: tuple[int, int], random_id: int, text: str) -> dict[str, Any]:
    return {
        "date": call.now(),
        "from_id": -call.community.id,
        "id": ids[0],
        "version": 10_000_000 + ids[0],
        "out": 1,
        "fwd_messages": [],
        "important": False,
        "is_hidden": False,
        "attachments": [],
        "conversation_message_id": ids[1],
        "text": text,
        "peer_id": peer.id,
        "random_id": random_id,
    }


def _store(
    call: Call,
    peer: Peer,
    ids: tuple[int, int],
    random_id: int,
    text: str,
    kind: str | None,
    actions: list[dict[str, Any]],
) -> None:
    community = call.community
    message = _ours(call, peer, ids, random_id, text)
    if "payload" in call.arguments:
        message["payload"] = call.arguments["payload"]
    peer.messages[ids[1]] = message | {"actions": actions}
    titles = tuple(str(action.get("label", action["type"])) for action in actions)
    payload = dict(call.arguments)
    call.log.add(
        Received(
            at=call.clock.monotonic(),
            account=str(community.id),
            chat=str(peer.id),
            method="messages.send",
            message_id=str(ids[0]),
            text=text,
            buttons=titles,
            attachment=kind,
            payload=payload,
        )
    )
    community.emit("message_reply", message, peer.id)


def edit(call: Call) -> Any:
    """`messages.edit` of a message of ours, up to 24 hours old."""
    peer = call.community.peers.get(checks.integer(call.arguments, "peer_id"))
    text = checks.text(call.arguments)
    checks.keyboard(call.arguments)
    message = _find(peer, call.arguments)
    if message is None or message["out"] != 1:
        raise ApiError(920, "Can't edit this kind of message")
    if call.now() - message["date"] > 86_400:
        raise ApiError(909, "Can't edit this message, because it's too old")
    message["text"] = text
    return 1


def _find(peer: Peer | None, arguments: Mapping[str, str]) -> dict[str, Any] | None:
    if peer is None:
        return None
    for name in ("cmid", "conversation_message_id"):
        if name in arguments:
            return peer.messages.get(checks.integer(arguments, name))
    number = checks.integer(arguments, "message_id")
    return next((m for m in peer.messages.values() if m["id"] == number), None)


def activity(call: Call) -> Any:
    """`messages.setActivity`: typing or recording."""
    if call.arguments.get("type") not in ("typing", "audiomessage", "photo", "video", "file"):
        raise checks.missing("type is invalid")
    peer = checks.integer(call.arguments, "peer_id")
    call.community.actions.append((call.clock.monotonic(), str(peer), call.arguments["type"]))
    return 1


def mark_read(call: Call) -> Any:
    """`messages.markAsRead`."""
    peer = checks.integer(call.arguments, "peer_id")
    call.community.actions.append((call.clock.monotonic(), str(peer), "read"))
    return 1


def answer_event(call: Call) -> Any:
    """`messages.sendMessageEventAnswer`: once per press."""
    event_id = call.arguments.get("event_id", "")
    checks.integer(call.arguments, "user_id")
    checks.integer(call.arguments, "peer_id")
    if len(call.arguments.get("event_data", "")) > 1000 or call.community.presses.get(event_id) is not False:
        raise checks.missing("event_id is invalid")
    call.community.presses[event_id] = True
    return 1


def get_by_id(call: Call) -> Any:
    """`messages.getById` and `getByConversationMessageId`: the whole message, also where the event was cropped."""
    if "message_ids" in call.arguments:
        wanted = {int(value) for value in call.arguments["message_ids"].split(",") if value.isdigit()}
        found = [m for p in call.community.peers.values() for m in p.messages.values() if m["id"] in wanted]
    else:
        peer = call.community.peers.get(checks.integer(call.arguments, "peer_id"))
        numbers = call.arguments.get("conversation_message_ids") or call.arguments.get("cmids") or ""
        seqs = {int(value) for value in numbers.split(",") if value.isdigit()}
        found = [m for s, m in (peer.messages.items() if peer else ()) if s in seqs]
    items = [{key: value for key, value in message.items() if key != "actions"} for message in found]
    return {"count": len(items), "items": items}


def group(call: Call) -> Any:
    """`groups.getById`."""
    community = call.community
    found = {"id": community.id, "name": community.name, "screen_name": community.screen_name, "is_closed": 0}
    return {"groups": [found | {"type": "group"}], "profiles": []}


def permissions(call: Call) -> Any:
    """`groups.getTokenPermissions`."""
    found = [{"name": name, "setting": 1 << index} for index, name in enumerate(call.community.permissions)]
    return {"mask": sum(item["setting"] for item in found if isinstance(item["setting"], int)), "permissions": found}


def confirmation_code(call: Call) -> Any:
    """`groups.getCallbackConfirmationCode`."""
    return {"code": call.community.confirmation}


def servers(call: Call) -> Any:
    """`groups.getCallbackServers`."""
    items = [
        {"id": s.id, "title": s.title, "creator_id": 1, "url": s.url, "secret_key": s.secret_key, "status": s.status}
        for s in call.community.servers.values()
    ]
    return {"count": len(items), "items": items}


def add_server(call: Call) -> Any:
    """`groups.addCallbackServer`: at most ten; the address is asked for the confirmation string at once."""
    if len(call.community.servers) >= 10:
        raise ApiError(2000, "Servers number limit is reached")
    number = max(call.community.servers, default=0) + 1
    server = Server(number, "", "", "")
    _describe(call.arguments, server)
    call.community.servers[number] = server
    call.servers.configure(call.community, server)
    return {"server_id": number}


def edit_server(call: Call) -> Any:
    """`groups.editCallbackServer`: the same again, also for a server that was switched off."""
    server = _server(call)
    _describe(call.arguments, server)
    call.servers.configure(call.community, server)
    return 1


def delete_server(call: Call) -> Any:
    """`groups.deleteCallbackServer`."""
    server = _server(call)
    del call.community.servers[server.id]
    call.servers.remove(server)
    return 1


def callback_settings(call: Call) -> Any:
    """`groups.setCallbackSettings`: which events go to a server; those not named stay as they are."""
    server = _server(call)
    server.events = _flags(call.arguments, server.events)
    return 1


def poll_settings(call: Call) -> Any:
    """`groups.setLongPollSettings`."""
    on = call.arguments.get("enabled", "1") == "1"
    call.community.poll_events = _flags(call.arguments, call.community.poll_events) if on else frozenset()
    return 1


def _flags(arguments: Mapping[str, str], before: frozenset[str]) -> frozenset[str]:
    named = {name: value for name, value in arguments.items() if name.startswith("message_")}
    return (before | {n for n, v in named.items() if v == "1"}) - {n for n, v in named.items() if v != "1"}


def _server(call: Call) -> Server:
    found = call.community.servers.get(checks.integer(call.arguments, "server_id"))
    if found is None:
        raise checks.missing("server_id is invalid")
    return found


def _describe(arguments: Mapping[str, str], server: Server) -> None:
    url, title, secret = (arguments.get(name, "") for name in ("url", "title", "secret_key"))
    if not url.startswith(("http://", "https://")) or not 0 < len(title) <= 14 or len(secret) > 50:
        raise checks.missing("url, title or secret_key is invalid")
    server.url, server.title, server.secret_key = url, title, secret


def poll_server(call: Call) -> Any:
    """`groups.getLongPollServer`."""
    if not call.community.poll_events:
        raise ApiError(
            100, "One of the parameters specified was missing or invalid: longpoll for this group is not enabled"
        )
    url = f"{call.url}/lp/{call.community.id}"
    return {"key": call.community.poll_key, "server": url, "ts": str(call.community.poll_ts)}


def upload_server(kind: str) -> Callable[[Call], Any]:
    """The address to upload a photo, document or voice to."""

    def answer(call: Call) -> Any:
        place = kind if kind == "photo" else call.arguments.get("type", "doc")
        checks.integer(call.arguments, "peer_id")
        if place not in _KIND:
            raise checks.missing("type is invalid")
        url = f"{call.url}/upload/{call.community.id}/{place}"
        return {"upload_url": url, "album_id": -64, "user_id": 0, "group_id": call.community.id}

    return answer


def save_photo(call: Call) -> Any:
    """`photos.saveMessagesPhoto`: names what was uploaded."""
    token = call.arguments.get("photo", "")
    found = call.community.uploads.pop(token, None)
    if found is None or call.arguments.get("hash") != f"h{token}" or call.arguments.get("server") != "626627":
        raise ApiError(129, "Invalid photo")
    number = _name_file(call.community, "photo", "photo")
    return [{"id": number, "owner_id": -call.community.id, "access_key": "ac1f00d1e", "album_id": -64, "sizes": []}]


def save_document(call: Call) -> Any:
    """`docs.save`: names what was uploaded, as document or voice."""
    found = call.community.uploads.pop(call.arguments.get("file", ""), None)
    if found is None:
        raise ApiError(105, "Couldn't save file")
    place, _, content = found
    number = _name_file(call.community, place, _KIND[place])
    item = {"id": number, "owner_id": -call.community.id, "access_key": "77ab12cd", "size": len(content)}
    if place == "audio_message":
        return {"type": place, place: item | {"duration": 3, "link_ogg": "", "link_mp3": ""}}
    return {"type": "doc", "doc": item | {"title": call.arguments.get("title", "file")}}


def _name_file(community: Community, prefix: str, kind: str) -> int:
    community.last_file += 1
    community.files[f"{prefix}-{community.id}_{community.last_file}"] = kind
    return community.last_file


METHODS: Final[dict[str, Callable[[Call], Any]]] = {
    "messages.send": send,
    "messages.edit": edit,
    "messages.setActivity": activity,
    "messages.markAsRead": mark_read,
    "messages.sendMessageEventAnswer": answer_event,
    "messages.getById": get_by_id,
    "messages.getByConversationMessageId": get_by_id,
    "groups.getById": group,
    "groups.getTokenPermissions": permissions,
    "groups.getCallbackConfirmationCode": confirmation_code,
    "groups.getCallbackServers": servers,
    "groups.addCallbackServer": add_server,
    "groups.editCallbackServer": edit_server,
    "groups.deleteCallbackServer": delete_server,
    "groups.setCallbackSettings": callback_settings,
    "groups.setLongPollSettings": poll_settings,
    "groups.getLongPollServer": poll_server,
    "photos.getMessagesUploadServer": upload_server("photo"),
    "photos.saveMessagesPhoto": save_photo,
    "docs.getMessagesUploadServer": upload_server("doc"),
    "docs.save": save_document,
}

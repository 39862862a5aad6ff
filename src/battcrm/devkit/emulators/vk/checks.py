"""The strict side: parameters that the real API would refuse are refused here, with its codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from battcrm.devkit.emulators.vk.state import ApiError
from battcrm.kit.text import dumps, loads

TEXT_LIMIT: Final = 9000
LABEL_LIMIT: Final = 40
PAYLOAD_LIMIT: Final = 255
_GROUP: Final = "group_id"
_FLAGS: Final = (
    "message_new message_edit message_reply message_event message_allow message_deny message_read message_typing_state"
)
PARAMETERS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(text.split())
    for name, text in {
        "messages.send": (
            "user_id random_id peer_id peer_ids message lat long attachment reply_to forward_messages forward "
            "sticker_id group_id keyboard template payload content_source dont_parse_links disable_mentions intent"
        ),
        "messages.edit": (
            "peer_id message message_id cmid conversation_message_id attachment keep_forward_messages keep_snippets "
            "group_id dont_parse_links disable_mentions keyboard template lat long"
        ),
        "messages.setActivity": "user_id type peer_id group_id",
        "messages.markAsRead": "message_ids peer_id start_message_id group_id mark_conversation_as_read up_to_cmid",
        "messages.sendMessageEventAnswer": "event_id user_id peer_id event_data",
        "messages.getById": "message_ids cmids peer_id preview_length extended fields group_id",
        "messages.getByConversationMessageId": "peer_id conversation_message_ids extended fields group_id",
        "groups.getById": "group_ids group_id fields",
        "groups.getTokenPermissions": "",
        "groups.getCallbackConfirmationCode": _GROUP,
        "groups.getCallbackServers": f"{_GROUP} server_ids",
        "groups.addCallbackServer": f"{_GROUP} url title secret_key",
        "groups.editCallbackServer": f"{_GROUP} server_id url title secret_key",
        "groups.deleteCallbackServer": f"{_GROUP} server_id",
        "groups.setCallbackSettings": f"{_GROUP} server_id api_version {_FLAGS}",
        "groups.setLongPollSettings": f"{_GROUP} enabled api_version {_FLAGS}",
        "groups.getLongPollServer": _GROUP,
        "photos.getMessagesUploadServer": "peer_id group_id",
        "photos.saveMessagesPhoto": "photo server hash",
        "docs.getMessagesUploadServer": "type peer_id",
        "docs.save": "file title tags return_tags",
    }.items()
}
_COLORS: Final = frozenset({"primary", "secondary", "positive", "negative"})
_WIDE: Final = frozenset({"location", "open_link", "open_app", "vkpay"})
_ACTIONS: Final = _WIDE | {"text", "callback"}
_ATTACHMENT: Final = re.compile(r"(photo|doc|video|audio_message|audio|wall|market)(-?\d+)_(\d+)(?:_\w+)?")


def missing(text: str) -> ApiError:
    """Error 100 in VK's words."""
    return ApiError(100, f"One of the parameters specified was missing or invalid: {text}")


def known_parameters(method: str, arguments: Mapping[str, str]) -> None:
    """Refuse what the method does not have; the real server ignores it, which hides mistakes."""
    unknown = arguments.keys() - PARAMETERS[method]
    if unknown:
        raise missing(f"{min(unknown)} is unknown to {method}")


def integer(arguments: Mapping[str, str], name: str) -> int:
    """A required integer."""
    value = arguments.get(name, "")
    if not re.fullmatch(r"-?\d{1,19}", value):
        raise missing(f"{name} is undefined" if not value else f"{name} not integer")
    return int(value)


def random_id(arguments: Mapping[str, str]) -> int:
    """The idempotency key: an int32, required since 5.90."""
    number = integer(arguments, "random_id")
    if not -(2**31) <= number < 2**31:
        raise missing("random_id out of range")
    return number


def text(arguments: Mapping[str, str]) -> str:
    """The message's text within the limit."""
    value = arguments.get("message", "")
    if len(value) > TEXT_LIMIT:
        raise ApiError(914, "Message is too long")
    return value


def attachment(arguments: Mapping[str, str], files: Mapping[str, str]) -> str | None:
    """The kind of the first attachment; each must name an uploaded file."""
    value = arguments.get("attachment", "")
    names = [name for name in value.split(",") if name]
    if len(names) > 10:
        raise missing("attachments are too many")
    for name in names:
        found = _ATTACHMENT.fullmatch(name)
        if found is None or f"{found[1]}{found[2]}_{found[3]}" not in files:
            raise missing("attachments are invalid")
    first = _ATTACHMENT.fullmatch(names[0]) if names else None
    return files[f"{first[1]}{first[2]}_{first[3]}"] if first else None


def keyboard(arguments: Mapping[str, str]) -> list[dict[str, Any]]:
    """The actions of the keyboard's buttons after checking it; error 911 names no reason, like VK's."""
    value = arguments.get("keyboard")
    if value is None:
        return []
    try:
        document = loads(value)
        buttons = _checked(document)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(911, "Keyboard format is invalid") from None
    return buttons


def _checked(document: Any) -> list[dict[str, Any]]:
    rows, inline = document["buttons"], document.get("inline", False)
    if document.keys() - {"one_time", "inline", "buttons"} or (inline and document.get("one_time")):
        raise ValueError("keys")
    if len(rows) > (6 if inline else 10) or not all(isinstance(row, list) and 0 < len(row) <= 5 for row in rows):
        raise ValueError("rows")
    cells = [(len(row), cell) for row in rows for cell in row]
    if len(cells) > (10 if inline else 40):
        raise ValueError("buttons")
    for width, cell in cells:
        _check_cell(width, cell)
    return [cell["action"] for _, cell in cells]


def _check_cell(width: int, cell: dict[str, Any]) -> None:
    action = cell["action"]
    kind = action["type"]
    if kind not in _ACTIONS or cell.keys() - {"action", "color"}:
        raise ValueError("type")
    if kind in _WIDE and (width != 1 or "color" in cell):
        raise ValueError("wide")
    if cell.get("color", "secondary") not in _COLORS:
        raise ValueError("color")
    if kind in ("text", "callback", "open_link") and not 0 < len(action["label"]) <= LABEL_LIMIT:
        raise ValueError("label")
    if kind == "open_link" and not action["link"].startswith(("http://", "https://")):
        raise ValueError("link")
    payload = action.get("payload")
    if payload is not None:
        # VK takes JSON text or the object itself, and gives text back.
        action["payload"] = payload if isinstance(payload, str) else dumps(payload).decode()
        if len(action["payload"]) > PAYLOAD_LIMIT:
            raise ValueError("payload")
        loads(action["payload"])

"""The strict side: arguments that the real Bot API would refuse are refused here, in its words."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Final

from battcrm.devkit.emulators.telegram.state import ApiError
from battcrm.kit.text import loads, utf16_len

_COMMON: Final = (
    "business_connection_id chat_id message_thread_id disable_notification protect_content allow_paid_broadcast "
    "message_effect_id reply_parameters reply_markup"
)
_CAPTION: Final = "caption parse_mode caption_entities"
PARAMETERS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(text.split())
    for name, text in {
        "getme": "",
        "sendmessage": f"{_COMMON} text parse_mode entities link_preview_options",
        "sendphoto": f"{_COMMON} {_CAPTION} photo has_spoiler show_caption_above_media",
        "senddocument": f"{_COMMON} {_CAPTION} document thumbnail disable_content_type_detection",
        "sendvoice": f"{_COMMON} {_CAPTION} voice duration",
        "sendchataction": "business_connection_id chat_id message_thread_id action",
        "editmessagetext": (
            "business_connection_id chat_id message_id inline_message_id text parse_mode entities link_preview_options "
            "reply_markup"
        ),
        "answercallbackquery": "callback_query_id text show_alert url cache_time",
        "getfile": "file_id",
        "getupdates": "offset limit timeout allowed_updates",
        "setwebhook": "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
        "deletewebhook": "drop_pending_updates",
        "getwebhookinfo": "",
    }.items()
}
_JSON: Final = frozenset({"reply_markup", "reply_parameters", "entities", "allowed_updates", "link_preview_options"})
_TAGS: Final = frozenset(
    [
        "b",
        "strong",
        "i",
        "em",
        "u",
        "ins",
        "s",
        "strike",
        "del",
        "code",
        "pre",
        "a",
        "span",
        "tg-spoiler",
        "blockquote",
        "tg-emoji",
    ]
)
_ACTIONS: Final = frozenset(
    [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ]
)
_BUTTON_ACTIONS: Final = frozenset(
    [
        "callback_data",
        "url",
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "copy_text",
        "pay",
    ]
)


def bad(reason: str) -> ApiError:
    """400 with Telegram's prefix."""
    return ApiError(400, f"Bad Request: {reason}")


def known_parameters(method: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what the method does not have; the real server ignores it, which hides mistakes."""
    unknown = arguments.keys() - PARAMETERS[method]
    if unknown:
        raise bad(f"unknown parameter {min(unknown)!r} of {method}")


def decoded(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Form and query values of JSON type, decoded."""
    result = dict(arguments)
    for name in _JSON & result.keys():
        if isinstance(result[name], str):
            try:
                result[name] = loads(result[name])
            except ValueError:
                raise bad(f"can't parse {name} JSON object") from None
    return result


def integer(arguments: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A required (or defaulted) integer argument, also as text."""
    value = arguments.get(name, default)
    if isinstance(value, bool) or value is None:
        raise bad(f"{name} is empty" if value is None else f"{name} must be an integer")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad(f"{name} must be an integer") from None


def text_of(arguments: Mapping[str, Any], name: str, limit: int, *, required: bool) -> str:
    """The text as it will be shown: entities parsed, length checked in UTF-16 units."""
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise bad(f"{name} must be a string")
    mode = arguments.get("parse_mode")
    if mode not in (None, "", "HTML"):
        raise bad("unsupported parse_mode")
    shown = (_shown_html(value) if mode == "HTML" else value).strip()
    if required and not shown:
        raise bad("message text is empty")
    if utf16_len(shown) > limit:
        raise bad("message is too long" if name == "text" else "message caption is too long")
    return shown


def _shown_html(text: str) -> str:
    open_tags: list[str] = []
    for found in re.finditer(r"<(/?)([a-zA-Z-]*)[^>]*(>?)", text):
        closing, name, end = found.groups()
        if name.lower() not in _TAGS or not end:
            raise bad(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {found.start()}')
        if not closing:
            open_tags.append(name.lower())
        elif not open_tags or open_tags.pop() != name.lower():
            raise bad(f"can't parse entities: Unmatched end tag at byte offset {found.start()}")
    if open_tags:
        raise bad(f"can't parse entities: Can't find end tag corresponding to start tag {open_tags[-1]}")
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def titles(arguments: Mapping[str, Any], *, private: bool) -> tuple[str, ...]:
    """Titles of the keyboard's buttons, after checking it."""
    markup = arguments.get("reply_markup")
    if markup is None:
        return ()
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        flat = _rows(markup["inline_keyboard"])
        if len(flat) > 100:
            raise bad("reply markup is too long")
        for button in flat:
            _check_inline(button)
        return tuple(b["text"] for b in flat)
    if "keyboard" in markup:
        flat = _rows(markup["keyboard"])
        for button in flat:
            if not private and (button.get("request_contact") or button.get("request_location")):
                raise bad("phone number can be requested in private chats only")
        return tuple(b["text"] for b in flat)
    if markup.keys() & {"remove_keyboard", "force_reply"}:
        return ()
    raise bad("unsupported reply markup")


def _rows(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise bad('field "inline_keyboard" must be an Array of Arrays')
    flat = [button if isinstance(button, dict) else {"text": button} for row in value for button in row]
    for button in flat:
        if not isinstance(button.get("text"), str) or not button["text"].strip():
            raise bad("text buttons are not allowed to be empty in the reply markup")
    if any(len(row) > 8 for row in value):
        raise bad("too many buttons in a row of the reply markup")
    return flat


def _check_inline(button: dict[str, Any]) -> None:
    given = button.keys() & _BUTTON_ACTIONS
    if len(given) != 1:
        raise bad("text buttons are not allowed in the inline keyboard")
    data = button.get("callback_data")
    if "callback_data" in given and not (isinstance(data, str) and 1 <= len(data.encode()) <= 64):
        raise bad("BUTTON_DATA_INVALID")
    url = button.get("url")
    if "url" in given and not (isinstance(url, str) and re.match(r"(https?|tg)://\S+\.?\S*$", url)):
        raise bad(f"inline keyboard button URL {url!r} is invalid: Wrong HTTP URL")


def webhook_arguments(arguments: Mapping[str, Any], *, insecure: bool) -> tuple[str, str | None, int]:
    """(url, secret, max_connections) of setWebhook."""
    url = arguments.get("url", "")
    if not isinstance(url, str):
        raise bad("bad webhook: URL must be a string")
    if url:
        found = re.fullmatch(r"(https?)://([^/:?#\s]+)(?::(\d+))?(/\S*)?", url)
        if found is None or (found[1] != "https" and not insecure):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if not insecure and int(found[3] or 443) not in (443, 80, 88, 8443):
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    secret = arguments.get("secret_token")
    if secret is not None and not (isinstance(secret, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret)):
        raise bad("secret token contains unallowed characters" if secret else "secret token must be non-empty")
    connections = integer(arguments, "max_connections", 40)
    return url, secret, min(max(connections, 1), 100)


def action(arguments: Mapping[str, Any]) -> str:
    """The chat action."""
    value = arguments.get("action")
    if value not in _ACTIONS:
        raise bad("wrong parameter action in request")
    return str(value)

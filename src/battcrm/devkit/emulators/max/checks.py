"""The strict side: requests that MAX would refuse are refused here, with its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from battcrm.devkit.emulators.max.state import ApiError, Bot

TEXT_LIMIT: Final = 4000
_MEDIA: Final = frozenset({"image", "video", "audio", "file"})
_WIDE: Final = frozenset({"link", "open_app", "request_geo_location", "request_contact"})
_BUTTON_KEYS: Final = {
    "callback": {"payload", "intent"},
    "link": {"url"},
    "request_contact": set[str](),
    "request_geo_location": {"quick"},
    "message": set[str](),
    "clipboard": {"payload"},
    "open_app": {"web_app", "contact_id", "payload"},
}


def bad(message: str) -> ApiError:
    """400 proto.payload."""
    return ApiError(400, "proto.payload", message)


def only(given: Mapping[str, Any], allowed: set[str], what: str) -> None:
    """Refuse unknown names."""
    unknown = given.keys() - allowed
    if unknown:
        raise bad(f"{what}: unknown property {min(unknown)}")


def number(value: str | None, what: str) -> int:
    """An integer parameter."""
    if value is None or not value.removeprefix("-").isdigit():
        raise bad(f"{what}: must be an integer")
    return int(value)


def message(bot: Bot, body: dict[str, Any]) -> tuple[str, tuple[str, ...], str | None]:
    """(text, button titles, attachment kind) of a new message or an edit after checking it."""
    only(body, {"text", "attachments", "link", "notify", "format"}, "body")
    text = body.get("text") or ""
    if not isinstance(text, str) or len(text) > TEXT_LIMIT:
        raise bad(f"text: size must be between 0 and {TEXT_LIMIT}")
    if not isinstance(body.get("notify", True), bool):
        raise bad("notify: must be a boolean")
    if body.get("format") not in (None, "markdown", "html"):
        raise bad("format: must be markdown or html")
    _link(body.get("link"))
    attachments = [] if body.get("attachments") is None else body["attachments"]
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise bad("attachments: must be an array")
    titles: tuple[str, ...] = ()
    shown: list[str] = []
    for item in attachments:
        if item.get("type") == "inline_keyboard":
            titles = _keyboard(item)
        else:
            shown.append(_media(bot, item))
    if "document" in shown and len(set(shown)) > 1:
        raise bad("attachments: file cannot be mixed with other media")
    if not text.strip() and not shown:
        raise bad("text or attachments are required")
    return text, titles, shown[0] if shown else None


def _link(link: Any) -> None:
    if link is None:
        return
    if not isinstance(link, dict):
        raise bad("link: must be an object")
    only(link, {"type", "mid"}, "link")
    if link.get("type") not in ("reply", "forward") or not str(link.get("mid", "")).startswith("mid."):
        raise bad("link: type and mid are required")


def _media(bot: Bot, item: dict[str, Any]) -> str:
    kind, payload = item.get("type"), item.get("payload")
    only(item, {"type", "payload"}, "attachments")
    if kind not in _MEDIA or not isinstance(payload, dict):
        raise bad(f"attachments: unknown type {kind}")
    only(payload, {"token", "url", "photos"} if kind == "image" else {"token"}, "attachments.payload")
    if kind == "image" and str(payload.get("url", "")).startswith("https://"):
        return "photo"
    stored = next((u for u in bot.uploads.values() if u.token == payload.get("token")), None)
    if stored is None or stored.kind != kind:
        raise ApiError(400, "attachment.not.found", "attachments.payload: unknown token")
    if stored.content is None:
        raise not_ready()
    return {"image": "photo", "file": "document", "audio": "voice"}.get(str(kind), str(kind))


def not_ready() -> ApiError:
    """An upload that is still being processed."""
    return ApiError(400, "attachment.not.ready", "Key: errors.process.attachment.file.not.processed")


def _keyboard(item: dict[str, Any]) -> tuple[str, ...]:
    only(item, {"type", "payload"}, "inline_keyboard")
    rows = (item.get("payload") or {}).get("buttons")
    if not isinstance(rows, list) or not 1 <= len(rows) <= 30 or not all(isinstance(r, list) and r for r in rows):
        raise bad("buttons: 1–30 rows")
    for row in rows:
        wide = any(isinstance(b, dict) and b.get("type") in _WIDE for b in row)
        if len(row) > (3 if wide else 7):
            raise bad("buttons: too many buttons in a row")
    buttons = [button for row in rows for button in row]
    if len(buttons) > 210:
        raise bad("buttons: at most 210")
    return tuple(_button(button) for button in buttons)


def _button(button: Any) -> str:
    if not isinstance(button, dict) or button.get("type") not in _BUTTON_KEYS:
        raise bad("buttons: unknown type")
    kind = button["type"]
    only(button, {"type", "text"} | _BUTTON_KEYS[kind], "buttons")
    text = button.get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= 128:
        raise bad("buttons.text: size must be between 1 and 128")
    payload = button.get("payload", "x")
    if kind in ("callback", "clipboard") and not (isinstance(payload, str) and len(payload) <= 1024):
        raise bad("buttons.payload: size must be between 0 and 1024")
    url = str(button.get("url", ""))
    if kind == "link" and not (url.startswith(("http://", "https://")) and len(url) <= 2048):
        raise bad("buttons.url: must be an address")
    return text

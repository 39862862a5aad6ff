"""The strict side: bodies that Graph would refuse are refused here, with its codes."""

from __future__ import annotations

from typing import Any, Final

from battcrm.devkit.emulators.whatsapp.state import GraphError, Number

KINDS: Final = frozenset(
    [
        "text",
        "image",
        "audio",
        "video",
        "document",
        "sticker",
        "interactive",
        "template",
        "location",
        "contacts",
        "reaction",
    ]
)
_COMMON: Final = frozenset(
    ["messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"]
)
_MEDIA: Final = {
    "image": {"id", "link", "caption"},
    "audio": {"id", "link", "voice"},
    "document": {"id", "link", "caption", "filename"},
    "video": {"id", "link", "caption"},
    "sticker": {"id", "link"},
}
LIMITS: Final = {"image": 5, "audio": 16, "video": 16, "document": 100}


def bad(details: str, code: int = 100) -> GraphError:
    """Invalid parameter."""
    return GraphError(code, "Invalid parameter", details=details)


def missing(name: str) -> GraphError:
    """A required parameter is absent."""
    return GraphError(131008, "Required parameter is missing", details=f"{name} is required")


def value_error(details: str) -> GraphError:
    """A parameter's value is not valid."""
    return GraphError(131009, "Parameter value is not valid", details=details)


def message(number: Number, body: dict[str, Any]) -> tuple[str, str, tuple[str, ...], str | None]:
    """(kind, shown text, button titles, attachment kind) of a message body after checking it."""
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in KINDS or not isinstance(body.get(kind), dict | list):
        raise missing(str(kind))
    unknown = body.keys() - _COMMON - {kind}
    if unknown:
        raise bad(f"Unexpected key {min(unknown)!r} on param")
    reference = body.get("biz_opaque_callback_data", "")
    if not isinstance(reference, str) or len(reference) > 512:
        raise value_error("biz_opaque_callback_data is too long")
    part = body[kind]
    if kind == "text":
        return kind, _text(part.get("body"), 4096, "text.body"), (), None
    if kind in _MEDIA:
        return _media(number, kind, part)
    if kind == "interactive":
        text, titles = _interactive(part)
        return kind, text, titles, None
    if kind == "template":
        return kind, _template(number, part), (), None
    return kind, "", (), kind


def _text(value: Any, limit: int, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise missing(name)
    if len(value) > limit:
        raise value_error(f"{name} is over {limit} characters")
    return value


def _media(number: Number, kind: str, part: dict[str, Any]) -> tuple[str, str, tuple[str, ...], str]:
    unknown = part.keys() - _MEDIA[kind]
    if unknown:
        raise bad(f"Unexpected key {min(unknown)!r} on param {kind}")
    if ("id" in part) == ("link" in part):
        raise missing(f"{kind}.id or {kind}.link")
    if "id" in part:
        stored = number.media.get(part["id"])
        if stored is None:
            raise GraphError(131053, "Media upload error", details="Media id not found")
        family = stored[0].partition("/")[0]
        if kind in ("image", "audio", "video") and family != kind:
            raise GraphError(131053, "Media upload error", details=f"{stored[0]} is no {kind}")
        if len(stored[1]) > LIMITS.get(kind, 100) * 1024 * 1024:
            raise GraphError(131053, "Media upload error", details="too large")
    caption = part.get("caption")
    shown = {"image": "photo", "audio": "voice"}.get(kind, kind)
    return kind, _text(caption, 1024, "caption") if caption is not None else "", (), shown


def _interactive(part: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    kind, action = part.get("type"), part.get("action")
    if part.keys() - {"type", "body", "header", "footer", "action"} or not isinstance(action, dict):
        raise bad("interactive has unknown or missing keys")
    text = _text((part.get("body") or {}).get("text"), 1024, "interactive.body.text")
    reader = {"button": _reply_buttons, "list": _list_rows, "cta_url": _link}.get(str(kind))
    if reader is not None:
        return text, reader(action)
    if kind == "location_request_message" and action == {"name": "send_location"}:
        return text, ("send_location",)
    raise value_error("interactive.type is invalid")


def _reply_buttons(action: dict[str, Any]) -> tuple[str, ...]:
    buttons = [b.get("reply") or {} for b in action.get("buttons") or () if b.get("type") == "reply"]
    if not 1 <= len(buttons) <= 3:
        raise value_error("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    return _titles(buttons, 20, 256)


def _list_rows(action: dict[str, Any]) -> tuple[str, ...]:
    _text(action.get("button"), 20, "action.button")
    sections = action.get("sections") or []
    rows = [row for section in sections for row in section.get("rows") or ()]
    if not 1 <= len(rows) <= 10 or (len(sections) > 1 and not all(s.get("title") for s in sections)):
        raise value_error("Total row count exceed max allowed count: 10")
    if any(len(str(s.get("title", ""))) > 24 for s in sections) or any(
        len(r.get("description", "")) > 72 for r in rows
    ):
        raise value_error("section title or row description is too long")
    return _titles(rows, 24, 200)


def _titles(items: list[dict[str, Any]], longest: int, longest_id: int) -> tuple[str, ...]:
    titles = tuple(_text(item.get("title"), longest, "title") for item in items)
    ids = {_text(item.get("id"), longest_id, "id") for item in items}
    if len(ids) != len(items) or len(set(titles)) != len(items):
        raise value_error("Button ids and titles must be unique")
    return titles


def _link(action: dict[str, Any]) -> tuple[str, ...]:
    parameters = action.get("parameters") or {}
    if action.get("name") != "cta_url" or not str(parameters.get("url", "")).startswith(("http://", "https://")):
        raise value_error("cta_url needs an url")
    return (_text(parameters.get("display_text"), 20, "display_text"),)


def _template(number: Number, part: dict[str, Any]) -> str:
    name, language = part.get("name"), (part.get("language") or {}).get("code")
    if part.keys() - {"name", "language", "components"} or not isinstance(name, str) or not isinstance(language, str):
        raise missing("template.name and template.language.code")
    if language not in number.templates.get(name, ()):
        raise GraphError(132001, "Template name does not exist in the translation", status=404)
    texts = [
        str(parameter.get("text", ""))
        for component in part.get("components") or ()
        if component.get("type") == "body"
        for parameter in component.get("parameters") or ()
    ]
    return " | ".join((name, *texts))

"""Parts of a VK message: the button behind it, what it quotes and forwards, the link that brought the person."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from battcrm.kit.text import dumps, loads
from battcrm.models.unified import Forwarded, ReplyTo, Source, Status
from battcrm.transport.vk.attachments import forwarded_by
from battcrm.transport.wire import ident, obj, objects, text

# VK's own command around our payload, from an application that cannot show a callback button.
_NOT_SHOWN: Final = "not_supported_button"


def is_call(item: dict[str, Any]) -> bool:
    """A call leaves a message with nothing else in it."""
    kinds = [text(part.get("type")) for part in objects(item.get("attachments"))]
    return kinds == ["call"] and not text(item.get("text"))


def is_start(payload: Any) -> bool:
    """The button that VK itself shows in an empty chat."""
    return obj(_decoded(payload)).get("command") == "start"


def said_by_button(payload: Any) -> str | None:
    """The payload we gave the button whose press came as a message."""
    wrapped = obj(_decoded(payload))
    return unwrapped(wrapped.get("payload") if wrapped.get("command") == _NOT_SHOWN else payload)


def unwrapped(payload: Any) -> str | None:
    """The payload we gave a button. VK wants JSON, so the sender wraps plain text as {"p": text}; undone here."""
    if payload is None or payload in ("", {}, []):
        return None
    inside = obj(_decoded(payload))
    if len(inside) == 1 and isinstance(inside.get("p"), str):
        return text(inside["p"])
    if isinstance(payload, str):
        return payload
    try:
        return dumps(payload).decode()
    except TypeError:  # nested deeper than JSON can be written
        return None


def _decoded(payload: Any) -> Any:
    """What is in a payload: JSON in a string, or already an object."""
    if not isinstance(payload, str):
        return payload
    try:
        return loads(payload)
    except (ValueError, RecursionError):
        return None


def echo_of(item: dict[str, Any], number: str | None) -> Status | None:
    """Which of our sends this is the echo of (vk/send.py); None for what a human wrote elsewhere."""
    reference = text(obj(_decoded(item.get("payload"))).get("ref")) or ident(item.get("random_id"))
    return Status(message_id=number, state="sent", client_ref=reference) if reference else None


def reply_to(item: dict[str, Any], group: str) -> ReplyTo | None:
    """The message this one answers."""
    quoted = obj(item.get("reply_message"))
    if not quoted:
        return None
    author = ident(quoted.get("from_id"))
    return ReplyTo(
        id=ident(quoted.get("id")),
        seq=ident(quoted.get("conversation_message_id")),
        text=text(quoted.get("text")),
        from_us=author == f"-{group}" if author else None,
    )


def forwarded(item: dict[str, Any]) -> Forwarded | None:
    """The first of the forwarded messages, with the words of all."""
    parts = forwarded_by(item)
    if not parts:
        return None
    words = "\n".join(words for part in parts if (words := text(part.get("text"))))
    return Forwarded(
        from_=ident(parts[0].get("from_id")),
        id=ident(parts[0].get("id")) or ident(parts[0].get("conversation_message_id")),
        text=words or None,
    )


def source(item: dict[str, Any]) -> Source | None:
    """The link that brought the person, with its marks."""
    ref, origin = text(item.get("ref")), text(item.get("ref_source"))
    if ref is None and origin is None:
        return None
    utm = {key: value for key, value in _pairs(ref) if key.startswith("utm_")}
    return Source(ref=ref, ref_source=origin, utm=utm)


def _pairs(ref: str | None) -> list[tuple[str, str]]:
    try:
        return parse_qsl(ref or "", max_num_fields=20)
    except ValueError:
        return []

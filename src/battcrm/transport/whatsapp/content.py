"""The content of one WhatsApp message: text, attachments, pressed button."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from battcrm.kit.text import loads
from battcrm.models.unified import Attachment, Button, Kind
from battcrm.transport.wire import e164, ident, obj, objects, real, text, whole

URL_LIFE: Final = timedelta(minutes=5)
_FORM_DEPTH: Final = 4
_MEDIA: Final = {
    "image": "photo",
    "video": "video",
    "document": "document",
    "audio": "audio",
    "sticker": "sticker",
}


@dataclass(frozen=True, slots=True)
class Body:
    """What was said."""

    kind: Kind = Kind.MESSAGE
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    button: Button | None = None


def read(item: dict[str, Any], *, author: str | None, occurred_at: datetime | None) -> Body:
    """The content of a message by its `type`. `author` is the sender's wa_id: a card with it is the sender's own."""
    kind = text(item.get("type")) or ""
    part = item.get(kind)
    if kind in _MEDIA:
        return _media(kind, obj(part), occurred_at)
    if kind == "contacts":
        cards = tuple(_contact(card, author) for card in objects(part))
        return Body(attachments=cards) if cards else _unreadable(item, kind)
    reader = _READERS.get(kind)
    return (reader(obj(part)) if reader else None) or _unreadable(item, kind)


def _text(part: dict[str, Any]) -> Body | None:
    said = text(part.get("body"))
    return Body(text=said) if said else None


def _media(kind: str, part: dict[str, Any], occurred_at: datetime | None) -> Body:
    url = text(part.get("url"))
    attachment = Attachment(
        "voice" if part.get("voice") is True else _MEDIA[kind],
        ref=ident(part.get("id")),
        url=url,
        url_expires_at=occurred_at + URL_LIFE if url and occurred_at else None,
        mime=text(part.get("mime_type")),
        sha256=text(part.get("sha256")),
        filename=text(part.get("filename")),
    )
    return Body(text=text(part.get("caption")), attachments=(attachment,))


def _contact(card: dict[str, Any], author: str | None) -> Attachment:
    entries = objects(card.get("phones"))
    phones = [e164("+" + wa_id) if (wa_id := _wa_id(entry)) else e164(entry.get("phone")) for entry in entries]
    raw = [text(entry.get("phone")) for entry in entries]
    name = obj(card.get("name"))
    return Attachment(
        "contact",
        name=text(name.get("formatted_name")) or text(name.get("first_name")),
        phones=tuple(phone for pair in zip(phones, raw, strict=True) if (phone := pair[0] or pair[1])),
        title=text(obj(card.get("org")).get("company")),
        verified=any(author == _wa_id(entry) for entry in entries) if author else None,
    )


def _wa_id(entry: dict[str, Any]) -> str | None:
    given = ident(entry.get("wa_id"))
    return given.removeprefix("+") if given else None


def _location(part: dict[str, Any]) -> Body | None:
    lat, lon = real(part.get("latitude")), real(part.get("longitude"))
    if lat is None or lon is None:
        return None
    place = Attachment(
        "location",
        lat=lat,
        lon=lon,
        title=text(part.get("name")),
        address=text(part.get("address")),
        url=text(part.get("url")),
    )
    return Body(attachments=(place,))


def _interactive(part: dict[str, Any]) -> Body | None:
    for kind in ("button_reply", "list_reply"):
        reply = obj(part.get(kind))
        if reply:
            return _press(ident(reply.get("id")), text(reply.get("title")))
    answer = text(obj(part.get("call_permission_reply")).get("response"))
    if answer:
        return _press(f"call_permission:{answer}", None)
    form = obj(part.get("nfm_reply"))
    return _filled_in(form) if form else None


def _filled_in(form: dict[str, Any]) -> Body | None:
    """A form's answers are the person's words; what WhatsApp says for them ("Sent") is said only if there are none."""
    answers, title = text(form.get("response_json")), text(form.get("body"))
    pressed = _press(answers, title)
    try:
        given = loads(answers) if answers else None
    except (ValueError, RecursionError):
        given = None
    said = "\n".join(_answers(given, 0))
    return replace(pressed, text=said) if pressed and said else pressed


def _answers(value: Any, depth: int) -> Iterator[str]:
    """The texts in the answers of a form, in the order of its fields. The token is ours, and no answer."""
    if isinstance(value, str):
        yield from filter(None, (value.strip(),))
    elif depth < _FORM_DEPTH and isinstance(value, dict):
        for name, part in value.items():
            if name != "flow_token":
                yield from _answers(part, depth + 1)
    elif depth < _FORM_DEPTH and isinstance(value, list):
        for part in value:
            yield from _answers(part, depth + 1)


def _template_button(part: dict[str, Any]) -> Body | None:
    return _press(ident(part.get("payload")), text(part.get("text"))) if part else None


def _press(payload: str | None, title: str | None) -> Body | None:
    if payload is None and title is None:
        return None
    return Body(Kind.BUTTON, text=title, button=Button(payload=payload, title=title))


def _order(part: dict[str, Any]) -> Body | None:
    goods = tuple(_ordered(item) for item in objects(part.get("product_items")))
    return Body(text=text(part.get("text")), attachments=goods) if goods or part else None


def _ordered(item: dict[str, Any]) -> Attachment:
    """A line of an order: which thing, how many, at what price each."""
    named, number = ident(item.get("product_retailer_id")), whole(item.get("quantity"))
    price = " ".join(str(v) for v in (real(item.get("item_price")), text(item.get("currency"))) if v is not None)
    title = f"{named or '?'} × {number}" if number is not None else None
    return Attachment("item", ref=named, title=title, price=price or None)


def _unreadable(item: dict[str, Any], kind: str) -> Body:
    """Polls, view-once media and types to come: the operator sees that something is there to open on the phone."""
    reasons = [text(error.get("title")) for error in objects(item.get("errors"))]
    title = next((reason for reason in reasons if reason), None) or kind or None
    name = text(obj(item.get("unsupported")).get("type"))
    return Body(Kind.UNSUPPORTED, attachments=(Attachment("unknown", title=title, name=name),))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Body | None]]] = {
    "text": _text,
    "location": _location,
    "interactive": _interactive,
    "button": _template_button,
    "order": _order,
    "request_welcome": lambda _: Body(Kind.START),
}

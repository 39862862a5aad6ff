"""The content of one Avito message by its `type`; the same in webhooks and in the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from battcrm.models.unified import Attachment, Kind
from battcrm.transport.wire import ident, obj, real, text, whole

VOICE_TYPE: Final = "audio/mp4"
# Avito delivers these without content: somebody has to open Avito to see them.
WITHHELD: Final = frozenset({"file", "video", "appCall"})


@dataclass(frozen=True, slots=True)
class Body:
    """What was said; `truncated` where Avito keeps the content to itself."""

    kind: Kind = Kind.MESSAGE
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    truncated: bool = False


def read(kind: str, content: dict[str, Any]) -> Body:
    """The content of a message of this type. A known type that cannot be read is withheld, an unknown unsupported."""
    if kind == "deleted":
        return Body(Kind.DELETE)
    if kind == "call":
        return Body(Kind.CALL)
    reader = _READERS.get(kind)
    if reader is None and kind not in WITHHELD:
        return Body(Kind.UNSUPPORTED, _words(kind, content), (Attachment("unknown", title=kind or None),))
    found = reader(content) if reader else None
    return found or Body(attachments=(Attachment("unknown", title=kind),), truncated=True)


def _words(kind: str, content: dict[str, Any]) -> str | None:
    """The words of a type to come: beside its object, or inside it as with the types there are."""
    return text(content.get("text")) or text(obj(content.get(kind)).get("text"))


def _text(content: dict[str, Any]) -> Body | None:
    said = text(content.get("text"))
    return Body(text=said) if said else None


def _image(content: dict[str, Any]) -> Body | None:
    sizes = obj(obj(content.get("image")).get("sizes"))
    known = sorted((_area(name), url) for name, value in sizes.items() if (url := text(value)))
    if not known:
        return None
    (width, height), url = known[-1]
    photo = Attachment(
        "photo",
        url=url,
        width=width or None,
        height=height or None,
        thumb_url=known[0][1] if len(known) > 1 else None,
    )
    return Body(attachments=(photo,))


def _area(name: str) -> tuple[int, int]:
    """(1280, 960) of "1280x960"; (0, 0) of anything else, so that it is chosen last."""
    width, _, height = name.partition("x")
    return (whole(width) or 0, whole(height) or 0) if width and height else (0, 0)


def _voice(content: dict[str, Any]) -> Body | None:
    voice = ident(obj(content.get("voice")).get("voice_id"))
    return Body(attachments=(Attachment("voice", ref=voice, mime=VOICE_TYPE),)) if voice else None


def _location(content: dict[str, Any]) -> Body | None:
    place = obj(content.get("location"))
    lat, lon = real(place.get("lat")), real(place.get("lon"))
    title, address = text(place.get("title")), text(place.get("text"))
    if (lat is None or lon is None) and not (title or address):
        return None
    return Body(attachments=(Attachment("location", lat=lat, lon=lon, title=title, address=address),))


def _link(content: dict[str, Any]) -> Body | None:
    link = obj(content.get("link"))
    url, said = text(link.get("url")), text(link.get("text"))
    if url is None and said is None:
        return None
    preview = obj(link.get("preview"))
    return Body(text=said, attachments=(Attachment("link", url=url, title=text(preview.get("title"))),))


def _item(content: dict[str, Any]) -> Body | None:
    item = obj(content.get("item"))
    url, title = text(item.get("item_url")), text(item.get("title"))
    if url is None and title is None:
        return None
    price, thumb = text(item.get("price_string")), text(item.get("image_url"))
    return Body(attachments=(Attachment("item", url=url, title=title, price=price, thumb_url=thumb),))


def _system(content: dict[str, Any]) -> Body:
    return Body(text=text(content.get("text")))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Body | None]]] = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "location": _location,
    "link": _link,
    "item": _item,
    "system": _system,
}

"""VK attachments → unified attachments. Unknown kinds stay visible as `unknown`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from battcrm.models.unified import Attachment
from battcrm.transport.wire import ident, obj, objects, poll, real, size, text, whole

_FORWARDED: Final = 100
_SITE: Final = "https://vk.ru"


def of_message(message: dict[str, Any]) -> tuple[Attachment, ...]:
    """Attachments of a message, its geo mark, and those of the messages it forwards (a forwarded photo is evidence too)."""
    found = [_attachment(item) for item in objects(message.get("attachments"))]
    place = _location(obj(message.get("geo")))
    if place is not None:
        found.append(place)
    for forwarded in forwarded_by(message):
        found.extend(_attachment(item) for item in objects(forwarded.get("attachments")))
    return tuple(found)


def poll_of(message: dict[str, Any]) -> str | None:
    """The words of a poll in the message."""
    polls = (obj(item.get("poll")) for item in objects(message.get("attachments")))
    return next((words for p in polls if (words := poll(p.get("question"), p.get("answers")))), None)


def forwarded_by(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages it forwards, those that they forward, and so on, in the order they are shown.

    The schema nests a list in the list; the wire does not.
    """
    found: list[dict[str, Any]] = []
    waiting = _parts(message)
    while waiting and len(found) < _FORWARDED:
        part = waiting.pop(0)
        found.append(part)
        waiting = [*_parts(part), *waiting]
    return found


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    given = message.get("fwd_messages")
    items = given if isinstance(given, list) else []
    return [part for item in items for part in (objects(item) if isinstance(item, list) else objects([item]))]


def reference(kind: str, item: dict[str, Any]) -> str | None:
    """`photo1_2_key`: how VK names an attachment when it is sent again."""
    owner, number = ident(item.get("owner_id")), ident(item.get("id"))
    if owner is None or number is None:
        return None
    key = text(item.get("access_key"))
    return f"{kind}{owner}_{number}" + (f"_{key}" if key else "")


def _attachment(item: dict[str, Any]) -> Attachment:
    kind = text(item.get("type")) or "unknown"
    build = _BUILDERS.get(kind, _unknown)
    return build(kind, obj(item.get(kind)))


def _largest(images: Any) -> dict[str, Any]:
    return max(objects(images), key=lambda i: (size(i.get("width")) or 0, size(i.get("height")) or 0), default={})


def _smallest(images: Any) -> dict[str, Any]:
    return min(objects(images), key=lambda i: (size(i.get("width")) or 0, size(i.get("height")) or 0), default={})


def _photo(kind: str, item: dict[str, Any]) -> Attachment:
    original = obj(item.get("orig_photo"))
    best = original if text(original.get("url")) else _largest(item.get("sizes"))
    return Attachment(
        "photo",
        ref=reference(kind, item),
        url=text(best.get("url")),
        width=size(best.get("width")),
        height=size(best.get("height")),
        thumb_url=text(_smallest(item.get("sizes")).get("url")),
    )


def _document(kind: str, item: dict[str, Any]) -> Attachment:
    name, extension = text(item.get("title")), text(item.get("ext"))
    if name and extension and not name.lower().endswith("." + extension.lower()):
        name = f"{name}.{extension}"
    return Attachment(
        "document", ref=reference(kind, item), url=text(item.get("url")), size=size(item.get("size")), filename=name
    )


def _voice(kind: str, item: dict[str, Any]) -> Attachment:
    ogg, mp3 = text(item.get("link_ogg")), text(item.get("link_mp3"))
    return Attachment(
        "voice",
        ref=reference(kind, item),
        url=ogg or mp3,
        mime="audio/ogg" if ogg else "audio/mpeg" if mp3 else None,
        duration=size(item.get("duration")),
        transcript=text(item.get("transcript")),
    )


def _audio(kind: str, item: dict[str, Any]) -> Attachment:
    title = " — ".join(part for part in (text(item.get("artist")), text(item.get("title"))) if part)
    return Attachment(
        "audio",
        ref=reference(kind, item),
        url=text(item.get("url")),
        duration=size(item.get("duration")),
        title=title or None,
    )


def _video(kind: str, item: dict[str, Any]) -> Attachment:
    return Attachment(
        "video_note" if kind == "video_message" else "video",
        ref=reference(kind, item),
        title=text(item.get("title")),
        duration=size(item.get("duration")),
        width=size(item.get("width")),
        height=size(item.get("height")),
        thumb_url=text(_largest(item.get("image")).get("url")),
    )


def _sticker(kind: str, item: dict[str, Any]) -> Attachment:
    best = _largest(item.get("images"))
    return Attachment(
        "sticker",
        ref=ident(item.get("sticker_id")) or reference(kind, item),
        url=text(best.get("url")) or text(item.get("url")),
        width=size(best.get("width")),
        height=size(best.get("height")),
    )


def _graffiti(kind: str, item: dict[str, Any]) -> Attachment:
    return Attachment(
        "photo",
        ref=reference(kind, item),
        url=text(item.get("url")),
        width=size(item.get("width")),
        height=size(item.get("height")),
    )


def _link(_kind: str, item: dict[str, Any]) -> Attachment:
    preview = _largest(obj(item.get("photo")).get("sizes"))
    return Attachment(
        "link", url=text(item.get("url")), title=text(item.get("title")), thumb_url=text(preview.get("url"))
    )


def _page(kind: str, item: dict[str, Any]) -> Attachment:
    """A post, a comment, a story: something of VK's own that has a page."""
    ref = reference(kind, item)
    reposted = next((words for post in objects(item.get("copy_history")) if (words := text(post.get("text")))), None)
    words = text(item.get("text")) or text(item.get("title")) or reposted
    owner, number = ident(item.get("owner_id")) or ident(item.get("from_id")), ident(item.get("id"))
    if kind == "wall_reply":
        post, place = ident(item.get("post_id")), f"?reply={number}"
    else:
        post, place = number, ""
    name = "wall" if kind == "wall_reply" else kind
    made = f"{_SITE}/{name}{owner}_{post}{place}" if owner and post and number else None
    url = text(item.get("url")) or made
    photo = _largest(obj(item.get("photo")).get("sizes"))
    return Attachment("link", ref=ref, url=url, title=words or kind, name=kind, thumb_url=text(photo.get("url")))


def _poll(kind: str, item: dict[str, Any]) -> Attachment:
    return Attachment("unknown", ref=reference(kind, item), title=text(item.get("question")) or kind, name=kind)


def _gift(kind: str, item: dict[str, Any]) -> Attachment:
    picture = text(item.get("thumb_256")) or text(item.get("thumb_512")) or text(item.get("thumb_96"))
    return Attachment("unknown", ref=ident(item.get("id")), title=kind, name=kind, thumb_url=picture)


def _call(kind: str, item: dict[str, Any]) -> Attachment:
    state = text(item.get("state"))
    return Attachment(
        "unknown", title=f"{kind}: {state}" if state else kind, name=kind, duration=size(item.get("duration"))
    )


def ordered(order: dict[str, Any]) -> tuple[Attachment, ...]:
    """The goods of an order, with how many of each."""
    return tuple(_line(item) for item in objects(order.get("preview_order_items")))


def _line(item: dict[str, Any]) -> Attachment:
    goods = obj(item.get("item"))
    title, number = text(item.get("title")) or text(goods.get("title")), whole(item.get("quantity"))
    return Attachment(
        "item",
        ref=reference("market", goods),
        title=f"{title or '?'} × {number}" if number is not None else title,
        price=text(obj(item.get("price")).get("text")),
        thumb_url=text(_largest(obj(item.get("photo")).get("sizes")).get("url")),
    )


def _market(kind: str, item: dict[str, Any]) -> Attachment:
    return Attachment(
        "item",
        ref=reference(kind, item),
        url=text(item.get("url")),
        title=text(item.get("title")),
        price=text(obj(item.get("price")).get("text")),
        thumb_url=text(item.get("thumb_photo")),
    )


def _unknown(kind: str, item: dict[str, Any]) -> Attachment:
    return Attachment("unknown", ref=reference(kind, item), title=text(item.get("title")) or kind, name=kind)


def _location(geo: dict[str, Any]) -> Attachment | None:
    coordinates = obj(geo.get("coordinates"))
    lat, lon = real(coordinates.get("latitude")), real(coordinates.get("longitude"))
    if lat is None or lon is None:
        return None
    place = obj(geo.get("place"))
    address = ", ".join(part for part in (text(place.get("city")), text(place.get("country"))) if part)
    return Attachment("location", lat=lat, lon=lon, title=text(place.get("title")), address=address or None)


_BUILDERS: Final[dict[str, Callable[[str, dict[str, Any]], Attachment]]] = {
    "photo": _photo,
    "doc": _document,
    "audio_message": _voice,
    "audio": _audio,
    "video": _video,
    "video_message": _video,
    "sticker": _sticker,
    "ugc_sticker": _sticker,
    "graffiti": _graffiti,
    "link": _link,
    "market": _market,
    "wall": _page,
    "wall_reply": _page,
    "story": _page,
    "article": _page,
    "poll": _poll,
    "gift": _gift,
    "call": _call,
}

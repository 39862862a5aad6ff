"""MAX attachments → unified attachments. Unknown kinds stay visible as `unknown`; our own keyboards are left out."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from battcrm.models.unified import Attachment
from battcrm.transport.wire import e164, ident, obj, objects, real, size, text

_FOLDED: Final = re.compile(r"\r?\n[ \t]")


@dataclass(frozen=True, slots=True)
class Card:
    """What makes a contact the sender's own: the bot's token (None: cannot be checked) and who sent it."""

    token: str | None = None
    sender_id: str | None = None


def read(items: Any, card: Card) -> tuple[Attachment, ...]:
    """The attachments of a message body."""
    found = (_attachment(item, card) for item in objects(items))
    return tuple(attachment for attachment in found if attachment is not None)


def _attachment(item: dict[str, Any], card: Card) -> Attachment | None:
    kind, payload = text(item.get("type")) or "unknown", obj(item.get("payload"))
    if kind in ("inline_keyboard", "reply_keyboard"):
        return None
    if kind == "contact":
        return _contact(payload, card)
    build = _BUILDERS.get(kind)
    return build(item, payload) if build else Attachment("unknown", ref=text(payload.get("token")), title=kind)


def _image(_: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    ref = text(payload.get("token")) or ident(payload.get("photo_id"))
    return Attachment("photo", ref=ref, url=text(payload.get("url")))


def _video(item: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    return Attachment(
        "video",
        ref=text(payload.get("token")),
        url=text(payload.get("url")),
        width=size(item.get("width")),
        height=size(item.get("height")),
        duration=size(item.get("duration")),
        thumb_url=text(obj(item.get("thumbnail")).get("url")),
    )


def _audio(item: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    """People record these: music comes as a file."""
    return Attachment(
        "voice",
        ref=text(payload.get("token")),
        url=text(payload.get("url")),
        duration=size(item.get("duration")),
        transcript=text(item.get("transcription")),
    )


def _file(item: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    return Attachment(
        "document",
        ref=text(payload.get("token")),
        url=text(payload.get("url")),
        filename=text(item.get("filename")),
        size=size(item.get("size")),
    )


def _sticker(item: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    return Attachment(
        "sticker",
        ref=text(payload.get("code")),
        url=text(payload.get("url")),
        width=size(item.get("width")),
        height=size(item.get("height")),
    )


def _location(item: dict[str, Any], _: dict[str, Any]) -> Attachment:
    lat, lon = real(item.get("latitude")), real(item.get("longitude"))
    if lat is None or lon is None:
        return Attachment("unknown", title="location")
    return Attachment("location", lat=lat, lon=lon)


def _share(item: dict[str, Any], payload: dict[str, Any]) -> Attachment:
    return Attachment(
        "link",
        ref=text(payload.get("token")),
        url=text(payload.get("url")),
        title=text(item.get("title")),
        thumb_url=text(item.get("image_url")),
    )


def _contact(payload: dict[str, Any], card: Card) -> Attachment:
    """A vCard. `verified` if MAX signed it for this bot and it is the sender's own; None if that cannot be told."""
    vcard = text(payload.get("vcf_info"))
    person = obj(payload.get("max_info")) or obj(payload.get("tam_info"))  # the older name of the same
    fields = _lines(vcard or "")
    numbers = tuple(e164(value.removeprefix("tel:")) or value for name, value in fields if name == "TEL" and value)
    names = [value for name, value in fields if name == "FN" and value]
    parts = (text(person.get("first_name")), text(person.get("last_name")))
    return Attachment(
        "contact",
        ref=ident(person.get("user_id")),
        vcard=vcard,
        phones=numbers,
        name=names[0] if names else " ".join(part for part in parts if part) or None,
        verified=_genuine(vcard, text(payload.get("hash")), ident(person.get("user_id")), card),
    )


def _genuine(vcard: str | None, given: str | None, owner: str | None, card: Card) -> bool | None:
    if not card.token:
        return None
    if vcard is None or given is None or owner is None or owner != card.sender_id:
        return False
    right = contact_hash(vcard, card.token)
    return hmac.compare_digest(right.encode(), given.lower().encode("utf-8", "replace"))


def contact_hash(vcf_info: str, token: str) -> str:
    """MAX's signature of a contact card: HMAC-SHA256 of the card as it came, keyed with the bot's token, in hex."""
    return hmac.new(token.encode(), vcf_info.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _lines(vcard: str) -> list[tuple[str, str]]:
    """(NAME, value) of a vCard's lines; parameters and groups (`item1.TEL;TYPE=cell`) are dropped, folds joined."""
    pairs: list[tuple[str, str]] = []
    for line in _FOLDED.sub("", vcard).splitlines():
        head, colon, value = line.partition(":")
        if colon:
            pairs.append((head.partition(";")[0].rpartition(".")[2].strip().upper(), value.strip()))
    return pairs


_BUILDERS: Final[dict[str, Callable[[dict[str, Any], dict[str, Any]], Attachment]]] = {
    "image": _image,
    "video": _video,
    "audio": _audio,
    "file": _file,
    "sticker": _sticker,
    "location": _location,
    "share": _share,
}

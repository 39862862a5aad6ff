"""The web chat's wire format: one JSON object per message, made by the page (or by a shop's own widget).

{"client_message_id", "visitor_id", "text"?, "name"?, "phone"?, "locale"?, "button"?: {"payload", "title"?},
 "attachments"?: [{"kind", "ref"?, "url"?, "mime"?, "filename"?, "size"?, "lat"?, "lon"?}], "ref"?, "utm"?: {…},
 "reply_to"?, "type"?}. Unlike foreign webhooks it is checked strictly: the sender can be told what to mend.
"""

from __future__ import annotations

import re
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.unified import (
    Attachment,
    Button,
    Content,
    Conversation,
    Kind,
    ReplyTo,
    Sender,
    Source,
    UnifiedMessage,
)
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount

TEXT_LIMIT: Final = 4000
MAX_ATTACHMENTS: Final = 10
KINDS: Final = frozenset({"photo", "document", "voice", "video", "location"})

_IDENT: Final = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_URL: Final = re.compile(r"https?://[^\s<>\"]{1,2000}")


def parse(body: bytes, account: ChannelAccount | None = None) -> list[UnifiedMessage]:
    """The message; `[]` for a type that is no message (typing, ping). Raises Invalid naming the field to mend."""
    document = wire.decode_object(body, "the web chat")
    visitor = identifier(document, "visitor_id")
    kind = document.get("type", "message")
    if not isinstance(kind, str):
        raise Invalid("must be a string", field="type", code="wrong_type")
    if kind != "message":
        return []
    ident = identifier(document, "client_message_id")
    pressed = _button(document.get("button"))
    text = _text(document, "text", TEXT_LIMIT) or (pressed.title if pressed else None)
    attachments = _attachments(document.get("attachments"))
    if text is None and pressed is None and not attachments:
        raise Invalid("the message is empty", field="text", remedy="give text, button or attachments", code="empty")
    quoted = identifier(document, "reply_to") if document.get("reply_to") is not None else None
    return [
        UnifiedMessage(
            channel="webchat",
            account_ref=account.account_ref if account else None,
            dedup_key=wire.dedup_key(visitor, ident, "message"),
            kind=Kind.BUTTON if pressed else Kind.MESSAGE,
            conversation=Conversation(visitor),
            sender=_sender(document, visitor),
            message=Content(id=ident, text=text, attachments=attachments),
            reply_to=ReplyTo(id=quoted) if quoted else None,
            button=pressed,
            source=_source(document),
            raw=document,
            channel_id=account.channel_id if account else None,
        )
    ]


def identifier(document: dict[str, Any], field: str) -> str:
    """A required identifier: 1–64 characters of A–Z a–z 0–9 _ . ~ -."""
    value = document.get(field)
    if value is None:
        raise Invalid("is required", field=field, code="required")
    if not isinstance(value, str) or _IDENT.fullmatch(value) is None:
        raise Invalid("must be 1–64 characters of A–Z a–z 0–9 _ . ~ -", field=field, code="wrong_format")
    return value


def _text(document: dict[str, Any], field: str, limit: int, where: str = "") -> str | None:
    value = document.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid("must be a string", field=f"{where}{field}", code="wrong_type")
    if len(value) > limit:
        raise Invalid(f"must have at most {limit} characters", field=f"{where}{field}", code="too_long")
    return value.strip() or None


def _sender(document: dict[str, Any], visitor: str) -> Sender:
    given = _text(document, "phone", 40)
    phone = wire.e164(given)
    if given and phone is None:
        raise Invalid("is not a phone number", field="phone", code="wrong_format")
    return Sender(
        id=visitor,
        display_name=_text(document, "name", 100),
        phone=phone,
        locale=_text(document, "locale", 16),
    )


def _button(value: Any) -> Button | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid("must be an object", field="button", code="wrong_type")
    payload = _text(value, "payload", 256, "button.")
    if payload is None:
        raise Invalid("is required", field="button.payload", code="required")
    source = _text(value, "source_message_id", 64, "button.")
    return Button(payload=payload, title=_text(value, "title", 200, "button."), source_message_id=source)


def _attachments(value: Any) -> tuple[Attachment, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Invalid("must be a list", field="attachments", code="wrong_type")
    if len(value) > MAX_ATTACHMENTS:
        raise Invalid(f"must have at most {MAX_ATTACHMENTS} items", field="attachments", code="too_many")
    return tuple(_attachment(item, f"attachments[{i}].") for i, item in enumerate(value))


def _attachment(item: Any, where: str) -> Attachment:
    if not isinstance(item, dict):
        raise Invalid("must be an object", field=where.rstrip("."), code="wrong_type")
    kind = item.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Invalid(f"must be one of {', '.join(sorted(KINDS))}", field=f"{where}kind", code="unknown_kind")
    if kind == "location":
        lat, lon = wire.real(item.get("lat")), wire.real(item.get("lon"))
        if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
            raise Invalid("needs lat and lon in degrees", field=f"{where}lat", code="wrong_format")
        return Attachment(kind=kind, lat=lat, lon=lon)
    ref, url = _text(item, "ref", 200, where), _text(item, "url", 2000, where)
    if url is not None and _URL.fullmatch(url) is None:
        raise Invalid("must be an http or https address", field=f"{where}url", code="wrong_format")
    if ref is None and url is None:
        raise Invalid("needs ref or url", field=f"{where}ref", code="required")
    return Attachment(
        kind=kind,
        ref=ref,
        url=url,
        mime=_text(item, "mime", 100, where),
        size=wire.size(item.get("size")),
        filename=_text(item, "filename", 200, where),
    )


def _source(document: dict[str, Any]) -> Source | None:
    ref, utm = _text(document, "ref", 200), document.get("utm")
    if utm is not None and not isinstance(utm, dict):
        raise Invalid("must be an object", field="utm", code="wrong_type")
    marks = {k[:64]: v[:200] for k, v in list((utm or {}).items())[:10] if isinstance(v, str)}
    return Source(ref=ref, utm=marks) if ref or marks else None

"""Reading foreign JSON without trusting its types.

Platforms change fields, send null for absent and strings for numbers; a surprise in one field must cost that field
alone, never the message. Every reader here returns None (or an empty container) for what it cannot use.
"""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.kit.text import loads

MAX_KEY: Final = 240
_MAX_INT: Final = 2**63 - 1
_MAX_SECONDS: Final = 253_402_300_799  # the last second of year 9999
RUSSIAN_PHONE: Final = re.compile(r"(?<![\d+])(?:\+?7|8)[\s\-(]{0,3}\d{3}[\s\-)]{0,3}\d{3}(?:[\s\-]?\d{2}){2}(?!\d)")
_PHONE_PUNCTUATION: Final = re.compile(r"[\s()\-.\u00a0]")


def decode_object(body: bytes, platform: str) -> dict[str, Any]:
    """The JSON object of a webhook body; Invalid for anything else."""
    try:
        value = loads(body)
    except (ValueError, RecursionError):
        raise Invalid(f"not a JSON body of {platform}", field="body", code="malformed") from None
    if not isinstance(value, dict):
        raise Invalid(f"a body of {platform} is a JSON object", field="body", code="malformed")
    return value


def obj(value: Any) -> dict[str, Any]:
    """A JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array; what is not an object is skipped."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A non-empty string."""
    return value if isinstance(value, str) and value else None


def poll(question: Any, options: Any) -> str | None:
    """A poll as lines: what is asked, then the `text` of everything to choose from; None without a word."""
    choices = [f"— {choice}" for option in objects(options) if (choice := text(option.get("text")))]
    return "\n".join(line for line in (text(question), *choices) if line) or None


def ident(value: Any) -> str | None:
    """An identifier as text: a non-empty string or an integer; zero and true are no identifiers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value and abs(value) <= _MAX_INT else None
    return text(value)


def whole(value: Any) -> int | None:
    """A 64-bit integer, also from a string of digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= _MAX_INT else None


def size(value: Any) -> int | None:
    """A count of bytes, pixels or seconds: a non-negative integer."""
    number = int(value) if isinstance(value, float) and math.isfinite(value) else whole(value)
    return number if number is not None and 0 <= number <= _MAX_INT else None


def real(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MAX_INT:
        return None
    return float(value) if math.isfinite(value) else None


def moment(value: Any) -> datetime | None:
    """Unix seconds, as number or text, as aware UTC time; None outside years 1970–9999."""
    seconds = whole(value)
    if seconds is None or not 0 < seconds <= _MAX_SECONDS:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def dedup_key(*parts: str | None) -> str:
    """The parts joined by ":". A key too long for a database index is replaced by its digest."""
    key = ":".join(part or "" for part in parts)
    if len(key) <= MAX_KEY:
        return key
    return "h:" + hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=20).hexdigest()


def digest(body: bytes) -> str:
    """A stable fingerprint of a body, for events that carry no identifier at all."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def e164(value: Any) -> str | None:
    """A phone number as +digits. Russian trunk notation (8 or 7 and ten digits) is understood; None if it is no number."""
    raw = text(value)
    if raw is None or len(raw) > 40:
        return None
    bare = _PHONE_PUNCTUATION.sub("", raw)
    digits = bare.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        return None
    if not bare.startswith("+") and len(digits) == 11 and digits[0] == "8":
        digits = "7" + digits[1:]
    elif not bare.startswith("+") and len(digits) == 10 and digits[0] == "9":
        digits = "7" + digits
    return "+" + digits


def phone_in(words: str) -> str | None:
    """The first Russian phone of a text as +7…; None without one."""
    found = RUSSIAN_PHONE.search(words)
    return e164(found.group()) if found else None

"""Text that PostgreSQL, JSON and people can all take."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

import orjson

REPLACEMENT: Final = "\ufffd"
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD (PROTOCOL A3)."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub(REPLACEMENT, text)


def storable_tree(value: Any) -> Any:
    """`storable` over every string, keys included, of a decoded JSON value."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(k)): storable_tree(v) for k, v in value.items()}
    if isinstance(value, list):
        return [storable_tree(v) for v in value]
    return value


def utf16_len(text: str) -> int:
    """Length in UTF-16 code units: what Telegram and MAX count limits and entity offsets in."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def loads(body: bytes | str) -> Any:
    """Decode JSON to storable values. Accepts what platforms really send: lone surrogate escapes, NUL, a BOM.

    Raises ValueError for anything that is not JSON (nesting deeper than the interpreter can follow included).
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _loads_tolerant(body)
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    return storable_tree(value) if b"\\u" in raw or b"\x00" in raw else value


def _loads_tolerant(body: bytes | str) -> Any:
    import json

    text = body.decode("utf-8-sig", "strict") if isinstance(body, bytes) else body
    try:
        return storable_tree(json.loads(text))
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Encode to compact UTF-8 JSON; UUID, datetime and dataclasses are supported natively."""
    return orjson.dumps(value, default=_subclassed, option=orjson.OPT_UTC_Z)


def _subclassed(value: Any) -> str:
    """Orjson takes UUID itself but not the database driver's subclass of it."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")

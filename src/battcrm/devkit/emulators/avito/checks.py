"""The strict side: requests that Avito would refuse are refused here, in its words."""

from __future__ import annotations

from typing import Any, Final

from battcrm.devkit.emulators.avito.state import ApiError

TEXT_LIMIT: Final = 1000
IMAGE_LIMIT: Final = 24 * 1024 * 1024
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/bmp", "image/heic"})


def bad(message: str) -> ApiError:
    """400."""
    return ApiError(400, message)


def only(body: dict[str, Any], allowed: set[str]) -> None:
    """Refuse unknown keys."""
    unknown = body.keys() - allowed
    if unknown:
        raise bad(f"unknown field {min(unknown)}")


def text_message(body: dict[str, Any]) -> str:
    """The text of `POST …/messages`."""
    only(body, {"type", "message"})
    message = body.get("message")
    if body.get("type") != "text" or not isinstance(message, dict):
        raise bad("type must be text")
    only(message, {"text"})
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad("message.text is required")
    if len(text) > TEXT_LIMIT:
        raise bad(f"message.text is longer than {TEXT_LIMIT} characters")
    return text


def image(content: bytes, mime: str) -> None:
    """One uploaded picture."""
    if mime not in IMAGE_TYPES:
        raise bad("unsupported image format")
    if not content or len(content) > IMAGE_LIMIT:
        raise bad("image size must be up to 24 MB")


def paging(query: dict[str, str], known: set[str], *, default: int = 100) -> tuple[int, int]:
    """(limit, offset) of a list; unknown parameters are refused."""
    only(dict(query), known | {"limit", "offset"})
    limit, offset = query.get("limit", str(default)), query.get("offset", "0")
    if not (limit.isdigit() and offset.isdigit() and 1 <= int(limit) <= 100 and int(offset) <= 1000):
        raise bad("limit must be 1–100, offset 0–1000")
    return int(limit), int(offset)

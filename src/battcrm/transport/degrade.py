"""What a platform cannot do is said in another way: pure functions from a command and Capabilities to pieces.

Buttons a platform lacks (or too many, or too long for it) become a numbered list; text over the limit is split at
paragraph, line, sentence, word; a caption over its limit goes after the media as text of its own.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final

from battcrm.kit.errors import Permanent
from battcrm.kit.text import utf16_len
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand
from battcrm.transport.base import Capabilities

Rows = tuple[tuple[OutButton, ...], ...]

# Best border first; a border counts only in the second half of the window, or pieces would become tiny.
_BORDERS: Final = (re.compile(r"\n[ \t]*\n"), re.compile(r"\n"), re.compile(r"[.!?…]+[»”\")]*\s"), re.compile(r"\s"))
_JOINERS: Final = "\u200d\ufe0f\ufe0e"
_ASK: Final = {"contact": "📞", "location": "📍"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One platform message: either text (with buttons) or one attachment (with a caption, without buttons)."""

    text: str = ""
    buttons: Rows = ()
    attachment: OutAttachment | None = None


def measure(text: str, unit: str) -> int:
    """Length in the platform's unit: `utf16` code units or `chars` (code points)."""
    return utf16_len(text) if unit == "utf16" else len(text)


def split_text(text: str, limit: int, unit: str = "chars") -> list[str]:
    """Pieces of at most `limit` units whose words, in order, are the text's words; nothing but border space is dropped.

    A word longer than the limit is cut, but never inside a combined character. Blank text gives [].
    """
    if limit < 2:
        raise ValueError("limit must be at least 2 units")
    pieces: list[str] = []
    rest = text.strip()
    while measure(rest, unit) > limit:
        window = _window(rest, limit, unit)
        cut = _border(rest, window)
        head = rest[:cut].rstrip()
        pieces.append(head)
        rest = rest[cut:].lstrip()
    if rest:
        pieces.append(rest)
    return pieces


def _window(text: str, limit: int, unit: str) -> int:
    """The largest number of code points that fits into `limit` units."""
    if unit != "utf16":
        return limit
    head = text[:limit]
    over = utf16_len(head) - limit
    end = len(head)
    while over > 0:
        end -= 1
        over -= 2 if ord(text[end]) > 0xFFFF else 1
    return end


def _border(text: str, window: int) -> int:
    """Where to cut: after the last good border that ends within the window (plus its trailing space)."""
    region = text[: window + 1]
    for pattern in _BORDERS:
        best = 0
        for found in pattern.finditer(region):
            if found.end() - 1 <= window:
                best = found.end()
        if best > window // 2:
            return min(best, window + 1)
    return _unbroken(text, window)


def _unbroken(text: str, cut: int) -> int:
    for back in range(cut, max(cut - 16, 1), -1):
        before, after = text[back - 1], text[back]
        if after not in _JOINERS and before != "\u200d" and not unicodedata.combining(after):
            return back
    return cut


def native_buttons(rows: Rows, capabilities: Capabilities) -> Rows | None:
    """The rows re-wrapped to the platform's width, or None if the platform cannot show them all as they are."""
    flat = [b for row in rows for b in row]
    if len(flat) > capabilities.buttons or not all(_fits(b, capabilities) for b in flat):
        return None
    width = max(1, capabilities.buttons_per_row)
    return tuple(row[i : i + width] for row in rows for i in range(0, len(row), width))


def _fits(button: OutButton, capabilities: Capabilities) -> bool:
    allowed = {
        "url": capabilities.url_buttons and bool(button.url),
        "contact": capabilities.ask_contact,
        "location": capabilities.ask_location,
    }.get(button.kind, True)
    return (
        allowed
        and len(button.title) <= capabilities.button_title_limit
        and len(button.payload.encode("utf-8", "replace")) <= capabilities.button_payload_limit
    )


def with_numbered(text: str, rows: Rows) -> str:
    """The text followed by the buttons as lines: "1. title" for choices, "title: url" for links, requests as lines."""
    lines: list[str] = []
    number = 0
    for button in (b for row in rows for b in row):
        if button.kind == "url":
            lines.append(f"{button.title}: {button.url}" if button.url else button.title)
        elif button.kind in _ASK:
            lines.append(f"{_ASK[button.kind]} {button.title}")
        else:
            number += 1
            lines.append(f"{number}. {button.title}")
    return "\n\n".join(part for part in (text.rstrip(), "\n".join(lines)) if part)


def plan(command: OutgoingCommand, capabilities: Capabilities) -> tuple[Piece, ...]:
    """The platform messages one command becomes, in order; buttons are on the last one.

    Raises Permanent (code `attachment_unsupported`) for a local file that the platform cannot take in any form, and
    (code `empty`) for a command without content.
    """
    rows: Rows | None = native_buttons(command.buttons, capabilities) if command.buttons else ()
    text = command.text if rows is not None else with_numbered(command.text, command.buttons)
    media: list[OutAttachment] = []
    for attachment in command.attachments:
        possible = _possible(attachment, capabilities)
        if possible is not None:
            media.append(possible)
        else:
            text = "\n".join(part for part in (text, attachment.url or "") if part)
    pieces = _media_first(media, text, rows or (), capabilities)
    if not pieces:
        raise Permanent("nothing to send", code="empty")
    return pieces


def _possible(attachment: OutAttachment, capabilities: Capabilities) -> OutAttachment | None:
    """The attachment in a kind the platform takes, or None if only its link can be sent."""
    if attachment.kind in capabilities.attachments_out:
        return attachment
    if "document" in capabilities.attachments_out:
        return replace(attachment, kind="document")
    if attachment.url:
        return None
    raise Permanent(f"the platform takes no {attachment.kind}", code="attachment_unsupported")


def _media_first(media: list[OutAttachment], text: str, rows: Rows, capabilities: Capabilities) -> tuple[Piece, ...]:
    limit = capabilities.caption_limit
    fits = limit is not None and measure(text.strip(), capabilities.text_unit) <= limit
    if len(media) == 1 and fits and not rows:
        return (Piece(text=text.strip(), attachment=media[0]),)
    pieces = [Piece(attachment=item) for item in media]
    texts = split_text(text, capabilities.text_limit, capabilities.text_unit)
    pieces += [Piece(text=part) for part in texts]
    if rows and texts:
        pieces[-1] = replace(pieces[-1], buttons=rows)
    return tuple(pieces)

"""Buttons → a MAX inline keyboard, inside its limits or not at all."""

from __future__ import annotations

from typing import Any, Final

from battcrm.models.outgoing import OutButton
from battcrm.transport.degrade import Rows

BUTTONS: Final = 210
ROWS: Final = 30
ROW_WIDTH: Final = 7
WIDE_ROW_WIDTH: Final = 3
TITLE_LIMIT: Final = 128
PAYLOAD_LIMIT: Final = 1024
URL_LIMIT: Final = 2048
_WIDE: Final = frozenset({"url", "contact", "location"})
# What people see of a title when there are so many in a row.
_VISIBLE: Final = {2: 10, 3: 5, 4: 3}


def keyboard(rows: Rows) -> dict[str, Any] | None:
    """The attachment, or None if the rows do not fit. Rows are broken where titles would be cut, if there is room."""
    flat = tuple(button for row in rows for button in row)
    if not 0 < len(flat) <= BUTTONS or any(len(button.url or "") > URL_LIMIT for button in flat):
        return None
    for lines in (_broken(rows, readable=True), _broken(rows, readable=False), _broken((flat,), readable=False)):
        if len(lines) <= ROWS:
            buttons = [[_button(button) for button in line] for line in lines]
            return {"type": "inline_keyboard", "payload": {"buttons": buttons}}
    return None


def _broken(rows: Rows, *, readable: bool) -> list[tuple[OutButton, ...]]:
    lines: list[tuple[OutButton, ...]] = []
    for row in rows:
        if not row:
            continue
        wide = any(button.kind in _WIDE for button in row)
        width = min(len(row), WIDE_ROW_WIDTH if wide else ROW_WIDTH)
        if readable:
            longest = max(len(button.title) for button in row)
            while width > 1 and longest > _VISIBLE.get(width, 3):
                width -= 1
        lines += [row[start : start + width] for start in range(0, len(row), width)]
    return lines


def _button(button: OutButton) -> dict[str, Any]:
    if button.kind == "url":
        return {"type": "link", "text": button.title, "url": button.url or ""}
    if button.kind == "contact":
        return {"type": "request_contact", "text": button.title}
    if button.kind == "location":
        return {"type": "request_geo_location", "text": button.title, "quick": False}
    return {"type": "callback", "text": button.title, "payload": button.payload or button.title}

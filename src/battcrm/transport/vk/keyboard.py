"""Buttons → VK keyboard JSON, inside its limits or not at all."""

from __future__ import annotations

from typing import Any, Final

from battcrm.kit.text import dumps
from battcrm.models.outgoing import OutButton
from battcrm.transport.degrade import Rows

INLINE_ROWS: Final = 6
NORMAL_ROWS: Final = 10
ROW_WIDTH: Final = 5
PAYLOAD_LIMIT: Final = 255
# These buttons take a whole row and have no colour.
_WIDE: Final = {"url": "open_link", "location": "location"}
_ACTIONS: Final = {"reply": "text", "callback": "callback"}


def keyboard(rows: Rows, *, inline: bool = True) -> dict[str, Any] | None:
    """The `keyboard` object, or None if the rows do not fit; `inline` is the kind attached to the message itself."""
    most = INLINE_ROWS if inline else NORMAL_ROWS
    lines = _lines(rows)
    if len(lines) > most:
        lines = _lines((tuple(button for row in rows for button in row),))
    if not 0 < len(lines) <= most:
        return None
    if any(len(cell["action"].get("payload", "")) > PAYLOAD_LIMIT for line in lines for cell in line):
        return None
    return {"inline": True, "buttons": lines} if inline else {"one_time": True, "inline": False, "buttons": lines}


def _lines(rows: Rows) -> list[list[dict[str, Any]]]:
    lines: list[list[dict[str, Any]]] = []
    for row in rows:
        open_line = False
        for button in row:
            if button.kind in _WIDE:
                lines.append([_wide(button)])
                open_line = False
            elif open_line and len(lines[-1]) < ROW_WIDTH:
                lines[-1].append(_narrow(button))
            else:
                lines.append([_narrow(button)])
                open_line = True
    return lines


def _wide(button: OutButton) -> dict[str, Any]:
    if button.kind == "location":
        return {"action": {"type": "location", "payload": _payload(button)}}
    action = {"type": "open_link", "label": button.title, "link": button.url or "", "payload": _payload(button)}
    return {"action": action}


def _narrow(button: OutButton) -> dict[str, Any]:
    kind = _ACTIONS.get(button.kind, "text")
    action = {"type": kind, "label": button.title, "payload": _payload(button)}
    return {"action": action, "color": "secondary"}


def _payload(button: OutButton) -> str:
    """VK takes JSON only: plain text is wrapped, and unwrapped when the button is pressed (vk/parse.py)."""
    return dumps({"p": button.payload or button.title}).decode()

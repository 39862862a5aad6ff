"""Words that come in parts: checklists, polls, rich messages, gifts with a note. Said by a person all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from battcrm.transport import wire

_DEPTH: Final = 12
_LIMIT: Final = 400


def structured(message: dict[str, Any]) -> str | None:
    """The words as plain lines; None where there are none."""
    return _checklist(message) or _poll(message) or _rich(message) or _note(message)


def _checklist(message: dict[str, Any]) -> str | None:
    checklist = wire.obj(message.get("checklist"))
    lines = [wire.text(checklist.get("title"))]
    for task in wire.objects(checklist.get("tasks")):
        done = "✓" if task.get("completion_date") else "—"
        said = wire.text(task.get("text"))
        lines.append(f"{done} {said}" if said else None)
    return "\n".join(line for line in lines if line) or None


def _poll(message: dict[str, Any]) -> str | None:
    poll = wire.obj(message.get("poll"))
    return wire.poll(poll.get("question"), poll.get("options"))


def _rich(message: dict[str, Any]) -> str | None:
    blocks = wire.obj(message.get("rich_message")).get("blocks")
    lines = (line for block in wire.objects(blocks)[:_LIMIT] for line in _block(block, 0))
    return "\n".join(lines) or None


def _note(message: dict[str, Any]) -> str | None:
    """What was written on a gift."""
    gift = wire.obj(message.get("gift")) or wire.obj(message.get("unique_gift"))
    return wire.text(gift.get("text"))


def _block(block: dict[str, Any], depth: int) -> Iterator[str]:
    """Lines of one block, whatever its type: its own words, then those inside it."""
    if depth > _DEPTH:
        return
    for name in ("text", "caption", "credit"):
        line = "".join(_words(block.get(name), depth)).strip()
        if line:
            yield line
    for name in ("items", "blocks"):
        for inner in wire.objects(block.get(name)):
            yield from _block(inner, depth + 1)
    table = block.get("cells")
    for row in table if isinstance(table, list) else ():
        cells = ("".join(_words(cell.get("text"), depth)).strip() for cell in wire.objects(row))
        line = " | ".join(cell for cell in cells if cell)
        if line:
            yield line


def _words(value: Any, depth: int) -> Iterator[str]:
    """Rich text is a string, a list of rich texts, or an object with `text` inside."""
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value[:_LIMIT]:
            yield from _words(part, depth + 1)
    elif isinstance(value, dict):
        yield from _words(value.get("text"), depth + 1)

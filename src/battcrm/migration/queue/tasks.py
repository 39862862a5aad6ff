"""Reads what n8n puts into the list: JSON, JSON inside a JSON string, ids as numbers or strings, a webhook's `body`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.kit.text import loads
from battcrm.migration.queue.settings import TaskFields

MAX_BYTES: Final = 256 * 1024
_MAX_ENCODED: Final = 3
_MAX_TEXTS: Final = 50
_MAX_ID: Final = 200
_BODY: Final = "body"
# Beyond it a number may have lost digits on its way, and two tasks would be one.
_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `task_id` and `tenant` as the other side writes them; `document` is the whole of it."""

    task_id: str
    tenant: str | None
    texts: tuple[str, ...]
    resume_url: str | None = None
    expecting: str | None = None
    options: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)


def parse_task(raw: bytes, fields: TaskFields) -> Task:
    """The task of one list element. Invalid says what is wrong and never repeats the content."""
    document = _document(raw)
    found = _Lookup(document)
    text = found.first(fields.text)
    if text is _ABSENT:
        raise _bad("text", f"there is none of {', '.join(fields.text)}")
    task_id = _word(found.first(fields.id))
    if not task_id:
        raise _bad("id", f"there is none of {', '.join(fields.id)}")
    if len(task_id) > _MAX_ID:
        raise _bad("id", f"longer than {_MAX_ID} characters")
    return Task(
        task_id=task_id,
        tenant=_word(found.first(fields.tenant)) or None,
        texts=_texts(text),
        resume_url=_word(found.first(fields.resume_url)) or None,
        expecting=_word(found.first(("expecting",))) or None,
        options=_texts(found.first(("options",)) or ()),
        document=document,
    )


class _Absent:
    """No value, as opposed to null."""

    def __bool__(self) -> bool:
        return False


_ABSENT: Final = _Absent()


class _Lookup:
    """Finds a field at the top of the document or in what a webhook wrapped."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        inner = document.get(_BODY)
        if isinstance(inner, str):
            inner = _readable(inner)
        self._places = (document, inner) if isinstance(inner, dict) else (document,)

    def first(self, names: Sequence[str]) -> Any:
        """The first value that is not null; null if only that is there, `_ABSENT` if nothing is."""
        values = [place[name] for place in self._places for name in names if name in place]
        return next((value for value in values if value is not None), values[0] if values else _ABSENT)


def _document(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > MAX_BYTES:
        raise _bad("task", f"larger than {MAX_BYTES // 1024} kB")
    try:
        document = _unwrapped(loads(raw))
    except ValueError:
        raise _bad("task", "not JSON") from None
    if not isinstance(document, dict):
        raise _bad("task", "not a JSON object")
    return document


def _readable(text: str) -> Any:
    """JSON as a value; None for any other text."""
    try:
        return _unwrapped(text)
    except ValueError:
        return None


def _unwrapped(value: Any) -> Any:
    """The value inside JSON strings inside JSON strings."""
    for _ in range(_MAX_ENCODED):
        if not isinstance(value, str):
            return value
        value = loads(value)
    return value


def _word(value: Any) -> str:
    """A string or a whole number as text, else an empty one: node-pg writes bigints as strings."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int) else ""


def _texts(value: Any) -> tuple[str, ...]:
    """Texts of one message or several; a message without words (a photo) is an empty text."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (_word(value) or str(value),)
    if isinstance(value, dict):
        return _texts(value.get("text"))
    if isinstance(value, list | tuple) and len(value) <= _MAX_TEXTS:
        return tuple(text for part in value for text in _texts(part))
    raise _bad("text", f"expected a text, or at most {_MAX_TEXTS} of them")


def _bad(name: str, what: str) -> Invalid:
    return Invalid(f"{name}: {what}", field=name, code="bad_task")

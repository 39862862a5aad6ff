"""Loads labelled dialogues: `{"id", "messages": [...], "expect": {...} | [...]}`, one JSON object a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from battcrm.kit.errors import Invalid
from battcrm.models.facts import FIELDS, REPAIR_TYPES, AppealType, PartOwner

_SHOP: Final = frozenset({"shop", "bot", "operator", "assistant", "manager", "out", "outbound", "business"})
_OPTION: Final = re.compile(r"(?:^|\s)([1-9])[).]\s*([^\n;]+?)(?=(?:\s+[1-9][).])|[\n;]|$)")
_CONFIRM: Final = re.compile(r"(?:^|у вас|это|модель|устройство)\s*[:—-]?\s*([^?!.,:]{2,30})\?\s*$", re.IGNORECASE)
_ALLOWED: Final = {
    "appeal_type": frozenset(AppealType),
    "repair_types": frozenset(REPAIR_TYPES),
    "part_owner": frozenset(PartOwner),
}
_QUESTIONS: Final = (
    ("part_owner", re.compile(r"чья|сво[яйюе]|ваш[аиеу]? (?:запчаст|детал|экран)|ваш[аиеу]? или наш|наш[аиеу]? или ваш|с (?:вашей|нашей) запчаст|запчасть (?:ваша|наша)|your own part")),
    ("model", re.compile(r"модел|какой (?:именно )?(?:телефон|айфон|аппарат|у вас)|какая (?:именно )?у вас|which (?:model|device)")),
    ("repair_types", re.compile(r"что (?:именно )?(?:случил|слома|с ним|с ней|не работает|меня|произош)|какая (?:поломк|проблем|неисправн)|what happened")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """Customer messages in a row, with what the shop had asked just before them."""

    texts: tuple[str, ...]
    expecting: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled dialogue. `expect` has one mapping per device; a key that is missing is not scored."""

    id: str
    turns: tuple[Turn, ...]
    expect: tuple[Mapping[str, Any], ...]

    @property
    def messages(self) -> int:
        """Number of customer messages."""
        return sum(len(turn.texts) for turn in self.turns)


def load(path: Path) -> list[Example]:
    """All dialogues of a file; blank lines are skipped. Raises Invalid naming line and field; OSError when unreadable."""
    examples = []
    seen: set[str] = set()
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        if not raw.strip():
            continue
        example = _example(raw, number)
        if example.id in seen:
            raise _bad(number, "id", f"{example.id!r} appears twice")
        seen.add(example.id)
        examples.append(example)
    return examples


def _bad(number: int, name: str, what: str) -> Invalid:
    return Invalid(f"line {number}: {name}: {what}", field=name, remedy="see the description of the format in docs")


def _example(raw: bytes, number: int) -> Example:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _bad(number, "line", f"not JSON ({error})") from error
    if not isinstance(row, dict):
        raise _bad(number, "line", "must be a JSON object")
    name = row.get("id")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise _bad(number, "id", "must be a string or a number")
    messages = row.get("messages")
    if isinstance(messages, str):
        messages = [messages]
    if not isinstance(messages, list) or not messages:
        raise _bad(number, "messages", "must be a list with at least one message")
    expect = row.get("expect")
    wanted = expect if isinstance(expect, list) else [expect]
    if not wanted:
        raise _bad(number, "expect", "must be an object or a list with at least one object")
    return Example(str(name), tuple(_turns(messages, number)), tuple(_labels(item, number) for item in wanted))


def _labels(item: object, number: int) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise _bad(number, "expect", "must be an object or a list of objects")
    for name, value in item.items():
        if name not in FIELDS:
            continue
        if name == "repair_types":
            if value is not None and not isinstance(value, list):
                raise _bad(number, name, "must be a list")
            values: Iterable[Any] = value or ()
        else:
            values = () if value is None else (value,)
        for one in values:
            if not isinstance(one, str) or (name in _ALLOWED and one not in _ALLOWED[name]):
                raise _bad(number, name, f"{one!r} is not a value of this field")
    return item


def _turns(messages: list[Any], number: int) -> list[Turn]:
    turns: list[Turn] = []
    texts: list[str] = []
    asked: tuple[str | None, tuple[str, ...]] = (None, ())
    for message in messages:
        text, shop = _message(message, number)
        if not shop:
            texts.append(text)
            continue
        if texts:
            turns.append(Turn(tuple(texts), *asked))
            texts = []
        asked = question_of(text)
    if texts:
        turns.append(Turn(tuple(texts), *asked))
    if not turns:
        raise _bad(number, "messages", "has no customer message")
    return turns


def _message(message: object, number: int) -> tuple[str, bool]:
    if isinstance(message, str):
        return message, False
    if isinstance(message, dict) and isinstance(message.get("text"), str):
        who = message.get("from", message.get("role", ""))
        return message["text"], str(who).casefold() in _SHOP
    raise _bad(number, "messages", 'each must be a string or {"text", "from" or "role"}')


def question_of(text: str) -> tuple[str | None, tuple[str, ...]]:
    """What a shop's message asks for, and the numbered options it offers; (None, ()) for a statement.

    A question that only names something ("У вас iPhone?") offers it as the single option.
    """
    options = tuple(match.group(2).strip(" .,") for match in _OPTION.finditer(text))
    if "?" not in text and len(options) < 2:
        return None, ()
    low = text.casefold().replace("ё", "е")
    field = next((name for name, pattern in _QUESTIONS if pattern.search(low)), None)
    if field is None and not options and (named := _CONFIRM.search(text)) is not None:
        return "model", (named.group(1).strip(),)
    return field, options if len(options) >= 2 else ()

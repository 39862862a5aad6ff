"""A list of breaks as data: what is changed, which rule that takes away, and what must notice."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
BEHAVIOUR: Final = Path(__file__).with_name("behaviour.yaml")
SOURCE: Final = "src/battcrm"


@dataclass(frozen=True, slots=True)
class Break:
    """One change of one place. `tests` are pytest arguments; without them the dialogue scripts must notice.

    `caught_by` is the script that noticed last time and is played first; `survives` says why nothing can notice.
    """

    name: str
    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    caught_by: str = ""
    survives: str = ""


def load(path: Path = BEHAVIOUR) -> tuple[Break, ...]:
    """The breaks of a list. ValueError names an entry that is not one."""
    breaks = tuple(_break(entry) for entry in yaml.safe_load(path.read_text("utf-8"))["breaks"])
    names = [one.name for one in breaks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path.name}: listed twice: {', '.join(twice)}")
    return breaks


def _break(entry: dict[str, Any]) -> Break:
    try:
        tests = entry.get("tests", ())
        return Break(**{**entry, "tests": tuple(tests.split() if isinstance(tests, str) else tests)})
    except TypeError as error:
        raise ValueError(f"{entry.get('name', entry)}: {error}") from error


def applied(one: Break, text: str) -> str:
    """The file's text with the break in it. ValueError when it cannot be put there, or nothing would change."""
    found = text.count(one.old)
    if found != 1:
        raise ValueError(f"{one.name}: {one.old!r} is {found} times in {one.file}, not once")
    broken = text.replace(one.old, one.new)
    if broken == text:
        raise ValueError(f"{one.name}: changes nothing")
    if one.file.endswith(".py"):
        try:
            changed = ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text))
        except SyntaxError as error:
            raise ValueError(f"{one.name}: {one.file} is no Python any more: {error}") from error
        if not changed:
            raise ValueError(f"{one.name}: changes only how it looks")
    return broken


def problem(one: Break, root: Path = ROOT) -> str | None:
    """Why a break does not fit the code any more; None if it does."""
    path = root / SOURCE / one.file
    if not path.is_file():
        return f"{one.name}: there is no {one.file}"
    try:
        applied(one, path.read_text("utf-8"))
    except ValueError as error:
        return str(error)
    return None

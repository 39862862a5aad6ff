"""docs/reference/commands.md from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from battcrm.cli.main import COMMANDS, load

_HEAD: Final = """# Commands

Made from `src/battcrm/cli` by `make docs`; a test compares. Do not edit.

Commands live in `.venv/bin/`. Exit 0: done, 1: the check failed, 2: bad usage or configuration. With `--json` exactly one
JSON document goes to standard output; messages and logs go to standard error. Settings come from the environment:
[configuration](configuration.md).
"""


def render() -> str:
    """The page."""
    return _HEAD + "".join(part for name in COMMANDS for part in _pages(f"battcrm {name}", load(name)))


def _pages(path: str, command: Any) -> Iterator[str]:
    """A command's section; of a group each of its commands'."""
    below = getattr(command, "commands", {})
    if below:
        for name in sorted(below):
            yield from _pages(f"{path} {name}", below[name])
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(_argument(p) for p in arguments)])
    yield f"\n## `{usage}`\n\n{_text(command.help)}\n"
    rows = [_row(_names(p), p) for p in options]
    if rows:
        yield "\n| option | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name or "").upper()
    name += "…" if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _row(names: str, parameter: Any) -> str:
    return f"| {names} | {_default(parameter)} | {_text(parameter.help)} |\n"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value == "" or value is False or callable(value) or value == ():
        return ""
    return f"`{value}`"


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")

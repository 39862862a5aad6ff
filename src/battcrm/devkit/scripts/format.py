"""A dialogue script as data (docs/guides/dialogue-scripts.md). What is wrong with a file is told by line and key."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from battcrm.devkit.scripts.people import Operator
from battcrm.devkit.scripts.times import Seconds
from battcrm.kit.errors import Invalid

# The one in C reads ten times as fast; not every platform has it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CLIENT_ACTS: Final = ("say", "write", "press", "edit", "delete", "repeat", "react", "send", "contact", "typing")
SHOP_ACTS: Final = ("deliver", "operator", "phone_reply", "fault", "restart", "wait")


def _list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Part):
    """A price line of the shop, or `repairs` finished repairs at that price. Roubles."""

    brand: str
    model: str
    repair: str
    labour: int = Field(ge=0)
    part: int = Field(default=0, ge=0)
    repairs: int = Field(default=0, ge=0, le=200)


class Shop(_Part):
    """The shop: its settings over the defaults, its prices, its moment. `start` is local time of `timezone`."""

    config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    prices: tuple[Price, ...] | Literal["usual", "none"] = "usual"
    start: datetime = datetime(2026, 6, 1, 12, 0)  # noqa: DTZ001 - in the shop's own zone
    timezone: str = "Europe/Moscow"
    model: Literal["none", "down"] = "none"
    thinking: Seconds = 0.0


class Channel(_Part):
    """What the channel can do. `ordered`: its platform numbers the messages of a chat. `group`: many people in it."""

    buttons: bool = True
    ordered: bool = False
    group: bool = False


class AppealExpect(_Part):
    """What one appeal must be like."""

    status: str | None = None
    control: str | None = None
    facts: dict[str, str | None] = Field(default_factory=dict)
    outcome: str | None = None
    messages: int | None = None


class Expect(_Part):
    """What must have come of the step and of those it is timed to. What is not given is not looked at."""

    decisions: Texts | None = None
    route: str | None = None
    facts: dict[str, str | None] = Field(default_factory=dict)
    status: str | None = None
    control: str | None = None
    appeal: int | None = None
    appeals: int | None = None
    each: dict[int, AppealExpect] = Field(default_factory=dict)
    reply: Texts = ()
    without: Texts = ()
    order: Texts = ()
    buttons: Texts = ()
    replies: int | None = None
    silence: bool = False
    turns: int | None = None
    within: Seconds | None = None
    not_before: Seconds | None = None
    stored: int | None = None
    opted_out: bool | None = None
    handover: str | None = None
    suggested: int | None = None
    clients: int | None = None
    outcome: str | None = None
    events: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _silent(self) -> Self:
        if self.silence and (self.replies or self.reply):
            raise ValueError("silence has no replies")
        return self


class Step(_Part):
    """One act. Without `after` it waits until the shop has nothing left to do; with it, it is timed to the act before."""

    say: Texts = ()
    write: str | None = None
    press: str | None = None
    edit: str | None = None
    delete: str | None = None
    repeat: str | None = None
    react: str | None = None
    send: Literal["photo", "voice", "video", "document", "sticker"] | None = None
    contact: str | None = None
    typing: bool = False
    deliver: Texts = ()
    operator: Operator | None = None
    phone_reply: str | None = None
    fault: Literal["busy", "refused", "lost", "swallowed"] | None = None
    restart: bool = False
    wait: Seconds | None = None
    text: str = ""
    in_: str = Field(default="", alias="in")
    by: str = "client"
    name: str = ""
    of: str = ""
    to: str = ""
    after: Seconds | None = None
    gap: Seconds = 1.0
    expect: Expect | None = None

    @property
    def act(self) -> str:
        """The name of what is done."""
        return next(name for name in (*CLIENT_ACTS, *SHOP_ACTS) if _given(getattr(self, name)))

    @model_validator(mode="after")
    def _one_act(self) -> Self:
        acts = [name for name in (*CLIENT_ACTS, *SHOP_ACTS) if _given(getattr(self, name))]
        if len(acts) != 1:
            said = f"found {', '.join(acts)}" if acts else "found none"
            raise ValueError(f"a step is exactly one of {', '.join((*CLIENT_ACTS, *SHOP_ACTS))}; {said}")
        return self


class Script(_Part):
    """One story of one shop. `covers` names the topics it stands for."""

    title: str = Field(min_length=1)
    covers: Texts = ()
    shop: Shop = Shop()
    channels: dict[str, Channel] = Field(default_factory=lambda: {"chat": Channel()}, min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _channels_exist(self) -> Self:
        unknown = {s.in_ for s in self.steps if s.in_} - set(self.channels)
        if unknown:
            raise ValueError(f"no such channel: {', '.join(sorted(unknown))}")
        return self


class ScriptFile(_Part):
    """A file of scripts."""

    scripts: tuple[Script, ...] = Field(min_length=1)


def load_scripts(path: Path) -> tuple[tuple[Path, Script], ...]:
    """The scripts of a file, or of all `*.yaml` below a folder. Invalid names file, line and key."""
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not files or not all(f.is_file() for f in files):
        raise Invalid(f"no scripts at {path}", field="path", remedy="give a .yaml file or a folder with some")
    return tuple((file, script) for file in files for script in read_scripts(file.read_text("utf-8"), file.name))


def read_scripts(text: str, name: str = "script") -> tuple[Script, ...]:
    """The scripts of one document. Invalid names the line and the key of everything that is wrong."""
    try:
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders make plain values only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = min(mark.line + 1, len(text.splitlines())) if mark else 0
        where = f"{name}:{line}" if line else name
        raise Invalid(f"{where}: not YAML: {getattr(error, 'problem', error)}", field="path") from error
    try:
        return ScriptFile.model_validate(document).scripts
    except ValidationError as error:
        root = yaml.compose(text, Loader=_LOADER)
        told = [f"{name}:{_line(root, e['loc'])}: {_key(e['loc'])}: {e['msg']}" for e in error.errors()]
        raise Invalid(
            "\n".join(told), field="path", remedy="docs/guides/dialogue-scripts.md names every key"
        ) from error


def _given(value: object) -> bool:
    return value is not None and value != () and value is not False


def _key(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "document"


def _line(node: Any, loc: tuple[int | str, ...]) -> int:
    """The line of the deepest part of `loc` that is really in the file."""
    line = 1
    for part in loc:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: Any, part: int | str) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None

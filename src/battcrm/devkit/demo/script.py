"""The sample dialogues as data: what people do, and what must come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE: Final = Path(__file__).with_name("dialogues.yaml")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expect(_Part):
    """What a step must lead to; what is not given is not looked at, except that nothing given means silence is wrong.

    `reply` are pieces that the texts the person received must contain, `without` pieces they must not; `facts` are
    values known about the appeal afterwards; `decisions` are `action/reason`, one for each device.
    """

    decisions: tuple[str, ...] | None = None
    facts: dict[str, str] = Field(default_factory=dict)
    route: str | None = None
    reply: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()
    replies: int = 1
    turns: int | None = None
    status: str | None = None
    appeals: int | None = None


class Step(_Part):
    """One act of the client or of the operator. `say` with several texts is a burst."""

    say: tuple[str, ...] = ()
    twice: str | None = None
    press: str | None = None
    edit: str | None = None
    operator: Literal["reply", "return", "done"] | None = None
    text: str = ""
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _one_act(self) -> Self:
        acts = [
            bool(self.say),
            self.twice is not None,
            self.press is not None,
            self.edit is not None,
            bool(self.operator),
        ]
        if sum(acts) != 1:
            raise ValueError("a step is exactly one of say, twice, press, edit, operator")
        if (self.operator == "reply") != bool(self.text):
            raise ValueError("`text` belongs to the operator's reply")
        return self


class Dialogue(_Part):
    """One client's conversation."""

    title: str
    channel: Literal["telegram", "webchat"]
    client: str
    steps: tuple[Step, ...] = Field(min_length=1)


def load_dialogues(path: Path = FILE) -> tuple[Dialogue, ...]:
    """The dialogues of a file, checked. Raises pydantic's ValidationError naming the place."""
    document = yaml.safe_load(path.read_text("utf-8"))
    return tuple(Dialogue.model_validate(entry) for entry in document["dialogues"])

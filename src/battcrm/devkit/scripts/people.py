"""What people of the shop do in a script, beyond writing: operators' acts on appeals, drafts and clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from battcrm.devkit.scripts.stage import Stage
from battcrm.devkit.scripts.times import Seconds
from battcrm.infra.postgres import Pool
from battcrm.kit.errors import BattError, Invalid
from battcrm.models.situation import AppealStatus

ALL: Final = "all"
_NEEDS: Final[dict[str, frozenset[str]]] = {
    "reply": frozenset({"text"}),
    "edit": frozenset({"text"}),
    "pause": frozenset({"for"}),
    "merge": frozenset({"into"}),
}
_MAY: Final[dict[str, frozenset[str]]] = {
    "correct": frozenset({"set", "messages", "to"}),
    "take": frozenset({"keep"}),
    "accept": frozenset({"anyway"}),
    "edit": frozenset({"text", "anyway"}),
    "reject": frozenset({"text"}),
}
_APPEALS: Final = "SELECT number FROM appeal WHERE tenant_id = $1 ORDER BY number"
_MESSAGE: Final = """
SELECT m.message_id FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
WHERE m.tenant_id = $1 AND d.channel_id = $2 AND d.external_chat_id = $3 AND m.external_id = $4 AND m.kind <> 'edit'
"""
_DRAFT: Final = """
SELECT s.suggestion_id FROM suggestion s LEFT JOIN appeal a ON a.tenant_id = s.tenant_id AND a.appeal_id = s.appeal_id
WHERE s.tenant_id = $1 AND ($2::bigint IS NULL OR a.number = $2) ORDER BY (s.state = 'open') DESC, s.suggestion_id DESC
LIMIT 1
"""
_MERGE: Final = """
SELECT merge_id FROM client_merge WHERE tenant_id = $1 ORDER BY (undone_at IS NULL) DESC, merge_id DESC LIMIT 1
"""


def _texts(value: object) -> object:
    return (value,) if isinstance(value, str) else () if value is None else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Operator(BaseModel):
    """One act of a person in the shop; `appeal` is its number, else the newest. `refused`: it must be, in these words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Literal[
        "take", "reply", "return", "pause", "off", "done", "lost", "spam",
        "correct", "accept", "edit", "reject", "merge", "unmerge", "vip", "not_vip",
    ]  # fmt: skip
    text: str = ""
    appeal: int | None = None
    set: dict[str, Texts] = Field(default_factory=dict)
    messages: Texts = ()
    to: int | Literal["new"] | None = None
    into: int | None = None
    for_: Seconds | None = Field(default=None, alias="for")
    keep: bool = False
    anyway: bool = False
    refused: str | None = None

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        given = {
            "text": bool(self.text), "set": bool(self.set), "messages": bool(self.messages), "to": self.to is not None,
            "into": self.into is not None, "for": self.for_ is not None, "keep": self.keep, "anyway": self.anyway,
        }  # fmt: skip
        needs = _NEEDS.get(self.do, frozenset())
        for name, is_given in given.items():
            if is_given and name not in needs | _MAY.get(self.do, frozenset()):
                raise ValueError(f"`{name}` does not belong to `do: {self.do}`")
            if name in needs and not is_given:
                raise ValueError(f"`do: {self.do}` needs `{name}`")
        return self


@dataclass(frozen=True, slots=True)
class Place:
    """Where a named message of a person is."""

    channel_id: UUID
    chat: str
    message: str


async def act(pool: Pool, stage: Stage, wish: Operator, named: Mapping[str, Place]) -> None:
    """Do it; Invalid when a refusal was expected and did not come, or came in other words."""
    try:
        await _do(pool, stage, wish, named)
    except BattError as error:
        if wish.refused is None:
            raise
        if wish.refused.lower() not in f"{error.code} {error.text}".lower():
            raise Invalid(f"refused with {error.code}: {error.text}, expected {wish.refused!r}") from error
    else:
        if wish.refused is not None:
            raise Invalid(f"`do: {wish.do}` was not refused")


async def _do(pool: Pool, stage: Stage, wish: Operator, named: Mapping[str, Place]) -> None:
    numbers = [row["number"] for row in await pool.fetch(_APPEALS, stage.tenant_id)]
    number = wish.appeal if wish.appeal is not None else numbers[-1] if numbers else 0
    if wish.do == "correct":
        refs: Sequence[UUID] | str = ALL if wish.messages == (ALL,) else await _messages(pool, stage, wish, named)
        await stage.corrections.correct(
            stage.tenant_id, number, facts=wish.set, messages=refs, to=wish.to, naming=stage.naming
        )
    elif wish.do in ("accept", "edit", "reject"):
        await _decide(pool, stage, wish)
    elif wish.do in ("vip", "not_vip"):
        await stage.clients.mark_vip(stage.tenant_id, number, vip=wish.do == "vip")
    elif wish.do == "merge":
        await stage.clients.merge(stage.tenant_id, wish.into or 0, number)
    elif wish.do == "unmerge":
        await stage.clients.unmerge(stage.tenant_id, await pool.fetchval(_MERGE, stage.tenant_id) or UUID(int=0))
    else:
        await _talk(stage, wish, number)


async def _talk(stage: Stage, wish: Operator, number: int) -> None:
    tenant, people = stage.tenant_id, stage.operators
    match wish.do:
        case "take":
            await people.take(tenant, number, keep=wish.keep)
        case "reply":
            await people.reply(tenant, number, wish.text)
        case "return":
            await people.give_back(tenant, number)
        case "pause":
            await people.pause(tenant, number, wish.for_ or 0.0)
        case "off":
            await people.switch_off(tenant, number)
        case _:
            await people.close(tenant, number, AppealStatus(wish.do))


async def _decide(pool: Pool, stage: Stage, wish: Operator) -> None:
    draft = await pool.fetchval(_DRAFT, stage.tenant_id, wish.appeal) or UUID(int=0)
    if wish.do == "accept":
        await stage.suggestions.accept(stage.tenant_id, draft, anyway=wish.anyway)
    elif wish.do == "edit":
        await stage.suggestions.edit(stage.tenant_id, draft, wish.text, anyway=wish.anyway)
    else:
        await stage.suggestions.reject(stage.tenant_id, draft, wish.text)


async def _messages(pool: Pool, stage: Stage, wish: Operator, named: Mapping[str, Place]) -> list[UUID]:
    found = []
    for name in wish.messages:
        place = named.get(name)
        if place is None:
            raise Invalid(f"no message is called {name!r}", field="messages", remedy="give it one with `name`")
        key = (place.channel_id, place.chat, place.message)
        message_id = await pool.fetchval(_MESSAGE, stage.tenant_id, *key)
        if message_id is None:
            raise Invalid(f"message {name!r} was never stored", field="messages")
        found.append(message_id)
    return found

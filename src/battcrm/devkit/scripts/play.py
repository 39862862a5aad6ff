"""Playing one script on its stage."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.scripts import people
from battcrm.devkit.scripts.format import Expect, Script, Step
from battcrm.devkit.scripts.judge import Seen, judge
from battcrm.devkit.scripts.stage import Stage
from battcrm.infra.postgres import Pool
from battcrm.kit.errors import BattError, Invalid
from battcrm.models.unified import (
    Attachment,
    Button,
    Content,
    Conversation,
    Direction,
    Kind,
    ReplyTo,
    Sender,
    UnifiedMessage,
)
from battcrm.transport.base import ChannelAccount

BETWEEN: Final = 15.0
"""Seconds a person takes to read an answer before the next step that is not timed."""

_DECISIONS: Final = """
SELECT decision_id, turn_id, appeal_id, action, reason, inputs FROM decision WHERE tenant_id = $1 ORDER BY decision_id
"""
_APPEALS: Final = """
SELECT a.appeal_id, a.number, a.status, a.control, a.known, a.touched_at,
  (SELECT e.outcome FROM episode e WHERE e.tenant_id = a.tenant_id AND e.appeal_id = a.appeal_id
   ORDER BY e.started_at DESC, e.episode_id DESC LIMIT 1) AS outcome,
  (SELECT count(*) FROM message m WHERE m.tenant_id = a.tenant_id AND m.appeal_id = a.appeal_id AND m.direction = 'in'
   AND m.kind <> 'edit') AS messages
FROM appeal a WHERE a.tenant_id = $1 ORDER BY a.number
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM message WHERE tenant_id = $1 AND direction = 'in' AND deleted_at IS NULL) AS stored,
  (SELECT coalesce(bool_or(do_not_contact), false) FROM client WHERE tenant_id = $1) AS opted_out,
  (SELECT count(*) FROM suggestion WHERE tenant_id = $1 AND state = 'open') AS suggested,
  (SELECT count(*) FROM client WHERE tenant_id = $1 AND merged_into IS NULL) AS clients
"""
_EVENTS: Final = "SELECT event_id, type FROM outbox WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True)
class Result:
    """A script as it went; `wrong` names steps (from 1) and what was not as expected."""

    script: Script
    file: str
    wrong: tuple[str, ...]
    replies: tuple[str, ...]


@dataclass(slots=True)
class _Written:
    """A message of a person, as its platform has it."""

    channel: str
    message: UnifiedMessage


@dataclass
class Player:
    """Plays a script; one use."""

    pool: Pool
    stage: Stage
    script: Script
    accounts: Mapping[str, ChannelAccount]
    written: dict[str, _Written] = field(default_factory=dict)
    count: int = 0
    spoke_at: datetime | None = None
    _known: set[UUID] = field(default_factory=set)
    _told: set[UUID] = field(default_factory=set)
    _heard: int = 0

    async def play(self) -> list[str]:
        """What went wrong, by step; it stops at the first wrong step, for the rest would only follow from it."""
        for number, step in enumerate(self.script.steps, 1):
            try:
                await self._wait(step, number)
                await self.act(step)
                wrong = await self._check(step.expect) if step.expect is not None else []
            except BattError as error:
                wrong = [error.text]
            if wrong:
                return [f"step {number} ({step.act}): {line}" for line in wrong]
        return []

    async def _wait(self, step: Step, number: int) -> None:
        clock = self.stage.clock
        if step.after is not None:
            await self.stage.until(clock.now() + timedelta(seconds=step.after))
        elif number > 1:
            await self.stage.settle()
            await self._begin()
            if step.act not in ("wait", "fault", "deliver", "restart"):
                await self.stage.until(clock.now() + timedelta(seconds=BETWEEN))

    async def act(self, step: Step) -> None:
        """Do what the step says, now; what comes of it is the stage's to play."""
        acts: dict[str, Callable[[Step], Coroutine[Any, Any, None]]] = {
            "say": self._say, "write": self._write, "press": self._press, "edit": self._edit, "delete": self._delete,
            "repeat": self._repeat, "react": self._react, "send": self._send, "contact": self._contact,
            "typing": self._typing, "deliver": self._deliver, "operator": self._operator,
            "phone_reply": self._phone_reply, "fault": self._fault, "restart": self._restart,
            "wait": self._pass,
        }  # fmt: skip
        await acts[step.act](step)

    async def _say(self, step: Step) -> None:
        for index, text in enumerate(step.say):
            if index:
                await self.stage.until(self.stage.clock.now() + timedelta(seconds=step.gap))
            name = step.name if index == len(step.say) - 1 else ""
            await self._arrive(self._message(step, Kind.MESSAGE, text), name)

    async def _write(self, step: Step) -> None:
        """The person has written it; its webhook has not come."""
        self._keep(step.name, self._channel(step), self._message(step, Kind.MESSAGE, step.write or ""))

    async def _send(self, step: Step) -> None:
        message = self._message(step, Kind.MESSAGE, step.text, attachments=(Attachment(kind=step.send or ""),))
        await self._arrive(message, step.name)

    async def _contact(self, step: Step) -> None:
        card = Attachment(kind="contact", phones=(step.contact or "",), verified=True)
        await self._arrive(self._message(step, Kind.MESSAGE, step.text, attachments=(card,)), step.name)

    async def _press(self, step: Step) -> None:
        account, chat = self.accounts[self._channel(step)], step.by
        shown = [s for s in self.stage.phone.shown if s.channel_id == account.channel_id and s.chat == chat]
        found = next((p for s in reversed(shown) for title, p in s.buttons if title == step.press), None)
        if found is None:
            titles = [title for s in shown for title, _ in s.buttons]
            raise Invalid(f"no button {step.press!r} was shown, only {titles}", field="press")
        message = replace(self._message(step, Kind.BUTTON, ""), button=Button(payload=found, title=step.press))
        await self._arrive(message, step.name)

    async def _edit(self, step: Step) -> None:
        await self._change(step, Kind.EDIT, step.edit or "")

    async def _delete(self, step: Step) -> None:
        await self._change(replace_of(step), Kind.DELETE, "")

    async def _react(self, step: Step) -> None:
        await self._change(step, Kind.REACTION, step.react or "")

    async def _change(self, step: Step, kind: Kind, text: str) -> None:
        of = self._of(step.of)
        self.count += 1
        content = replace(of.message.message, text=text, attachments=())
        changed = replace(of.message, kind=kind, dedup_key=f"{kind}:{self.count}", message=content)
        await self._arrive(changed, "", of.channel)

    async def _repeat(self, step: Step) -> None:
        of = self._of(step.repeat or "")
        await self._arrive(of.message, "", of.channel)

    async def _deliver(self, step: Step) -> None:
        """Webhooks come in the order named; those of one channel in one call when `text` is "together"."""
        found = [self._of(name) for name in step.deliver]
        if step.text == "together":
            await self.stage.door.accept(self.accounts[found[0].channel], [f.message for f in found], b"{}")
            self.spoke_at = self.spoke_at or self.stage.clock.now()
            return
        for one in found:
            await self._arrive(one.message, "", one.channel)

    async def _typing(self, step: Step) -> None:
        await self._arrive(self._message(step, Kind.TYPING, ""), "")

    async def _phone_reply(self, step: Step) -> None:
        """A person of the shop answers from the messenger itself, past us."""
        message = replace(self._message(step, Kind.MESSAGE, step.phone_reply or ""), direction=Direction.OUT)
        await self._arrive(message, "")

    async def _operator(self, step: Step) -> None:
        if step.operator is not None:
            await people.act(self.pool, self.stage, step.operator, {n: self._place(n) for n in self.written})

    def _place(self, name: str) -> people.Place:
        found = self.written[name]
        message = found.message
        return people.Place(self.accounts[found.channel].channel_id, message.conversation.id, message.message.id or "")

    async def _fault(self, step: Step) -> None:
        self.stage.phone.accidents.append(step.fault or "")

    async def _restart(self, step: Step) -> None:  # noqa: ARG002 - there is nothing more to say about it
        await self.stage.restart()

    async def _pass(self, step: Step) -> None:
        await self.stage.until(self.stage.clock.now() + timedelta(seconds=step.wait or 0.0))

    def _message(
        self, step: Step, kind: Kind, text: str, *, attachments: tuple[Attachment, ...] = ()
    ) -> UnifiedMessage:
        self.count += 1
        number = str(self.count)
        account = self.accounts[self._channel(step)]
        return UnifiedMessage(
            channel=account.kind,
            account_ref=account.account_ref,
            dedup_key=f"m:{number}",
            kind=kind,
            conversation=Conversation("group", "group") if self._in_group(step) else Conversation(step.by),
            occurred_at=self.stage.clock.now(),
            sender=Sender(id=step.by, display_name=step.by if step.by != "client" else None),
            message=Content(id=f"m{number}", seq=number, text=text or None, attachments=attachments),
            reply_to=ReplyTo(id=self._of(step.to).message.message.id) if step.to else None,
        )

    async def _arrive(self, message: UnifiedMessage, name: str, channel: str = "") -> None:
        where = channel or next(n for n, a in self.accounts.items() if a.account_ref == message.account_ref)
        if message.direction is Direction.IN and message.kind in (Kind.MESSAGE, Kind.BUTTON):
            self._keep(name, where, message)
        self.spoke_at = self.spoke_at or self.stage.clock.now()
        await self.stage.door.accept(self.accounts[where], [message], b"{}")

    def _keep(self, name: str, channel: str, message: UnifiedMessage) -> None:
        self.written[""] = _Written(channel, message)
        if name:
            self.written[name] = self.written[""]

    def _of(self, name: str) -> _Written:
        if name not in self.written:
            raise Invalid(f"no message is called {name!r}", field="of", remedy="give it one with `name`")
        return self.written[name]

    def _in_group(self, step: Step) -> bool:
        return self.script.channels[self._channel(step)].group

    def _channel(self, step: Step) -> str:
        return step.in_ or next(iter(self.accounts))

    async def _check(self, expect: Expect) -> list[str]:
        await self.stage.settle()
        tenant = self.stage.tenant_id
        decisions = [d for d in await self.pool.fetch(_DECISIONS, tenant) if d["decision_id"] not in self._known]
        counts = dict(await self.pool.fetchrow(_COUNTS, tenant) or {})
        seen = Seen(
            decisions=decisions,
            replies=self.stage.phone.shown[self._heard :],
            turns=len({d["turn_id"] for d in decisions if d["turn_id"] is not None}),
            appeals=await self.pool.fetch(_APPEALS, tenant),
            stored=counts["stored"],
            opted_out=counts["opted_out"],
            suggested=counts["suggested"],
            clients=counts["clients"],
            events=[r["type"] for r in await self.pool.fetch(_EVENTS, tenant) if r["event_id"] not in self._told],
            spoke_at=self.spoke_at,
        )
        return judge(expect, seen)

    async def _begin(self) -> None:
        """A step that is not timed to the one before has an account of its own."""
        self._known = {d["decision_id"] for d in await self.pool.fetch(_DECISIONS, self.stage.tenant_id)}
        self._told = {r["event_id"] for r in await self.pool.fetch(_EVENTS, self.stage.tenant_id)}
        self._heard = len(self.stage.phone.shown)
        self.spoke_at = None


def replace_of(step: Step) -> Step:
    """A deletion names its message as its value; "last" is the newest."""
    return step.model_copy(update={"of": "" if step.delete == "last" else step.delete})

"""One call that mends what was understood or routed wrongly: messages and facts move, facts are set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealCreated, AppealStageChanged, AppealUpdated, Event
from battcrm.events.outbox import append
from battcrm.infra.postgres import Connection, columns
from battcrm.kit.errors import BattError, Conflict, Invalid
from battcrm.models.facts import Hypothesis
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.knowledge import from_json, to_json
from battcrm.services import operator_correct_sql as sql
from battcrm.services.operator_desk import WAKE_RELAY, WAKE_TURNS, Desk
from battcrm.services.operator_facts import (
    FactLine,
    price_moved,
    values_of,
    wanted_facts,
    with_moved,
    with_set,
    without_moved,
)

NEW: Final = "new"
ALL: Final = "all"
_TALKING: Final = frozenset({"new", "collecting", "quoted"})
# The device a text names: (brand, model, class), or None. What the catalogue does not know is taken as typed.
Naming = Callable[[str], tuple[str, str, str | None] | None]
Refs = Sequence[int | UUID]


@dataclass(frozen=True, slots=True)
class AppealChanged:
    """One appeal before and after; values by field."""

    number: int
    created: bool
    status: tuple[str, str]
    facts: tuple[dict[str, list[str]], dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction did (or would do: `preview`)."""

    number: int
    to: int | None
    messages: int
    replies: int
    facts: int
    appeals: tuple[AppealChanged, ...]
    preview: bool


@dataclass(slots=True)
class _Side:
    """An appeal in the correction: its row, what it knows now, and when it was last talked about."""

    row: Any
    known: Hypothesis
    touched_at: datetime
    created: bool = False
    emptied_into: UUID | None = None

    @property
    def id(self) -> UUID:
        found: UUID = self.row["appeal_id"]
        return found


@dataclass(slots=True)
class _Work:
    """A correction under its locks."""

    connection: Connection
    tenant_id: UUID
    now: datetime
    client_id: UUID
    dialogs: list[UUID]
    answered: dict[UUID, int]
    moved: list[UUID] = field(default_factory=list)
    said: int = 0
    replies: int = 0
    facts: int = 0


class _PreviewOnly(BattError):
    """Rolls the transaction of a preview back."""


class Corrections(Desk):
    """Corrections by an operator. One transaction under the locks of all the client's dialogs.

    Raises Invalid naming the field for what cannot be corrected so, Conflict when the state forbids it, Transient.
    """

    async def correct(
        self,
        tenant_id: UUID,
        number: int,
        *,
        facts: Mapping[str, Sequence[str]] | None = None,
        messages: Refs | str = (),
        to: int | str | None = None,
        preview: bool = False,
        naming: Naming | None = None,
    ) -> Corrected:
        """Move messages (numbers in the appeal's chat, ids, or `all`) to appeal `to` or a `new` one; set facts.

        Facts that came from the messages go along; `facts` are set on the appeal that the messages go to, else on this
        one, and are locked. An empty value makes a field unknown. A running turn is superseded; the next one respects
        all of it. A price that no longer holds is taken back. Events follow. With `preview` nothing is changed.
        """
        wanted = _named(wanted_facts(facts or {}), naming)
        if not wanted and not messages and to is None:
            raise Invalid("nothing to correct", field="set", remedy="give --set FIELD=VALUE, or --messages with --to")
        if bool(messages) != (to is not None):
            missing = "to" if messages else "messages"
            raise Invalid("messages and where they go belong together", field=missing, remedy=f"give --{missing} too")
        done: Corrected | None = None
        try:
            async with self._connection() as connection, connection.transaction():
                work = await self._begin(connection, tenant_id, number)
                done = await self._correct(work, number, wanted, messages, to, preview=preview)
                if preview:
                    raise _PreviewOnly("preview")
        except _PreviewOnly:
            pass
        else:
            self._wake(WAKE_RELAY, WAKE_TURNS)
        if done is None:
            raise Conflict("the correction was not made", code="not_made")
        return done

    async def _begin(self, connection: Connection, tenant_id: UUID, number: int) -> _Work:
        found = await self._find(connection, tenant_id, number)
        client_id: UUID = found["client_id"]
        rows = await connection.fetch(sql.LOCK_DIALOGS, tenant_id, client_id)
        await connection.execute(sql.LOCK_WORK, tenant_id, client_id)
        answered = {row["dialog_id"]: row["answered_seq"] for row in rows}
        return _Work(connection, tenant_id, self._clock.now(), client_id, list(answered), answered)

    async def _correct(
        self,
        work: _Work,
        number: int,
        wanted: Mapping[str, tuple[str, ...]],
        messages: Refs | str,
        to: int | str | None,
        *,
        preview: bool,
    ) -> Corrected:
        sides = await self._sides(work, number, to)
        source, target = sides[0], sides[-1]
        before = {side.id: (side.known, side.row["status"]) for side in sides}
        if messages:
            moving = await self._chosen(work, source, messages)
            if target is source:
                target = await self._open(work, source, moving)
                sides.append(target)
                before[target.id] = (target.known, target.row["status"])
            await self._move(work, source, target, moving)
        if wanted:
            target.known = with_set(target.known, wanted)
            await self._set(work, target, wanted)
        changed, events = [], list[Event]()
        for side in sides:
            known, status = before[side.id]
            made = await self._write(work, side, known, status)
            events += made
            after = next((e.after for e in made if isinstance(e, AppealStageChanged)), status)
            facts = (values_of(known) if not side.created else {}, values_of(side.known))
            changed.append(AppealChanged(side.row["number"], side.created, (status, after), facts))
        await self._draft_again(work, [side.id for side in sides])
        await self._finish(work, source, changed, events)
        where = target.row["number"] if messages else None
        return Corrected(number, where, work.said, work.replies, work.facts, tuple(changed), preview)

    async def _sides(self, work: _Work, number: int, to: int | str | None) -> list[_Side]:
        """The appeal and, where there is one, the other appeal; locked."""
        numbers = [number] if to is None or to == NEW else [number, int(to)]
        rows = {r["number"]: r for r in await work.connection.fetch(sql.LOCK_APPEALS, work.tenant_id, numbers)}
        for wanted in numbers:
            if wanted not in rows:
                raise Invalid(f"there is no appeal {wanted}", field="to", remedy="`battcrm operator show` names them")
        if len(numbers) == 2 and number == numbers[1]:
            raise Invalid(f"the messages are in appeal {number} already", field="to", remedy="another number, or new")
        if rows[number]["client_id"] != work.client_id:
            raise Conflict(
                f"the client of appeal {number} was merged just now", field="number", remedy="look again and repeat",
                code="merged_meanwhile",
            )  # fmt: skip
        if any(row["client_id"] != work.client_id for row in rows.values()):
            raise Invalid(
                f"appeal {to} belongs to another client", field="to",
                remedy="merge the clients first: `battcrm operator merge`",
            )  # fmt: skip
        return [_Side(rows[n], from_json(rows[n]["known"]), rows[n]["touched_at"]) for n in numbers]

    async def _chosen(self, work: _Work, source: _Side, refs: Refs | str) -> list[Any]:
        """The rows of the messages that were named. Invalid for one that is not this appeal's."""
        everything = refs == ALL
        given: Refs = () if isinstance(refs, str) else refs
        numbers = [r for r in given if isinstance(r, int)]
        ids = [r for r in given if isinstance(r, UUID)]
        place = (source.row["dialog_id"], numbers, everything, source.id)
        rows = await work.connection.fetch(sql.MESSAGES, work.tenant_id, work.dialogs, ids, *place)
        found = {r["message_id"] for r in rows} | {r["seq"] for r in rows if r["dialog_id"] == source.row["dialog_id"]}
        for ref in given:
            if ref not in found:
                raise Invalid(f"there is no message {ref} in this chat", field="messages", remedy=_SHOW)
        for row in rows:
            self._check_message(work, source, row)
        if not any(row["direction"] == "in" for row in rows):
            raise Invalid("none of these messages is the client's", field="messages", remedy=_SHOW)
        return list(rows)

    @staticmethod
    def _check_message(work: _Work, source: _Side, row: Any) -> None:
        if row["direction"] == "in" and row["seq"] > work.answered[row["dialog_id"]]:
            raise Conflict(
                f"message {row['seq']} is being answered", field="messages",
                remedy="try again, or take the appeal first", code="not_answered",
            )  # fmt: skip
        if row["appeal_id"] not in (None, source.id):
            raise Invalid(
                f"message {row['seq']} belongs to appeal {row['number']}", field="messages",
                remedy=f"correct appeal {row['number']} for it",
            )  # fmt: skip

    async def _open(self, work: _Work, source: _Side, moving: Sequence[Any]) -> _Side:
        """A new appeal for the messages, in the same hands as the old one."""
        number: int = await work.connection.fetchval(sql.NUMBER, work.tenant_id)
        appeal_id, episode_id = self._ids.new(), self._ids.new()
        first = next(row for row in moving if row["direction"] == "in")
        hands = (source.row["control"], source.row["control_until"])
        opened = (first["received_at"], moving[-1]["received_at"])
        keys = (appeal_id, work.client_id, first["dialog_id"], episode_id, number)
        await work.connection.execute(sql.NEW, work.tenant_id, *keys, *hands, *opened)
        await work.connection.execute(sql.NEW_EPISODE, work.tenant_id, episode_id, appeal_id, opened[0])
        (row,) = await work.connection.fetch(sql.LOCK_APPEALS, work.tenant_id, [number])
        return _Side(row, Hypothesis(), opened[1], created=True)

    async def _move(self, work: _Work, source: _Side, target: _Side, moving: Sequence[Any]) -> None:
        run, tenant = work.connection, work.tenant_id
        chosen = [row["message_id"] for row in moving]
        chosen += [r["message_id"] for r in await run.fetch(sql.EDITS, tenant, chosen) if r["message_id"] not in chosen]
        turns = await run.fetch(sql.TURNS, tenant, work.dialogs, chosen)
        places = [(t["dialog_id"], t["to_seq"]) for t in turns]
        replies = [r["message_id"] for r in await run.fetch(sql.REPLIES, tenant, *columns(places, 2), source.id)]
        extra = [r for r in dict.fromkeys(replies) if r not in chosen]
        own = await _facts(work, target)
        await run.execute(sql.MOVE_MESSAGES, tenant, [*chosen, *extra], target.id)
        said = await run.fetchrow(sql.LEFT, tenant, work.dialogs, source.id)
        if said is not None and said["last"] is not None:
            source.touched_at = min(source.touched_at, said["last"])
        elif source.row["status"] in _TALKING:
            source.emptied_into = target.id
        emptied = source.emptied_into is not None
        keys = (source.id, target.id, chosen, [t["turn_id"] for t in turns], emptied)
        came = {r["fact_id"] for r in await run.fetch(sql.MOVE_FACTS, tenant, *keys)}
        arrived = [line for line in await _facts(work, target) if line.fact_id in came]
        left = await _facts(work, source)
        was = source.known
        source.known = Hypothesis() if emptied else without_moved(source.known, arrived, left)
        target.known = with_moved(target.known, arrived, own, was)
        target.touched_at = max(target.touched_at, *(row["received_at"] for row in moving))
        work.said = sum(row["direction"] == "in" for row in moving)
        work.moved, work.facts = [*chosen, *extra], len(came)
        work.replies = sum(row["direction"] == "out" for row in moving) + len(extra)

    async def _set(self, work: _Work, side: _Side, wanted: Mapping[str, tuple[str, ...]]) -> None:
        fields = set(wanted) | ({"model"} if "brand" in wanted and side.known.model is None else set())
        brand = side.known.brand
        locked = dict(wanted)
        if "model" in wanted and wanted["model"] and brand is not None:
            locked["brand"] = (brand.value,)
            fields.add("brand")
        rows = [(self._ids.new(), name, value) for name, values in locked.items() for value in values]
        await work.connection.execute(sql.SUPERSEDE, work.tenant_id, side.id, sorted(fields), work.now)
        if rows:
            await work.connection.execute(sql.ADD_FACTS, work.tenant_id, side.id, work.now, *columns(rows, 3))

    async def _write(self, work: _Work, side: _Side, before: Hypothesis, status: str) -> list[Event]:
        """The appeal as it is now known. A price that hung on what changed is no longer said."""
        row, known = side.row, side.known
        repriced = price_moved(before, known)
        after = _stage(side, status, repriced=repriced)
        settled = repriced or row["expecting"] in values_of(known)
        quoted = (None, None) if repriced and after in _TALKING else (row["quoted_low"], row["quoted_high"])
        closed_at = row["closed_at"] or (work.now if side.emptied_into else None)
        version: int = await work.connection.fetchval(
            sql.WRITE, work.tenant_id, side.id, to_json(known), *_shown(known), after,
            None if settled or side.emptied_into else row["expecting"], [] if settled else list(row["options"]),
            *quoted, side.touched_at, closed_at, side.emptied_into,
        )  # fmt: skip
        if side.emptied_into:
            await work.connection.execute(sql.END_EPISODE, work.tenant_id, row["episode_id"], work.now)
        who = (work.tenant_id, work.client_id, side.id, version)
        events: list[Event] = [AppealCreated(*who) if side.created else AppealUpdated(*who)]
        if after != status:
            events.append(AppealStageChanged(*who, status, after))
        return events

    async def _draft_again(self, work: _Work, appeals: Sequence[UUID]) -> None:
        """Drafts about these appeals said what is no longer so: the bot drafts anew, from the corrected facts."""
        run, tenant = work.connection, work.tenant_id
        for row in await run.fetch(sql.OUTDATE, tenant, list(appeals), work.now):
            await run.execute(sql.DUE, tenant, row["dialog_id"], row["from_seq"], work.now)
            await run.execute(sql.DUE_WORK, tenant, work.client_id, work.now)

    async def _finish(
        self, work: _Work, source: _Side, changed: Sequence[AppealChanged], events: Sequence[Event]
    ) -> None:
        inputs = {
            "messages": [str(m) for m in work.moved],
            "appeals": [
                {"number": c.number, "created": c.created, "status": list(c.status), "facts": list(c.facts)}
                for c in changed
            ],
        }
        record = (self._ids.new(), work.client_id, source.row["dialog_id"], source.id, inputs, work.now)
        await work.connection.execute(sql.NOTICE, work.tenant_id, work.dialogs)
        await work.connection.execute(sql.RECORD, work.tenant_id, *record)
        await append(work.connection, events, self._ids, work.now)


_SHOW: Final = "`battcrm operator show NUMBER` numbers them"


def _named(wanted: dict[str, tuple[str, ...]], naming: Naming | None) -> dict[str, tuple[str, ...]]:
    """The catalogue's own spelling of brand and model where it knows them."""
    model, brand = wanted.get("model", ()), wanted.get("brand", ())
    if naming is None or not (model or brand):
        return wanted
    found = naming(" ".join((*brand, *model)))
    if found is None:
        return wanted
    named = {**wanted}
    if brand or model:
        named["brand"] = (found[0],)
    if model and found[1]:
        named["model"] = (found[1],)
    return named


async def _facts(work: _Work, side: _Side) -> list[FactLine]:
    return [FactLine(*row) for row in await work.connection.fetch(sql.FACTS, work.tenant_id, side.id)]


def _stage(side: _Side, status: str, *, repriced: bool) -> str:
    if side.emptied_into is not None:
        return AppealStatus.LOST.value
    if status == AppealStatus.QUOTED and repriced:
        return AppealStatus.COLLECTING.value
    return AppealStatus.COLLECTING.value if side.created and values_of(side.known) else status


def _shown(known: Hypothesis) -> tuple[Any, ...]:
    """The columns that repeat what `known` holds."""

    def value(name: str) -> str | None:
        fact = getattr(known, name)
        return fact.value if fact is not None else None

    repairs = [f.value for f in known.repair_types]
    return (value("appeal_type"), value("brand"), value("model"), known.device_class, repairs, value("part_owner"))

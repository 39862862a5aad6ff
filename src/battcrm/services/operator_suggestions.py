"""Drafts of the bot that an operator accepts, edits or rejects (mode `suggest`); each is said at most once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import AppealStageChanged, Event
from battcrm.events.outbox import append
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import bucket_of
from battcrm.kit.text import storable
from battcrm.models.situation import AppealStatus
from battcrm.pipeline.control import lock_dialog
from battcrm.services import operator_suggestions_sql as sql
from battcrm.services.operator import speakable, unreachable
from battcrm.services.operator_desk import WAKE_OUT, WAKE_RELAY, Desk

MAX_NOTE: Final = 1000
_EARLY: Final = frozenset({AppealStatus.NEW, AppealStatus.COLLECTING, AppealStatus.QUOTED})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft that waits. `stale` says why it can no longer be said, if so; `quoted` is its price in kopecks."""

    suggestion_id: UUID
    number: int | None
    client: str | None
    channel: str
    asked: str
    texts: tuple[str, ...]
    buttons: tuple[str, ...]
    quoted: tuple[int, int] | None
    created_at: datetime
    stale: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a decision did. `outgoing` are the queued rows; none for a rejection."""

    suggestion_id: UUID
    state: str
    outgoing: tuple[UUID, ...]


class Suggestions(Desk):
    """Decisions about drafts, each under its dialog's lock.

    Raises Invalid for a draft that does not exist, Conflict when it was decided, when the client wrote or deleted
    meanwhile, when a colleague answered, or when the chat cannot be reached; Transient.
    """

    async def waiting(self, tenant_id: UUID, *, appeal: int | None = None, limit: int = 100) -> Sequence[Waiting]:
        """Open drafts, the oldest first."""
        async with self._connection() as connection:
            return [_waiting(row) for row in await connection.fetch(sql.LIST, tenant_id, limit, appeal)]

    async def accept(self, tenant_id: UUID, which: UUID | int, *, anyway: bool = False) -> Said:
        """Say the draft as it is. `which` is its id, or the number of an appeal whose newest draft is meant.

        With `anyway` it is said although the client has written since.
        """
        return await self._say(tenant_id, which, None, anyway=anyway)

    async def edit(self, tenant_id: UUID, which: UUID | int, text: str, *, anyway: bool = False) -> Said:
        """Say other words in the draft's place; its buttons stay."""
        return await self._say(tenant_id, which, speakable(text), anyway=anyway)

    async def reject(self, tenant_id: UUID, which: UUID | int, note: str = "") -> Said:
        """The draft is not said. The client still waits for an answer."""
        now, note = self._clock.now(), storable(note).strip()
        if len(note) > MAX_NOTE:
            raise Invalid(f"the note has {len(note)} characters", field="note", remedy=f"at most {MAX_NOTE}")
        async with self._connection() as connection, connection.transaction():
            dialog, draft = await self._lock(connection, tenant_id, which)
            await self._decide(connection, tenant_id, dialog, draft, "rejected", now, note=note or None)
        return Said(draft["suggestion_id"], "rejected", ())

    async def _say(self, tenant_id: UUID, which: UUID | int, text: str | None, *, anyway: bool) -> Said:
        now = self._clock.now()
        async with self._connection() as connection, connection.transaction():
            dialog, draft = await self._lock(connection, tenant_id, which)
            await self._check(connection, tenant_id, dialog, draft, anyway=anyway)
            drafts = draft["drafts"]
            if text is not None:
                drafts = [{"text": text, "buttons": drafts[-1]["buttons"] if drafts else []}]
            queued = await self._queue(connection, tenant_id, dialog, draft, drafts, now)
            state = "accepted" if text is None else "edited"
            await self._decide(connection, tenant_id, dialog, draft, state, now, text=text, queued=queued)
            # An operator who writes other words names their own price, if any: what the draft quoted was not said.
            await append(connection, await self._take_effect(connection, tenant_id, draft, now, text), self._ids, now)
        self._wake(WAKE_OUT, WAKE_RELAY)
        return Said(draft["suggestion_id"], state, tuple(queued))

    async def _lock(self, connection: Connection, tenant_id: UUID, which: UUID | int) -> tuple[Any, Any]:
        key, number = (which, None) if isinstance(which, UUID) else (None, which)
        found = await connection.fetchrow(sql.FIND, tenant_id, key, number)
        if found is None:
            raise Invalid(
                f"there is no draft {which}" if key else f"appeal {which} has no open draft",
                field="draft", remedy="`battcrm operator suggestions list` shows those that wait",
            )  # fmt: skip
        dialog = await lock_dialog(connection, tenant_id, found["dialog_id"])
        draft = await connection.fetchrow(sql.LOCK, tenant_id, found["suggestion_id"])
        if draft is None or draft["state"] != "open":
            state = "gone" if draft is None else draft["state"]
            raise Conflict(
                f"this draft is {state} already", field="draft", code="decided_already",
                remedy="`battcrm operator suggestions list` shows those that wait",
            )  # fmt: skip
        return dialog, draft

    async def _check(self, connection: Connection, tenant_id: UUID, dialog: Any, draft: Any, *, anyway: bool) -> None:
        if not dialog["reachable"]:
            raise unreachable()
        if draft["closed_at"] is not None:
            raise Conflict(
                "the appeal was closed meanwhile", field="draft", remedy="reject the draft", code="appeal_closed"
            )
        place = (dialog["dialog_id"], draft["to_seq"], draft["from_seq"])
        since: Any = await connection.fetchrow(sql.SINCE, tenant_id, *place)
        if since["answered"]:
            raise Conflict(
                "a colleague has answered this client meanwhile", field="draft", remedy="reject the draft",
                code="answered_already",
            )  # fmt: skip
        if draft["control"] == "human" and not anyway:
            raise Conflict(
                "a colleague has taken this dialogue", field="draft", remedy="say it with --anyway", code="taken"
            )
        if since["heard"] and not anyway:
            raise Conflict(
                "the client has written since: a newer draft follows",
                field="draft",
                remedy="say this one with --anyway",
                code="client_wrote",
            )
        if not since["asked"] and not anyway:
            raise Conflict(
                "the client has deleted what this answers", field="draft", remedy="say it with --anyway",
                code="deleted_meanwhile",
            )  # fmt: skip

    async def _queue(
        self, connection: Connection, tenant_id: UUID, dialog: Any, draft: Any, drafts: Sequence[Any], now: datetime
    ) -> list[UUID]:
        """Rows like a turn's own: unique on (dialog, covered up to, part), so that no draft is said twice."""
        lasts = timedelta(seconds=(await self._dialog_settings(connection, tenant_id)).reply_expires)
        scope, queued = dialog["dialog_id"], list[UUID]()
        first: int = await connection.fetchval(sql.NEXT_PART, tenant_id, scope, draft["to_seq"])
        for part, one in enumerate(drafts):
            outgoing_id, message_id = self._ids.new(), self._ids.new()
            payload = {"chat": dialog["external_chat_id"], "text": one["text"], "buttons": one["buttons"]}
            covered = (draft["turn_id"], draft["to_seq"], first + part)
            await connection.execute(
                sql.OUTGOING, tenant_id, outgoing_id, bucket_of(tenant_id), scope, dialog["channel_id"],
                dialog["last_out"] + part + 1, *covered, payload, message_id, now, now + lasts,
            )  # fmt: skip
            content = {"buttons": one["buttons"]} if one["buttons"] else {}
            await connection.execute(
                sql.MESSAGE, tenant_id, message_id, scope, dialog["identity_id"], dialog["last_seq"] + part + 1,
                one["text"], content, draft["appeal_id"], outgoing_id, now,
            )  # fmt: skip
            queued.append(outgoing_id)
        await connection.execute(sql.SPOKEN, tenant_id, scope, len(queued))
        return queued

    async def _decide(
        self,
        connection: Connection,
        tenant_id: UUID,
        dialog: Any,
        draft: Any,
        state: str,
        now: datetime,
        *,
        text: str | None = None,
        note: str | None = None,
        queued: Sequence[UUID] = (),
    ) -> None:
        await connection.execute(sql.DECIDE, tenant_id, draft["suggestion_id"], state, now, text, note)
        inputs = {
            "suggestion": str(draft["suggestion_id"]), "turn": str(draft["turn_id"]), "note": note,
            "outgoing": [str(q) for q in queued],
        }  # fmt: skip
        keys = (self._ids.new(), dialog["client_id"], dialog["dialog_id"], draft["appeal_id"])
        await connection.execute(sql.RECORD, tenant_id, *keys, f"draft_{state}", inputs, now)

    async def _take_effect(
        self, connection: Connection, tenant_id: UUID, draft: Any, now: datetime, text: str | None
    ) -> list[Event]:
        """The appeal is quoted now that its price is said; the episode was answered with a person's help."""
        if draft["appeal_id"] is None:
            return []
        row = await connection.fetchrow(sql.LOCK_APPEAL, tenant_id, draft["appeal_id"])
        if row is None:
            return []
        await connection.execute(sql.ASSISTED, tenant_id, row["episode_id"], now)
        low, high = draft["effect"].get("low"), draft["effect"].get("high")
        if text is not None or low is None or row["status"] not in _EARLY or row["closed_at"] is not None:
            return []
        quoted = AppealStatus.QUOTED.value
        version = await connection.fetchval(sql.QUOTED, tenant_id, row["appeal_id"], quoted, low, high, now)
        if row["status"] == quoted:
            return []
        return [AppealStageChanged(tenant_id, row["client_id"], row["appeal_id"], version, row["status"], quoted)]


def _waiting(row: Any) -> Waiting:
    drafts, effect = row["drafts"], row["effect"]
    stale = "answered_already" if row["answered"] else "client_wrote" if row["heard_more"] else None
    return Waiting(
        suggestion_id=row["suggestion_id"],
        number=row["number"],
        client=row["display_name"],
        channel=row["channel"],
        asked=row["asked"] or "",
        texts=tuple(d["text"] for d in drafts),
        buttons=tuple(b["title"] for d in drafts for line in d["buttons"] for b in line),
        quoted=(effect["low"], effect["high"]) if effect.get("low") is not None else None,
        created_at=row["created_at"],
        stale=stale,
    )

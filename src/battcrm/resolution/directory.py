"""tenant → client → dialog for a batch of messages: found or created, locked in one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import ClientCreated, Event
from battcrm.infra.postgres import Connection, columns
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.kit.text import storable
from battcrm.models.unified import UnifiedMessage

ChatKey = tuple[UUID, UUID, str]  # tenant, channel, external chat id
Person = tuple[UUID, UUID, str]  # tenant, channel, external user id

# Locks are always taken dialog by dialog in (tenant_id, dialog_id) order, then client_work: see docs/adr/0001.
_LOCK: Final = """
SELECT d.tenant_id, d.channel_id, d.external_chat_id, d.dialog_id, d.type, d.identity_id, d.version, d.last_seq,
       d.answered_seq, d.due_at, d.first_unanswered_at, d.hold_until, i.client_id, i.external_user_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k(tenant_id, channel_id, external_chat_id)
JOIN dialog d USING (tenant_id, channel_id, external_chat_id)
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
ORDER BY d.tenant_id, d.dialog_id FOR UPDATE OF d
"""

_IDENTITIES: Final = """
SELECT i.tenant_id, i.channel_id, i.external_user_id, i.identity_id, i.client_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k(tenant_id, channel_id, external_user_id)
JOIN identity i USING (tenant_id, channel_id, external_user_id)
"""

_CREATE: Final = """
WITH offered AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::smallint[])
    AS o(tenant_id, channel_id, external_user_id, identity_id, client_id, display_name, username, locale, bucket)
), made AS (
  INSERT INTO identity (tenant_id, identity_id, channel_id, external_user_id, client_id, display_name, username, locale,
                        created_at)
  SELECT tenant_id, identity_id, channel_id, external_user_id, client_id, display_name, username, locale, $10
  FROM offered ORDER BY tenant_id, channel_id, external_user_id
  ON CONFLICT (tenant_id, channel_id, external_user_id) DO NOTHING
  RETURNING tenant_id, channel_id, external_user_id, identity_id, client_id
), clients AS (
  INSERT INTO client (tenant_id, client_id, display_name, locale, created_at)
  SELECT o.tenant_id, o.client_id, o.display_name, CASE WHEN o.locale LIKE 'en%' THEN 'en' ELSE 'ru' END, $10
  FROM offered o JOIN made m USING (tenant_id, client_id)
), works AS (
  INSERT INTO client_work (tenant_id, client_id, bucket)
  SELECT o.tenant_id, o.client_id, o.bucket FROM offered o JOIN made m USING (tenant_id, client_id)
), opened AS (
  INSERT INTO dialog (tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, context, created_at)
  SELECT c.tenant_id, c.dialog_id, c.channel_id, c.external_chat_id, c.type, c.identity_id, c.context, $10
  FROM unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::uuid[], $17::jsonb[])
    AS c(tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, context)
  JOIN made m USING (tenant_id, identity_id)
  ORDER BY c.tenant_id, c.channel_id, c.external_chat_id
  ON CONFLICT (tenant_id, channel_id, external_chat_id) DO NOTHING
  RETURNING *
)
SELECT m.tenant_id, m.channel_id, m.external_user_id, m.identity_id, m.client_id, d.external_chat_id, d.dialog_id, d.type,
       d.version, d.last_seq, d.answered_seq, d.due_at, d.first_unanswered_at, d.hold_until
FROM made m LEFT JOIN opened d USING (tenant_id, identity_id)
"""

_DIALOGS: Final = """
INSERT INTO dialog (tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, context, created_at)
SELECT tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, context, $8
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::jsonb[])
  AS o(tenant_id, dialog_id, channel_id, external_chat_id, type, identity_id, context)
ORDER BY tenant_id, channel_id, external_chat_id
ON CONFLICT (tenant_id, channel_id, external_chat_id) DO NOTHING
"""


@dataclass(slots=True)
class DialogState:
    """A locked dialog; the processor changes it while it stores messages and writes it back once."""

    tenant_id: UUID
    dialog_id: UUID
    channel_id: UUID
    chat: str
    type: str
    identity_id: UUID
    client_id: UUID
    external_user_id: str
    version: int
    last_seq: int
    answered_seq: int
    due_at: datetime | None
    first_unanswered_at: datetime | None
    last_inbound_at: datetime | None = None
    window_expires_at: datetime | None = None
    hold_until: datetime | None = None
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """One inbox row on its way."""

    inbox_id: int
    tenant_id: UUID
    channel_id: UUID
    raw_id: UUID
    attempts: int
    received_at: datetime
    message: UnifiedMessage

    @property
    def chat_key(self) -> ChatKey:
        """The dialog the row belongs to."""
        return (self.tenant_id, self.channel_id, storable(self.message.conversation.id)[:200])


@dataclass(frozen=True, slots=True)
class Resolved:
    """Locked dialogs by chat, identities by (tenant, channel, external user), and events about new clients."""

    dialogs: Mapping[ChatKey, DialogState]
    identities: Mapping[Person, tuple[UUID, UUID]]
    events: Sequence[Event]


class Directory:
    """Finds or creates the people and chats of a batch inside the caller's transaction."""

    def __init__(self, ids: IdFactory) -> None:
        self._ids = ids

    async def resolve(self, connection: Connection, arrivals: Sequence[Arrival], now: datetime) -> Resolved:
        """Lock the dialogs of `arrivals`, creating identity, client and dialog for those who write first.

        Rows of which nobody has written yet and that cannot start a dialog (statuses, echoes) stay unresolved.
        """
        dialogs = await self._lock(connection, {a.chat_key for a in arrivals})
        people = {_person(a): a for a in arrivals if _starts(a) and _is_new(a, dialogs)}
        if not people:
            return Resolved(dialogs, _known(dialogs), [])
        made, opened = await self._create_people(connection, people, _missing(arrivals, dialogs), now)
        dialogs |= opened
        events = [ClientCreated(tenant_id=key[0], client_id=ids[1], version=1) for key, ids in made.items()]
        identities = dict(made)
        known = [person for person in sorted(people) if person not in made]
        if known:
            found = await connection.fetch(_IDENTITIES, *columns(known, 3))
            identities |= {(r[0], r[1], r[2]): (r[3], r[4]) for r in found}
        missing = _missing(arrivals, dialogs)
        if missing:
            await self._create_dialogs(connection, missing, identities, now)
        # Of a person known before, the client is read again under the dialog's lock.
        unlocked = {a.chat_key for a in arrivals if a.chat_key not in dialogs}
        if unlocked:
            dialogs |= await self._lock(connection, unlocked)
        return Resolved(dialogs, {**_known(dialogs), **identities}, events)

    async def _lock(self, connection: Connection, keys: Iterable[ChatKey]) -> dict[ChatKey, DialogState]:
        rows = await connection.fetch(_LOCK, *columns(sorted(keys), 3))
        return {(r[0], r[1], r[2]): _state(r, r["client_id"], r["external_user_id"]) for r in rows}

    async def _create_people(
        self,
        connection: Connection,
        people: Mapping[Person, Arrival],
        missing: Mapping[ChatKey, Arrival],
        now: datetime,
    ) -> tuple[dict[Person, tuple[UUID, UUID]], dict[ChatKey, DialogState]]:
        """Identity and client of those who were not known before, and their chats: nobody else can have these."""
        rows, offered = [], {}
        for person, arrival in sorted(people.items(), key=lambda item: item[0]):
            sender = arrival.message.sender
            offered[person] = (self._ids.new(), self._ids.new())
            about = (_short(sender.display_name), _short(sender.username), sender.locale, bucket_of(person[0]))
            rows.append((*person, *offered[person], *about))
        chats = [self._chat(key, missing[key], offered[_person(missing[key])][0]) for key in sorted(missing)]
        found = await connection.fetch(_CREATE, *columns(rows, 9), now, *columns(chats, 7))
        made = {(r[0], r[1], r[2]): (r[3], r[4]) for r in found}
        opened = {(r[0], r[1], r[5]): _state(r, r[4], r[2]) for r in found if r["dialog_id"] is not None}
        return made, opened

    async def _create_dialogs(
        self,
        connection: Connection,
        missing: Mapping[ChatKey, Arrival],
        identities: Mapping[Person, tuple[UUID, UUID]],
        now: datetime,
    ) -> None:
        """Chats of people who were known before."""
        owners = {key: identities.get(_person(missing[key])) for key in sorted(missing)}
        rows = [self._chat(key, missing[key], owner[0]) for key, owner in owners.items() if owner is not None]
        await connection.execute(_DIALOGS, *columns(rows, 7), now)

    def _chat(self, key: ChatKey, arrival: Arrival, identity_id: UUID) -> tuple[Any, ...]:
        chat = arrival.message.conversation
        context = {} if chat.context is None else {"type": chat.context.type, "title": chat.context.title}
        return (key[0], self._ids.new(), key[1], key[2], chat.type, identity_id, context)


def _missing(arrivals: Sequence[Arrival], dialogs: Mapping[ChatKey, DialogState]) -> dict[ChatKey, Arrival]:
    """Chats to be made, each with the first arrival that may begin one."""
    found: dict[ChatKey, Arrival] = {}
    for arrival in arrivals:
        if arrival.chat_key not in dialogs and _starts(arrival):
            found.setdefault(arrival.chat_key, arrival)
    return found


def _starts(arrival: Arrival) -> bool:
    """Only the customer's own acts create people and chats."""
    message = arrival.message
    return message.direction == "in" and message.kind not in ("status", "typing", "delete", "edit", "deny", "stop")


def _is_new(arrival: Arrival, dialogs: Mapping[ChatKey, DialogState]) -> bool:
    dialog = dialogs.get(arrival.chat_key)
    return dialog is None or (dialog.type != "private" and dialog.external_user_id != _person(arrival)[2])


def _person(arrival: Arrival) -> Person:
    external = arrival.message.sender.id or arrival.message.conversation.id
    return (arrival.tenant_id, arrival.channel_id, storable(external)[:200])


def _known(dialogs: Mapping[ChatKey, DialogState]) -> dict[Person, tuple[UUID, UUID]]:
    return {(d.tenant_id, d.channel_id, d.external_user_id): (d.identity_id, d.client_id) for d in dialogs.values()}


def _short(value: str | None) -> str | None:
    return storable(value)[:200] if value else None


def _state(row: Any, client_id: UUID, external_user_id: str) -> DialogState:
    return DialogState(
        tenant_id=row["tenant_id"],
        dialog_id=row["dialog_id"],
        channel_id=row["channel_id"],
        chat=row["external_chat_id"],
        type=row["type"],
        identity_id=row["identity_id"],
        client_id=client_id,
        external_user_id=external_user_id,
        version=row["version"],
        last_seq=row["last_seq"],
        answered_seq=row["answered_seq"],
        due_at=row["due_at"],
        first_unanswered_at=row["first_unanswered_at"],
        hold_until=row["hold_until"],
    )

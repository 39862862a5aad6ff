"""One person, once: two clients become one and, if that was wrong, two again (PROTOCOL C6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.events.catalogue import ClientUpdated
from battcrm.events.outbox import append
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import BattError, Conflict, Invalid
from battcrm.services import clients_sql as sql
from battcrm.services.clients_move import Moved, move, plan_moved, put_back
from battcrm.services.clients_views import Conflict as Doubt
from battcrm.services.clients_views import (
    Locked,
    MergeLine,
    MergePlan,
    UnmergePlan,
    VipLine,
    conflicts_of,
    merge_line,
    moves_of,
    person_of,
)
from battcrm.services.operator_desk import WAKE_RELAY, WAKE_TURNS, Desk

BY_HAND: Final = "operator"


class _PreviewOnly(BattError):
    """Rolls the transaction of a preview back."""


class Clients(Desk):
    """Merging and unmerging. Each act is one transaction that holds the locks of both clients, in order.

    A client is named by its id or by the number of one of its appeals. Raises Invalid for one that is not there or
    cannot be meant, Conflict when it was merged meanwhile, Transient.
    """

    async def client_of(self, tenant_id: UUID, which: UUID | int, *, field: str = "client") -> UUID:
        """The client's id, itself even if it was merged."""
        async with self._connection() as connection:
            if isinstance(which, int):
                found: UUID | None = await connection.fetchval(sql.FIND_BY_NUMBER, tenant_id, which)
                said = f"there is no appeal {which}"
            else:
                row = await connection.fetchrow(sql.FIND, tenant_id, which)
                found, said = row["client_id"] if row else None, f"there is no client {which}"
        if found is None:
            raise Invalid(said, field=field, remedy="`battcrm operator twins` and `operator show` name clients")
        return found

    async def preview(self, tenant_id: UUID, survivor: UUID | int, duplicate: UUID | int) -> MergePlan:
        """What merging `duplicate` into `survivor` would move, and what speaks against it. Changes nothing."""
        return await self._merge(tenant_id, survivor, duplicate, BY_HAND, do=False)

    async def merge(
        self, tenant_id: UUID, survivor: UUID | int, duplicate: UUID | int, *, reason: str = BY_HAND
    ) -> MergePlan:
        """Merge. Turns of either that are running are superseded; what comes to the duplicate reaches the survivor."""
        done = await self._merge(tenant_id, survivor, duplicate, reason, do=True)
        self._wake(WAKE_RELAY, WAKE_TURNS)
        return done

    async def preview_unmerge(self, tenant_id: UUID, which: UUID) -> UnmergePlan:
        """What taking a merge back would return. `which` is the merge's id or the duplicate's. Changes nothing."""
        return await self._unmerge(tenant_id, which, do=False)

    async def unmerge(self, tenant_id: UUID, which: UUID) -> UnmergePlan:
        """Give the duplicate back exactly what the merge moved; appeals begun since follow their chats."""
        done = await self._unmerge(tenant_id, which, do=True)
        self._wake(WAKE_RELAY, WAKE_TURNS)
        return done

    async def merges(self, tenant_id: UUID, *, client: UUID | None = None, limit: int = 50) -> Sequence[MergeLine]:
        """Merges, the newest first."""
        async with self._connection() as connection:
            return [merge_line(row) for row in await connection.fetch(sql.MERGES, tenant_id, limit, client)]

    async def mark_vip(self, tenant_id: UUID, which: UUID | int, *, vip: bool) -> bool:
        """Mark a client as VIP, or take the mark away; False if nothing changed. A merged client means its survivor.

        A running turn is superseded: it starts again and knows of the mark.
        """
        named = await self.client_of(tenant_id, which)
        async with self._connection() as connection, connection.transaction():
            row = await connection.fetchrow(sql.FIND, tenant_id, named)
            client_id = (row["merged_into"] if row else None) or named
            dialogs = [r["dialog_id"] for r in await connection.fetch(sql.LOCK_DIALOGS, tenant_id, [client_id])]
            version = await connection.fetchval(sql.MARK_VIP, tenant_id, client_id, vip)
            if version is None:
                return False
            await connection.execute(sql.NOTICE, tenant_id, dialogs)
            await self._note(connection, tenant_id, client_id, "mark", BY_HAND, {"vip": vip})
            await append(connection, [ClientUpdated(tenant_id, client_id, version)], self._ids, self._clock.now())
        self._wake(WAKE_RELAY)
        return True

    async def vips(self, tenant_id: UUID, *, limit: int = 200) -> Sequence[VipLine]:
        """Clients marked as VIP."""
        async with self._connection() as connection:
            rows = await connection.fetch(sql.VIPS, tenant_id, limit)
            return [VipLine(r["client_id"], r["display_name"], r["number"]) for r in rows]

    async def _merge(
        self, tenant_id: UUID, survivor: UUID | int, duplicate: UUID | int, reason: str, *, do: bool
    ) -> MergePlan:
        kept = await self.client_of(tenant_id, survivor, field="into")
        gone = await self.client_of(tenant_id, duplicate, field="duplicate")
        if kept == gone:
            raise Invalid("both are the same client", field="into", remedy="name two different clients")
        plan: MergePlan | None = None
        try:
            async with self._connection() as connection, connection.transaction():
                locked = await lock_both(connection, tenant_id, kept, gone)
                _both_whole(locked, kept, gone)
                now = self._clock.now()
                conflicts = conflicts_of(locked, kept, gone, now)
                people = (person_of(locked, kept), person_of(locked, gone))
                merge_id = self._ids.new() if do else None
                plan = MergePlan(*people, moves_of(locked, gone), conflicts, merge_id)
                if merge_id is None:
                    raise _PreviewOnly("preview")
                moved = plan_moved(locked, kept, gone)
                events = await move(connection, tenant_id, locked, moved, kept, gone)
                await connection.execute(sql.RECORD, tenant_id, merge_id, kept, gone, reason, moved.document(), now)
                await self._note(connection, tenant_id, kept, "merge", reason, {"merge": str(merge_id)})
                await append(connection, events, self._ids, now)
        except _PreviewOnly:
            pass
        if plan is None:
            raise Conflict("the merge was not made", code="not_made")
        return plan

    async def _unmerge(self, tenant_id: UUID, which: UUID, *, do: bool) -> UnmergePlan:
        plan: UnmergePlan | None = None
        try:
            async with self._connection() as connection, connection.transaction():
                merge_id = await connection.fetchval(sql.LAST_OF, tenant_id, which) or which
                merge = _undoable(await connection.fetchrow(sql.LOCK_MERGE, tenant_id, merge_id), which)
                kept, gone = merge["survivor_id"], merge["duplicate_id"]
                locked = await lock_both(connection, tenant_id, kept, gone)
                await self._not_merged_on(connection, tenant_id, locked, kept)
                moved = Moved.of(merge["moved"])
                later = await connection.fetch(
                    sql.LATER_APPEALS, tenant_id, kept, moved.identities, merge["merged_at"], moved.appeal_ids
                )
                doubts = _doubts(locked, moved, kept)
                plan = UnmergePlan(merge["merge_id"], kept, gone, moved.counts(), len(later), doubts, done=do)
                if not do:
                    raise _PreviewOnly("preview")
                now = self._clock.now()
                events = await put_back(connection, tenant_id, locked, moved, later, kept, gone)
                await connection.execute(sql.UNDONE, tenant_id, merge["merge_id"], now)
                await self._note(connection, tenant_id, gone, "unmerge", BY_HAND, {"merge": str(merge["merge_id"])})
                await append(connection, events, self._ids, now)
        except _PreviewOnly:
            pass
        if plan is None:
            raise Conflict("the merge was not taken back", code="not_made")
        return plan

    async def _not_merged_on(self, connection: Connection, tenant_id: UUID, locked: Locked, kept: UUID) -> None:
        if locked.clients[kept]["merged_into"] is not None:
            later = await connection.fetchval(sql.LATER, tenant_id, kept)
            raise Conflict(
                "the survivor was merged itself since", field="merge", remedy=f"take back merge {later} first",
                code="merged_since",
            )  # fmt: skip

    async def _note(
        self, connection: Connection, tenant_id: UUID, client_id: UUID, action: str, reason: str, inputs: dict[str, Any]
    ) -> None:
        record = (self._ids.new(), client_id, action, reason, inputs, self._clock.now())
        await connection.execute(sql.DECISION, tenant_id, *record)


async def lock_both(connection: Connection, tenant_id: UUID, one: UUID, other: UUID) -> Locked:
    """Both clients' rows, locked in the order of the whole system. Re-read until no dialog came in between."""
    both = sorted((one, other))
    dialogs = [r[0] for r in await connection.fetch(sql.LOCK_DIALOGS, tenant_id, both)]
    works = await connection.fetch(sql.LOCK_WORK, tenant_id, both)
    appeals = await connection.fetch(sql.LOCK_APPEALS, tenant_id, both)
    intents = await connection.fetch(sql.INTENTS, tenant_id, both)
    repairs = await connection.fetch(sql.REPAIRS, tenant_id, both)
    clients = {r["client_id"]: r for r in await connection.fetch(sql.LOCK_CLIENTS, tenant_id, both)}
    followers = await connection.fetch(sql.FOLLOWERS, tenant_id, both)
    identities = await connection.fetch(sql.IDENTITIES, tenant_id, both)
    phones = await connection.fetch(sql.PHONES, tenant_id, both)
    sending: int = await connection.fetchval(sql.SENDING, tenant_id, both)
    return Locked(clients, dialogs, works, appeals, identities, phones, intents, repairs, followers, sending)


def _both_whole(locked: Locked, kept: UUID, gone: UUID) -> None:
    for client_id, field in ((kept, "into"), (gone, "duplicate")):
        row = locked.clients.get(client_id)
        if row is None:
            raise Invalid(f"there is no client {client_id}", field=field, remedy="`battcrm operator twins`")
        if row["merged_into"] is not None:
            raise Conflict(
                f"client {client_id} is merged into {row['merged_into']} already",
                field=field,
                remedy="name that one",
                code="merged_already",
            )


def _undoable(merge: Any, which: UUID) -> Any:
    if merge is None:
        raise Invalid(f"there is no merge {which}", field="merge", remedy="`battcrm operator merges` lists them")
    if merge["undone_at"] is not None:
        raise Conflict(
            "this merge was taken back already", field="merge", remedy="`battcrm operator merges` shows those that hold",
            code="undone_already",
        )  # fmt: skip
    return merge


def _doubts(locked: Locked, moved: Moved, kept: UUID) -> tuple[Doubt, ...]:
    """What is no longer where the merge had put it stays where it is now."""
    here = {i["identity_id"] for i in locked.of(locked.identities, kept)}
    appeals = {a["appeal_id"] for a in locked.of(locked.appeals, kept)}
    gone_on = len(set(moved.identities) - here) + len(set(moved.appeal_ids) - appeals)
    return (Doubt("moved_on_since", str(gone_on)),) if gone_on else ()

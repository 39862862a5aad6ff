"""What moves in a merge, kept well enough to be put back exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from battcrm.events.catalogue import AppealUpdated, ClientMerged, ClientUpdated, Event, RepairRecorded
from battcrm.infra.postgres import Connection
from battcrm.services import clients_sql as sql
from battcrm.services.clients_views import Locked


@dataclass(frozen=True, slots=True)
class Moved:
    """The undo record. `appeals` are (id, dialog); `phones` those of the duplicate, with what the survivor had."""

    identities: list[UUID]
    appeals: list[tuple[UUID, UUID]]
    intents: list[UUID]
    repairs: list[UUID]
    followers: list[UUID]
    phones: list[dict[str, Any]] = field(default_factory=list)
    survivor: dict[str, Any] = field(default_factory=dict)
    became: dict[str, Any] = field(default_factory=dict)

    @property
    def appeal_ids(self) -> list[UUID]:
        """Ids of the appeals."""
        return [appeal for appeal, _ in self.appeals]

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        names = ("identities", "appeals", "intents", "repairs", "followers", "phones")
        return {name: len(getattr(self, name)) for name in names}

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        lists = ("identities", "intents", "repairs", "followers")
        plain: dict[str, Any] = {name: [str(v) for v in getattr(self, name)] for name in lists}
        appeals = [[str(appeal), str(dialog)] for appeal, dialog in self.appeals]
        return {
            **plain, "appeals": appeals, "phones": self.phones, "survivor": self.survivor, "became": self.became,
        }  # fmt: skip

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From what was stored."""
        lists = ("identities", "intents", "repairs", "followers")
        ids = {name: [UUID(v) for v in document.get(name, ())] for name in lists}
        appeals = [(UUID(appeal), UUID(dialog)) for appeal, dialog in document.get("appeals", ())]
        return cls(
            appeals=appeals,
            phones=list(document.get("phones", ())),
            survivor=dict(document.get("survivor", {})),
            became=dict(document.get("became", {})),
            **ids,
        )


def plan_moved(locked: Locked, kept: UUID, gone: UUID) -> Moved:
    """What merging moves. The survivor keeps its name; an opt-out of either holds for both."""
    had = {p["phone"]: p["verified"] for p in locked.of(locked.phones, kept)}
    before, other = locked.clients[kept], locked.clients[gone]
    survivor = {name: before[name] for name in ("display_name", "do_not_contact", "blocked", "vip")}
    became = {
        "display_name": before["display_name"] or other["display_name"],
        "do_not_contact": before["do_not_contact"] or other["do_not_contact"],
        "blocked": before["blocked"] or other["blocked"],
        "vip": before["vip"] or other["vip"],
    }
    return Moved(
        identities=[i["identity_id"] for i in locked.of(locked.identities, gone)],
        appeals=[(a["appeal_id"], a["dialog_id"]) for a in locked.of(locked.appeals, gone)],
        intents=[i["intent_id"] for i in locked.of(locked.intents, gone)],
        repairs=[r["repair_id"] for r in locked.of(locked.repairs, gone)],
        followers=[f["client_id"] for f in locked.followers if f["merged_into"] == gone],
        phones=[
            {
                "phone": p["phone"], "verified": p["verified"], "source": p["source"],
                "created_at": p["created_at"].isoformat(), "had": had.get(p["phone"]),
            }
            for p in locked.of(locked.phones, gone)
        ],
        survivor=survivor,
        became=became,
    )  # fmt: skip


async def move(
    connection: Connection, tenant_id: UUID, locked: Locked, moved: Moved, kept: UUID, gone: UUID
) -> list[Event]:
    """Point everything of `gone` to `kept`, and `gone` itself. The events, in the order consumers need."""
    await connection.execute(sql.MOVE_IDENTITIES, tenant_id, moved.identities, kept, gone)
    dialogs = [dialog for _, dialog in moved.appeals]
    appeals = await connection.fetch(sql.MOVE_APPEALS, tenant_id, moved.appeal_ids, kept, gone, dialogs)
    await connection.execute(sql.MOVE_INTENTS, tenant_id, moved.intents, kept, gone)
    repairs = await connection.fetch(sql.MOVE_REPAIRS, tenant_id, moved.repairs, kept, gone)
    for phone in moved.phones:
        said_at = datetime.fromisoformat(phone["created_at"])
        known = (phone["phone"], phone["verified"], phone["source"], said_at)
        await connection.execute(sql.ADD_PHONE, tenant_id, kept, *known)
    await connection.execute(sql.DROP_PHONES, tenant_id, gone, [p["phone"] for p in moved.phones])
    redirected = await connection.fetch(sql.REDIRECT, tenant_id, [*moved.followers, gone], kept, None)
    version = await _change(connection, tenant_id, kept, moved.became)
    await _restless(connection, tenant_id, locked, kept, gone)
    return [
        *(ClientMerged(tenant_id, r["client_id"], kept, r["version"]) for r in redirected),
        ClientUpdated(tenant_id, kept, version),
        *(AppealUpdated(tenant_id, kept, r["appeal_id"], r["version"]) for r in appeals),
        *(RepairRecorded(tenant_id, kept, r["repair_id"], r["version"]) for r in repairs),
    ]


async def put_back(
    connection: Connection,
    tenant_id: UUID,
    locked: Locked,
    moved: Moved,
    later: Sequence[Any],
    kept: UUID,
    gone: UUID,
) -> list[Event]:
    """Give `gone` back what the merge took, where it still is; `later` are appeals that follow their chats."""
    (alone,) = await connection.fetch(sql.REDIRECT, tenant_id, [gone], None, kept)
    followers = await connection.fetch(sql.REDIRECT, tenant_id, moved.followers, gone, kept)
    await connection.execute(sql.MOVE_IDENTITIES, tenant_id, moved.identities, gone, kept)
    places = [*moved.appeals, *((r["appeal_id"], r["dialog_id"]) for r in later)]
    ids, dialogs = [a for a, _ in places], [d for _, d in places]
    appeals = await connection.fetch(sql.MOVE_APPEALS, tenant_id, ids, gone, kept, dialogs)
    await connection.execute(sql.MOVE_INTENTS, tenant_id, moved.intents, gone, kept)
    repairs = await connection.fetch(sql.MOVE_REPAIRS, tenant_id, moved.repairs, gone, kept)
    await _return_phones(connection, tenant_id, moved, kept, gone)
    version = await _change(connection, tenant_id, kept, _undone(locked.clients[kept], moved))
    await _restless(connection, tenant_id, locked, kept, gone)
    return [
        ClientMerged(tenant_id, gone, gone, alone["version"]),
        *(ClientMerged(tenant_id, r["client_id"], gone, r["version"]) for r in followers),
        ClientUpdated(tenant_id, kept, version),
        *(AppealUpdated(tenant_id, gone, r["appeal_id"], r["version"]) for r in appeals),
        *(RepairRecorded(tenant_id, gone, r["repair_id"], r["version"]) for r in repairs),
    ]


async def _return_phones(connection: Connection, tenant_id: UUID, moved: Moved, kept: UUID, gone: UUID) -> None:
    for phone in moved.phones:
        said_at = datetime.fromisoformat(phone["created_at"])
        known = (phone["phone"], phone["verified"], phone["source"], said_at)
        await connection.execute(sql.ADD_PHONE, tenant_id, gone, *known)
    brought = [p["phone"] for p in moved.phones if p["had"] is None]
    await connection.execute(sql.DROP_PHONES, tenant_id, kept, brought)
    vouched = [p["phone"] for p in moved.phones if p["had"] is False and p["verified"]]
    await connection.execute(sql.SET_VERIFIED, tenant_id, kept, vouched)


def _undone(now: Any, moved: Moved) -> dict[str, Any]:
    """The survivor's own values again, where nobody changed them since the merge."""
    return {"vip": now["vip"]} | {
        name: moved.survivor.get(name) if now[name] == became else now[name] for name, became in moved.became.items()
    }


async def _change(connection: Connection, tenant_id: UUID, client_id: UUID, values: Mapping[str, Any]) -> int:
    new = [values[name] for name in ("display_name", "do_not_contact", "blocked", "vip")]
    version: int = await connection.fetchval(sql.CHANGE, tenant_id, client_id, *new)
    return version


async def _restless(connection: Connection, tenant_id: UUID, locked: Locked, kept: UUID, gone: UUID) -> None:
    """Running turns of either find out; both are due as their dialogs are now."""
    await connection.execute(sql.NOTICE, tenant_id, locked.dialogs)
    await connection.execute(sql.DUE_AGAIN, tenant_id, sorted((kept, gone)))

"""What a merge is about to do, did, or can take back, as people see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.pipeline.knowledge import from_json
from battcrm.services.operator_views import device_of

_OPEN: Final = frozenset({"new", "collecting", "quoted", "agreed", "in_repair"})


@dataclass(frozen=True, slots=True)
class Person:
    """A client in a preview."""

    client_id: UUID
    name: str | None
    since: datetime
    channels: tuple[str, ...]
    phones: tuple[str, ...]
    appeals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something a person should look at before two clients become one; `code` is stable, `detail` for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a merge moves, by kind, and what speaks against it. `merge_id` once it is done."""

    survivor: Person
    duplicate: Person
    moves: dict[str, int]
    conflicts: tuple[Conflict, ...]
    merge_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnmergePlan:
    """What taking a merge back returns, by kind; `later` appeals began after it in chats that go back."""

    merge_id: UUID
    survivor_id: UUID
    duplicate_id: UUID
    returns: dict[str, int]
    later: int
    conflicts: tuple[Conflict, ...]
    done: bool = False


@dataclass(frozen=True, slots=True)
class MergeLine:
    """A merge in the list of merges."""

    merge_id: UUID
    survivor_id: UUID
    survivor: str | None
    duplicate_id: UUID
    duplicate: str | None
    reason: str
    merged_at: datetime
    undone_at: datetime | None
    moved: dict[str, int]


@dataclass(frozen=True, slots=True)
class TwinLine:
    """Two clients that look like one person; with the number of an appeal of each, to name them by."""

    survivor_id: UUID
    survivor: str | None
    survivor_appeal: int | None
    duplicate_id: UUID
    duplicate: str | None
    duplicate_appeal: int | None
    reason: str
    score: float
    automatic: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VipLine:
    """A client marked as VIP, with the newest of its appeals."""

    client_id: UUID
    name: str | None
    number: int | None


@dataclass(frozen=True, slots=True)
class Locked:
    """Both clients and all that is theirs, under lock."""

    clients: dict[UUID, Any]
    dialogs: list[UUID]
    works: list[Any]
    appeals: list[Any]
    identities: list[Any]
    phones: list[Any]
    intents: list[Any]
    repairs: list[Any]
    followers: list[Any]
    sending: int

    def of(self, rows: list[Any], client_id: UUID) -> list[Any]:
        """Those rows that are one client's."""
        return [row for row in rows if row["client_id"] == client_id]


def person_of(locked: Locked, client_id: UUID) -> Person:
    """One side of a preview."""
    row = locked.clients[client_id]
    return Person(
        client_id=client_id,
        name=row["display_name"],
        since=row["created_at"],
        channels=tuple(i["kind"] for i in locked.of(locked.identities, client_id)),
        phones=tuple(p["phone"] for p in locked.of(locked.phones, client_id)),
        appeals=tuple(sorted(a["number"] for a in locked.of(locked.appeals, client_id))),
    )


def moves_of(locked: Locked, duplicate: UUID) -> dict[str, int]:
    """How many of each kind a merge moves."""
    appeals = locked.of(locked.appeals, duplicate)
    identities = locked.of(locked.identities, duplicate)
    return {
        "identities": len(identities),
        "dialogs": sum(i["dialogs"] for i in identities),
        "appeals": len(appeals),
        "open_appeals": sum(a["status"] in _OPEN for a in appeals),
        "phones": len(locked.of(locked.phones, duplicate)),
        "intents": len(locked.of(locked.intents, duplicate)),
        "repairs": len(locked.of(locked.repairs, duplicate)),
        "merged_before": sum(f["merged_into"] == duplicate for f in locked.followers),
    }


def conflicts_of(locked: Locked, survivor: UUID, duplicate: UUID, now: datetime) -> tuple[Conflict, ...]:
    """What a person should know: none of it forbids the merge."""
    found = []
    a, b = locked.clients[survivor], locked.clients[duplicate]
    if a["display_name"] and b["display_name"] and not _same_name(a["display_name"], b["display_name"]):
        found.append(Conflict("names_differ", f"{a['display_name']} / {b['display_name']}"))
    phones = {side: {p["phone"] for p in locked.of(locked.phones, side)} for side in (survivor, duplicate)}
    if all(phones.values()) and not phones[survivor] & phones[duplicate]:
        found.append(Conflict("phones_differ", " / ".join(", ".join(sorted(p)) for p in phones.values())))
    kinds = [{i["channel_id"]: i["kind"] for i in locked.of(locked.identities, side)} for side in (survivor, duplicate)]
    found += [Conflict("two_accounts_in_one_channel", kinds[0][c]) for c in kinds[0] if c in kinds[1]]
    found += _same_devices(locked, survivor, duplicate)
    for flag in ("do_not_contact", "blocked", "vip"):
        if a[flag] != b[flag]:
            found.append(Conflict(flag, "one of them; it will hold for both"))
    if any(w["lease_until"] is not None and w["lease_until"] > now for w in locked.works):
        found.append(Conflict("turn_running", "an answer is being made; it starts again"))
    if locked.sending:
        found.append(Conflict("messages_on_their_way", str(locked.sending)))
    return tuple(found)


def _same_devices(locked: Locked, survivor: UUID, duplicate: UUID) -> list[Conflict]:
    def open_ones(side: UUID) -> list[Any]:
        return [a for a in locked.of(locked.appeals, side) if a["status"] in _OPEN and a["model"]]

    return [
        Conflict("same_device_twice", f"№ {a['number']} / № {b['number']}: {device_of(from_json(a['known']))}")
        for a in open_ones(survivor)
        for b in open_ones(duplicate)
        if (a["brand"], a["model"]) == (b["brand"], b["model"])
    ]


def _same_name(a: str, b: str) -> bool:
    return sorted(a.lower().split()) == sorted(b.lower().split())


def merge_line(row: Any) -> MergeLine:
    """A stored merge."""
    moved = {name: len(value) for name, value in row["moved"].items() if isinstance(value, list) and value}
    return MergeLine(
        row["merge_id"], row["survivor_id"], row["survivor_name"], row["duplicate_id"], row["duplicate_name"],
        row["reason"], row["merged_at"], row["undone_at"], moved,
    )  # fmt: skip

"""Why the system did what it did: from a message to its answer, read from the records of the turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, unavailable
from battcrm.kit.errors import Invalid
from battcrm.services import explain_sql as sql

_EVIDENCE: Final = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """One message the turn answered."""

    message_id: UUID
    at: datetime
    kind: str
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Learned:
    """One fact the turn established; `words` are quoted from the message, "" when it came from elsewhere."""

    field: str
    value: str
    confidence: float
    method: str
    source: str
    words: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One row behind a price: a past repair or a line of the price list. Kopecks."""

    kind: str
    what: str
    amount: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one appeal, and what was turned down. `quotes` are the numbers it was decided on."""

    action: str
    reason: str
    routing: dict[str, Any]
    appeal: int | None
    appeal_status: str | None
    control: str | None
    known: dict[str, Any]
    open_fields: tuple[str, ...]
    quotes: tuple[dict[str, Any], ...]
    graph_away: str | None
    evidence: tuple[Shown, ...]
    rejected: tuple[tuple[str, str], ...]
    handover: dict[str, str]
    versions: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One reply and how its delivery went."""

    outgoing_id: UUID
    text: str
    buttons: tuple[str, ...]
    state: str
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One turn from the first word to the delivery. `cost_microrub` in millionths of a rouble."""

    tenant: str
    timezone: str
    turn_id: UUID
    state: str
    client: str | None
    channel: str
    started_at: datetime
    finished_at: datetime
    timings: dict[str, float]
    superseded: int
    heard: tuple[Heard, ...]
    learned: tuple[Learned, ...]
    decisions: tuple[Decided, ...]
    said: tuple[Said, ...]
    suggested: tuple[str, ...]
    model_calls: tuple[dict[str, Any], ...]
    cost_microrub: int


class Explainer:
    """Reads the records; changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def explain(self, what: str, tenant_id: UUID | None = None) -> Explanation:
        """The turn of a message, turn or outgoing id, or the last one of an appeal's number (this needs the tenant).

        Raises Invalid when nothing of that name exists or nothing was decided about it, Transient when the database is
        away.
        """
        try:
            async with self._pool.acquire() as connection:
                tenant, turn = await _locate(connection, what, tenant_id)
                return await _explanation(connection, tenant, turn)
        except UNAVAILABLE as error:
            raise unavailable(error) from error


async def _locate(connection: Connection, what: str, tenant_id: UUID | None) -> tuple[UUID, UUID]:
    if what.lstrip("#№ ").isdecimal():
        return await _by_number(connection, int(what.lstrip("#№ ")), tenant_id)
    try:
        wanted = UUID(what)
    except ValueError:
        raise Invalid(
            f"{what!r} is neither an id nor a number", field="what", remedy="give a message, turn or appeal"
        ) from None
    row = await connection.fetchrow(sql.TURN, tenant_id, wanted)
    if row is None:
        row = await connection.fetchrow(sql.OF_OUTGOING, tenant_id, wanted)
        if row is not None and row["turn_id"] is None:
            raise Invalid(f"{wanted} was written by {row['author']}: no turn decided it", field="what")
    if row is not None:
        return row["tenant_id"], row["turn_id"]
    message = await connection.fetchrow(sql.MESSAGE, tenant_id, wanted)
    if message is None:
        raise Invalid(f"nothing has the id {wanted}", field="what", remedy="`battcrm operator show` lists messages")
    turn = await connection.fetchval(sql.COVERING, message["tenant_id"], message["dialog_id"], message["seq"])
    if turn is None:
        raise Invalid(f"no turn has answered {wanted} yet", field="what", remedy="try again in a moment")
    return message["tenant_id"], turn


async def _by_number(connection: Connection, number: int, tenant_id: UUID | None) -> tuple[UUID, UUID]:
    if tenant_id is None:
        raise Invalid("a number needs its tenant", field="tenant", remedy="name it with --tenant SLUG")
    turn = await connection.fetchval(sql.LAST_OF_APPEAL, tenant_id, number)
    if turn is None:
        raise Invalid(f"no turn was about an appeal {number}", field="what", remedy="check the number")
    return tenant_id, turn


async def _explanation(connection: Connection, tenant: UUID, turn: UUID) -> Explanation:
    key = (tenant, turn)
    head = await connection.fetchrow(sql.HEAD, *key)
    if head is None:
        raise Invalid(f"nothing has the id {turn}", field="what")
    heard = await connection.fetch(sql.HEARD, tenant, head["dialog_id"], head["from_seq"], head["to_seq"])
    decisions = await connection.fetch(sql.DECISIONS, *key)
    calls = await connection.fetch(sql.CALLS, *key)
    suggested = await connection.fetch(sql.SUGGESTED, *key)
    return Explanation(
        tenant=head["tenant_name"],
        timezone=head["timezone"],
        turn_id=turn,
        state=head["state"],
        client=head["display_name"],
        channel=head["channel"],
        started_at=head["started_at"],
        finished_at=head["finished_at"],
        timings=dict(head["timings"]),
        superseded=head["superseded"],
        heard=tuple(_heard(row) for row in heard),
        learned=tuple(_learned(row) for row in await connection.fetch(sql.FACTS, *key)),
        decisions=tuple([await _decided(connection, tenant, row) for row in decisions]),
        said=tuple(_said(row) for row in await connection.fetch(sql.REPLIES, *key)),
        suggested=tuple(d["text"] for row in suggested for d in row["drafts"]),
        model_calls=tuple(dict(row) for row in calls),
        cost_microrub=max((row["cost_microrub"] for row in decisions), default=0),
    )


async def _decided(connection: Connection, tenant: UUID, row: Any) -> Decided:
    inputs: dict[str, Any] = row["inputs"]
    graph: dict[str, Any] = inputs.get("graph", {})
    quotes = tuple(graph.get("quotes", ()))
    return Decided(
        action=row["action"],
        reason=row["reason"],
        routing=inputs.get("routing", {}),
        appeal=row["appeal"],
        appeal_status=row["appeal_status"],
        control=row["appeal_control"],
        known=inputs.get("known", {}),
        open_fields=tuple(inputs.get("open_fields", ())),
        quotes=quotes,
        graph_away=None if graph.get("unavailable") in (None, "not_asked") else graph["unavailable"],
        evidence=await _evidence(connection, tenant, quotes),
        rejected=tuple((r["action"], r["because"]) for r in row["alternatives"]),
        handover=inputs.get("handover", {}),
        versions=row["versions"],
    )


async def _evidence(connection: Connection, tenant: UUID, quotes: Sequence[dict[str, Any]]) -> tuple[Shown, ...]:
    """The newest rows behind the quotes, as they are now."""
    refs: dict[str, list[UUID]] = {"repair": [], "price": []}
    for quote in quotes:
        for entry in quote.get("evidence", ()):
            kind, _, ref = entry.partition(":")
            refs.setdefault(kind, []).append(UUID(ref))
    shown = [
        Shown("price", r["part_name"] or f"{r['brand']} {r['model']}", _total(r), r["at"])
        for r in await connection.fetch(sql.PRICES, tenant, refs["price"][:_EVIDENCE])
    ]
    shown += [
        Shown("repair", f"{r['brand']} {r['model']}", r["total"], r["at"])
        for r in await connection.fetch(sql.REPAIRS, tenant, refs["repair"][:_EVIDENCE])
    ]
    return tuple(shown)


def _total(row: Any) -> int:
    return (row["part_price"] or 0) + (row["labour_price"] or 0)


def _heard(row: Any) -> Heard:
    content: dict[str, Any] = row["content"]
    files = [a.get("filename") or a.get("kind", "file") for a in content.get("attachments", ())]
    text = row["text"] or content.get("button", {}).get("title", "")
    words = " ".join([text, *(f"[{name}]" for name in files)]).strip()
    return Heard(row["message_id"], row["received_at"], _kind(row["kind"], content), words, row["revision"])


def _kind(kind: str, content: dict[str, Any]) -> str:
    return "button" if "button" in content else kind


def _learned(row: Any) -> Learned:
    start, end, text = row["span_start"], row["span_end"], row["text"]
    words = text[start:end] if text and start is not None and end is not None else ""
    return Learned(row["field"], row["value"], row["confidence"], row["method"], row["source"], words)


def _said(row: Any) -> Said:
    payload: dict[str, Any] = row["payload"]
    state = row["message_state"] if row["message_state"] in ("delivered", "read") else row["state"]
    return Said(
        outgoing_id=row["outgoing_id"],
        text=payload.get("text", ""),
        buttons=tuple(b["title"] for line in payload.get("buttons", ()) for b in line),
        state=state,
        error=row["error_code"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        external_id=row["external_id"],
    )

"""Loading claimed clients for their turns: three statements for any number of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection, Pool, columns
from battcrm.kit.clock import Clock
from battcrm.models.situation import AppealStatus, AppealView, Control, TurnMessage
from battcrm.pipeline.configs import Tenancy, TenantConfigs
from battcrm.pipeline.knowledge import from_json
from battcrm.pipeline.settings import DialogSettings
from battcrm.pipeline.turn_types import ClientInput, DialogView, TurnInput

# Messages before the new ones that a turn sees, and how many new ones it takes at once; the rest is the next turn's.
_BEFORE: Final = 24
_FRESH: Final = 200

_DIALOGS: Final = """
SELECT c.tenant_id, c.client_id, c.display_name, c.locale, c.do_not_contact, c.vip, c.merged_into, c.created_at,
       d.dialog_id, d.channel_id, ch.kind AS channel_kind, d.external_chat_id, d.type, d.identity_id, d.version,
       d.last_seq, d.answered_seq, d.due_at, d.window_expires_at, d.human_until
FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, client_id)
JOIN client c USING (tenant_id, client_id)
JOIN identity i ON i.tenant_id = c.tenant_id AND i.client_id = c.client_id
JOIN dialog d ON d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE d.due_at <= $3
ORDER BY d.due_at
"""
_MESSAGES: Final = """
SELECT k.dialog_id, m.message_id, m.seq, m.direction, m.author, m.kind, m.text, m.content, m.external_id, m.appeal_id,
       m.received_at
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k(tenant_id, dialog_id, above)
CROSS JOIN LATERAL (
  SELECT * FROM message m WHERE m.tenant_id = k.tenant_id AND m.dialog_id = k.dialog_id AND m.seq > k.above
    AND m.deleted_at IS NULL
  ORDER BY m.seq LIMIT $4
) m
ORDER BY k.dialog_id, m.seq
"""
_APPEALS: Final = """
SELECT a.* FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, client_id)
CROSS JOIN LATERAL (
  SELECT * FROM appeal a WHERE a.tenant_id = k.tenant_id AND a.client_id = k.client_id
  ORDER BY a.touched_at DESC LIMIT 8
) a
ORDER BY a.touched_at DESC
"""


class TurnLoader:
    """Reads what turns need. Called with batches by a Batcher."""

    def __init__(self, pool: Pool, clock: Clock, configs: TenantConfigs) -> None:
        self._pool = pool
        self._clock = clock
        self._configs = configs

    async def load(self, claims: Sequence[Claim]) -> Sequence[ClientInput]:
        """One ClientInput for each claim, in order."""
        # A client whose lease lapsed before its turn began may be here twice; only the later token will count.
        wanted = [(c.tenant_id, c.key) for c in claims]
        keys = list(dict.fromkeys(wanted))
        async with self._pool.acquire() as connection:
            dialogs = await connection.fetch(_DIALOGS, *columns(keys, 2), self._clock.now())
            tenancies = await self._configs.load({c.tenant_id for c in claims}, connection)
            if not dialogs:
                return [ClientInput(claim, ()) for claim in claims]
            messages = await _messages(connection, dialogs)
            appeals = await _appeals(connection, keys)
        by_client: dict[tuple[UUID, UUID], list[Any]] = defaultdict(list)
        for row in dialogs:
            by_client[row["tenant_id"], row["client_id"]].append(row)
        return [
            ClientInput(
                claim,
                tuple(
                    _turn_input(claim, row, messages, appeals[key], tenancies[claim.tenant_id])
                    for row in by_client[key]
                    if claim.tenant_id in tenancies
                ),
            )
            for claim, key in zip(claims, wanted, strict=True)
        ]


async def _messages(connection: Connection, dialogs: Sequence[Any]) -> dict[UUID, list[Any]]:
    keys = [(row["tenant_id"], row["dialog_id"], row["answered_seq"] - _BEFORE) for row in dialogs]
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await connection.fetch(_MESSAGES, *columns(keys, 3), _BEFORE + _FRESH):
        found[row["dialog_id"]].append(row)
    return found


async def _appeals(
    connection: Connection, keys: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], list[AppealView]]:
    found: dict[tuple[UUID, UUID], list[AppealView]] = defaultdict(list)
    for row in await connection.fetch(_APPEALS, *columns(keys, 2)):
        found[row["tenant_id"], row["client_id"]].append(appeal_view(row))
    return found


def appeal_view(row: Any) -> AppealView:
    """A row of `appeal` as layers see it."""
    return AppealView(
        appeal_id=row["appeal_id"],
        number=row["number"],
        status=AppealStatus(row["status"]),
        control=Control(row["control"]),
        control_until=row["control_until"],
        opened_at=row["opened_at"],
        touched_at=row["touched_at"],
        closed_at=row["closed_at"],
        known=from_json(row["known"]),
        asked=tuple(row["asked"]),
        expecting=row["expecting"],
        options=tuple(row["options"]),
        misunderstood=row["misunderstood"],
        quoted_low=row["quoted_low"],
        quoted_high=row["quoted_high"],
        episode_id=row["episode_id"],
        version=row["version"],
    )


def _turn_input(
    claim: Claim,
    row: Any,
    messages: Mapping[UUID, Sequence[Any]],
    appeals: Sequence[AppealView],
    tenancy: Tenancy,
) -> TurnInput:
    rows = messages.get(row["dialog_id"], ())
    dialog = DialogView(
        tenant_id=row["tenant_id"],
        dialog_id=row["dialog_id"],
        channel_id=row["channel_id"],
        channel_kind=row["channel_kind"],
        chat=row["external_chat_id"],
        type=row["type"],
        identity_id=row["identity_id"],
        version=row["version"],
        last_seq=_read_up_to(row, rows),
        answered_seq=row["answered_seq"],
        window_expires_at=row["window_expires_at"],
        human_until=row["human_until"],
    )
    return TurnInput(
        claim=claim,
        client_id=row["client_id"],
        client_name=row["display_name"],
        locale=row["locale"],
        do_not_contact=row["do_not_contact"],
        merged=row["merged_into"] is not None,
        known_since=row["created_at"],
        dialog=dialog,
        messages=_context(_in_episode(rows, dialog, appeals), tenancy.config.section(DialogSettings).context_messages),
        appeals=tuple(appeals),
        tenancy=tenancy,
        due_since=row["due_at"],
        vip=row["vip"],
    )


def _read_up_to(dialog: Any, rows: Sequence[Any]) -> int:
    """What the turn covers: all there is, or as much of a flood as it has read."""
    last: int = dialog["last_seq"]
    full = len(rows) >= _BEFORE + _FRESH
    return min(last, rows[-1]["seq"]) if full else last


def _context(messages: Sequence[TurnMessage], limit: int) -> tuple[TurnMessage, ...]:
    """The new messages and as many of those before them as the shop wants a turn to see."""
    before = [m for m in messages if not m.fresh]
    dropped = {m.message_id for m in before[:-limit]}
    return tuple(m for m in messages if m.message_id not in dropped)


def _in_episode(rows: Sequence[Any], dialog: DialogView, appeals: Sequence[AppealView]) -> tuple[TurnMessage, ...]:
    """Messages of open episodes and what is new; never raw messages of closed ones (invariant 6)."""
    closed = {a.appeal_id for a in appeals if a.closed_at is not None}
    kept = [r for r in rows if r["seq"] > dialog.answered_seq or r["appeal_id"] not in closed]
    return tuple(_message(r, dialog, _appeal_of(r, kept)) for r in kept if not _replaced(r, kept, dialog))


def _appeal_of(row: Any, rows: Sequence[Any]) -> UUID | None:
    """The message's appeal; an edit belongs where its original does."""
    found: UUID | None = row["appeal_id"]
    if found is None and row["kind"] == "edit":
        originals = (r["appeal_id"] for r in rows if r["external_id"] == row["external_id"] and r["appeal_id"])
        found = next(originals, None)
    return found


def _replaced(row: Any, rows: Sequence[Any], dialog: DialogView) -> bool:
    """The original of an edit that is itself up for answering: only the edit counts as new."""
    return row["kind"] != "edit" and any(
        r["kind"] == "edit" and r["external_id"] == row["external_id"] and r["seq"] > dialog.answered_seq for r in rows
    )


def _message(row: Any, dialog: DialogView, appeal_id: UUID | None) -> TurnMessage:
    content: dict[str, Any] = row["content"]
    button = content.get("button", {})
    reply = content.get("reply_to", {})
    return TurnMessage(
        message_id=row["message_id"],
        seq=row["seq"],
        direction=row["direction"],
        kind=row["kind"],
        text=row["text"] or button.get("title", ""),
        at=row["received_at"],
        fresh=row["direction"] == "in" and row["seq"] > dialog.answered_seq and row["seq"] <= dialog.last_seq,
        attachment_kinds=tuple(a.get("kind", "unknown") for a in content.get("attachments", ())),
        button_payload=button.get("payload"),
        reply_to=reply.get("id"),
        external_id=row["external_id"],
        appeal_id=appeal_id,
        author=row["author"],
        ack_ref=button.get("ack_ref"),
        plain=content.get("plain"),
    )

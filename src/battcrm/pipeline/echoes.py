"""Echoes of what was sent to a chat from elsewhere: ours come home, others are an operator's word (PROTOCOL B7, D2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from battcrm.events.catalogue import Event, MessageSent
from battcrm.infra.postgres import Connection
from battcrm.kit.ids import IdFactory
from battcrm.kit.text import storable
from battcrm.pipeline.control import take_control
from battcrm.pipeline.intake import Change, NewMessage, content_of
from battcrm.pipeline.intake_store import insert_messages

PARKED: Final = timedelta(seconds=30)

_KNOWN: Final = """
SELECT m.message_id FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.direction = 'out'
  AND m.external_id = $3
"""
_OURS: Final = """
SELECT o.outgoing_id, o.message_id, o.author, o.state FROM outgoing o
WHERE o.tenant_id = $1 AND o.dialog_id = $2 AND (o.outgoing_id::text = $3 OR o.payload->>'random_id' = $3)
FOR UPDATE
"""
_IN_DOUBT: Final = """
SELECT EXISTS (SELECT 1 FROM outgoing WHERE tenant_id = $1 AND dialog_id = $2 AND state IN ('sending', 'unknown'))
"""
_SETTLE: Final = """
WITH settled AS (
  UPDATE outgoing SET state = 'sent', due_at = NULL, lease_until = NULL, finished_at = $4, token = token + 1
  WHERE tenant_id = $1 AND outgoing_id = $2 AND state IN ('sending', 'unknown') RETURNING message_id
)
UPDATE message m SET external_id = $3, state = 'sent' FROM settled s
WHERE m.tenant_id = $1 AND m.message_id = s.message_id
"""


async def apply_echo(
    connection: Connection, change: Change, events: list[Event], ids: IdFactory, now: datetime
) -> bool:
    """True when the echo has been dealt with; False when it must wait for a send that is still in doubt."""
    dialog, message = change.dialog, change.arrival.message
    reference = (message.status.client_ref if message.status else None) or ""
    scope = (dialog.tenant_id, dialog.dialog_id)
    if await connection.fetchval(_KNOWN, *scope, change.external_id):
        return True
    ours = await connection.fetchrow(_OURS, *scope, reference) if reference else None
    if ours is not None:
        await _settle(connection, change, ours, events, now)
        return True
    if await connection.fetchval(_IN_DOUBT, *scope) and now - change.arrival.received_at < PARKED:
        return False
    await _operator_wrote(connection, change, events, ids, now)
    return True


async def _settle(connection: Connection, change: Change, ours: Any, events: list[Event], now: datetime) -> None:
    """Our own send came back: what was unknown is known to have been sent."""
    dialog = change.dialog
    if ours["state"] not in ("sending", "unknown"):
        return
    await connection.execute(_SETTLE, dialog.tenant_id, ours["outgoing_id"], change.external_id, now)
    events.append(
        MessageSent(
            tenant_id=dialog.tenant_id,
            client_id=dialog.client_id,
            message_id=ours["message_id"],
            dialog_id=dialog.dialog_id,
            channel_id=dialog.channel_id,
            outgoing_id=ours["outgoing_id"],
            author=ours["author"],
        )
    )


async def _operator_wrote(
    connection: Connection, change: Change, events: list[Event], ids: IdFactory, now: datetime
) -> None:
    dialog, arrival = change.dialog, change.arrival
    dialog.last_seq += 1
    dialog.version += 1
    dialog.dirty = True
    row = NewMessage(
        message_id=ids.new(),
        dialog=dialog,
        identity_id=dialog.identity_id,
        seq=dialog.last_seq,
        direction="out",
        author="operator",
        kind=arrival.message.kind.value,
        external_id=arrival.message.message.id,
        platform_seq=arrival.message.message.seq,
        text=storable(arrival.message.message.text or ""),
        content=content_of(arrival.message),
        occurred_at=arrival.message.occurred_at,
        received_at=arrival.received_at,
    )
    await insert_messages(connection, [row])
    events.extend(await take_control(connection, dialog.tenant_id, dialog.dialog_id, ids, now, reason="other_app"))

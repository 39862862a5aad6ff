"""Reading cropped messages again (PROTOCOL B5): the turn waits a little, a late result is still written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection, Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, Transient
from battcrm.kit.ids import IdFactory
from battcrm.kit.text import storable
from battcrm.models.unified import UnifiedMessage
from battcrm.pipeline.control import lock_dialog
from battcrm.pipeline.intake import FollowUp, content_of
from battcrm.pipeline.intake_work import schedule
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import HttpClient
from battcrm.transport.media_fetch import bare_message
from battcrm.transport.media_rows import MediaRows
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
ATTEMPTS: Final = 7
WAKE_TURNS: Final = "turns"
WAKE_WORK: Final = "due_work"
_CREDENTIALS_PAUSE: Final = timedelta(minutes=5)
_PATIENCE: Final = timedelta(days=7)

_MESSAGE: Final = """
SELECT m.seq, m.text, m.content, d.answered_seq, d.last_seq, d.due_at
FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
WHERE m.tenant_id = $1 AND m.message_id = $2 AND m.deleted_at IS NULL FOR UPDATE OF m
"""
_WRITE: Final = "UPDATE message SET text = $3, content = $4 WHERE tenant_id = $1 AND message_id = $2"
_BUMP: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = $2"
# The hold was for this message alone; with nothing newer the turn may start as early as it would have without.
_RELEASE: Final = """
WITH moved AS (
  UPDATE dialog SET hold_until = NULL, due_at = CASE WHEN last_seq = $4 THEN least(due_at, $3) ELSE due_at END
  WHERE tenant_id = $1 AND dialog_id = $2 AND due_at IS NOT NULL AND hold_until IS NOT NULL RETURNING due_at
)
UPDATE client_work w SET due_at = least(w.due_at, m.due_at) FROM moved m
WHERE w.tenant_id = $1 AND w.client_id = $5 AND w.due_at IS NOT NULL
"""
# What was answered was not the whole of it: the message is new again.
_REOPEN: Final = """
WITH moved AS (
  UPDATE dialog SET due_at = $3, first_unanswered_at = coalesce(first_unanswered_at, $3), hold_until = NULL,
    answered_seq = least(answered_seq, $4 - 1) WHERE tenant_id = $1 AND dialog_id = $2 RETURNING 1
)
UPDATE client_work SET due_at = least(coalesce(due_at, $3), $3) WHERE tenant_id = $1 AND client_id = $5
"""


class Hydration:
    """The handler of due-work of kind `hydrate`."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdFactory,
        wakeups: Wakeups,
        channels: ChannelDirectory,
        http_for: Callable[[Connected], HttpClient],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._channels = channels
        self._http_for = http_for
        self._rows = MediaRows(pool)

    async def handle(self, claim: Claim) -> datetime | None:
        """Read one message again and write it down; a time to come back while credentials are refused."""
        payload: dict[str, Any] = claim.row["payload"]
        connected = await self._channels.find(UUID(payload["channel_id"]))
        place = await self._rows.whereabouts(claim.tenant_id, UUID(payload["message_id"]))
        if connected is None or connected.state == "removed" or place is None:
            return None
        try:
            whole = await self._read(connected, place)
        except AuthExpired:
            young = self._clock.now() - claim.row["created_at"] < _PATIENCE
            return self._clock.now() + _CREDENTIALS_PAUSE if young else None
        except (Permanent, Invalid) as error:
            log.warning("hydration.refused", channel_id=payload["channel_id"], code=error.code)
            whole = None
        except BattError as error:
            if claim.attempts < ATTEMPTS:
                raise Transient(error.text, code=error.code, retry_after=getattr(error, "retry_after", None)) from None
            log.warning("hydration.given_up", channel_id=payload["channel_id"], code=error.code)
            whole = None
        await self._record(claim, payload, whole)
        return None

    async def _read(self, connected: Connected, place: tuple[str, str | None, str | None]) -> UnifiedMessage | None:
        manifest = manifest_of(connected.account.kind)
        if manifest.hydrator is None:
            return None
        hydrator = manifest.hydrator(connected.account, self._http_for(connected))
        return await hydrator.hydrate(bare_message(connected, *place))

    async def _record(self, claim: Claim, payload: dict[str, Any], whole: UnifiedMessage | None) -> None:
        tenant_id, dialog_id, message_id = claim.tenant_id, UUID(payload["dialog_id"]), UUID(payload["message_id"])
        async with self._pool.acquire() as connection, connection.transaction():
            dialog = await lock_dialog(connection, tenant_id, dialog_id)
            row = await connection.fetchrow(_MESSAGE, tenant_id, message_id)
            # An edit that came meanwhile brought the whole, or has work of its own.
            if dialog is None or row is None or not row["content"].get("truncated"):
                return
            scope = (tenant_id, dialog_id)
            reopened = False
            if whole is not None:
                reopened = await self._complete(connection, tenant_id, dialog, row, message_id, whole)
            if not reopened:
                wanted = datetime.fromisoformat(payload["wanted_at"]) if payload.get("wanted_at") else None
                start = max(self._clock.now(), wanted) if wanted else self._clock.now()
                await connection.execute(_RELEASE, *scope, start, row["seq"], dialog["client_id"])
        self._wakeups.notify(WAKE_TURNS)
        self._wakeups.notify(WAKE_WORK)

    async def _complete(
        self, connection: Connection, tenant_id: UUID, dialog: Any, row: Any, message_id: UUID, whole: UnifiedMessage
    ) -> bool:
        """Write the whole message; True if its turn has to be taken again: more was said than was answered."""
        now, dialog_id = self._clock.now(), dialog["dialog_id"]
        text, content = storable(whole.words or ""), content_of(whole)
        await connection.execute(_WRITE, tenant_id, message_id, text, content)
        await connection.execute(_BUMP, tenant_id, dialog_id)
        files = FollowUp(tenant_id, dialog_id, dialog["channel_id"], message_id, content)
        await schedule(connection, [files], self._ids, now)
        if row["seq"] > row["answered_seq"] or text == row["text"]:
            return False
        await connection.execute(_REOPEN, tenant_id, dialog_id, now, row["seq"], dialog["client_id"])
        return True

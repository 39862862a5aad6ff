"""The database side of fetched files: the result at its message, and what a turn must notice of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection, Pool

# Lock order of the whole system: dialog first (docs/adr/0001).
_LOCK: Final = "SELECT d.answered_seq FROM dialog d WHERE d.tenant_id = $1 AND d.dialog_id = $2 FOR UPDATE"
_MESSAGE: Final = """
SELECT m.seq, m.text, m.content FROM message m WHERE m.tenant_id = $1 AND m.message_id = $2 FOR UPDATE
"""
_WRITE: Final = "UPDATE message SET content = $3, text = $4 WHERE tenant_id = $1 AND message_id = $2"
_BUMP: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = $2"
_REMEMBER: Final = """
UPDATE due_work SET payload = $4 WHERE tenant_id = $1 AND work_id = $2 AND token = $3 RETURNING work_id
"""
_WHERE: Final = """
SELECT d.external_chat_id, m.external_id, m.platform_seq FROM message m
JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
WHERE m.tenant_id = $1 AND m.message_id = $2
"""


class MediaRows:
    """Reads and writes what the fetcher needs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def whereabouts(self, tenant_id: UUID, message_id: UUID) -> tuple[str, str | None, str | None] | None:
        """(chat, message id, sequence) on the platform's side; None if the message is gone."""
        row = await self._pool.fetchrow(_WHERE, tenant_id, message_id)
        return None if row is None else (row[0], row[1], row[2])

    async def record(self, claim: Claim, result: Mapping[str, Any]) -> None:
        """Write the result into the message. Its dialog's version moves while no turn has answered it (PROTOCOL C4)."""
        payload: dict[str, Any] = claim.row["payload"]
        tenant_id, message_id = claim.tenant_id, UUID(payload["message_id"])
        async with self._pool.acquire() as connection, connection.transaction():
            dialog = await connection.fetchrow(_LOCK, tenant_id, UUID(payload["dialog_id"]))
            kept = {**payload, "result": dict(result)}
            if dialog is None or not await connection.fetchrow(_REMEMBER, tenant_id, claim.key, claim.token, kept):
                return
            seq = await self._write(connection, tenant_id, message_id, payload["attachment"], result)
            if seq is not None and seq > dialog["answered_seq"]:
                await connection.execute(_BUMP, tenant_id, UUID(payload["dialog_id"]))

    async def _write(
        self,
        connection: Connection,
        tenant_id: UUID,
        message_id: UUID,
        attachment: Mapping[str, Any],
        result: Mapping[str, Any],
    ) -> int | None:
        """The message's seq if the result changed it. A message edited meanwhile may not have the file any more."""
        row = await connection.fetchrow(_MESSAGE, tenant_id, message_id)
        if row is None:
            return None
        content: dict[str, Any] = row["content"]
        before = content.get("attachments", [])
        after = [{**item, **result} if _same(item, attachment) else item for item in before]
        if after == before:
            return None
        text = row["text"] or str(result.get("transcript", ""))
        await connection.execute(_WRITE, tenant_id, message_id, {**content, "attachments": after}, text)
        seq: int = row["seq"]
        return seq


def _same(item: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Addresses of one file change between readings, references do not."""
    if item.get("ref") or other.get("ref"):
        return item.get("ref") == other.get("ref")
    return item.get("url") == other.get("url")

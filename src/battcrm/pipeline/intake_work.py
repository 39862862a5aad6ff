"""Due-work that stored messages leave behind: files to fetch, cropped content to read again (PROTOCOL B5)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import Connection, columns
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.pipeline.intake import FollowUp

MEDIA: Final = "media"
HYDRATE: Final = "hydrate"
FETCHED_KINDS: Final = frozenset({"photo", "video", "video_note", "voice", "audio", "document"})

# A file that came again with an edit keeps its payload, and with it the result of the first fetch.
_SCHEDULE: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
SELECT tenant_id, work_id, bucket, kind, dedupe_key, payload, $7, $7
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::jsonb[])
  AS n(tenant_id, work_id, bucket, kind, dedupe_key, payload)
ORDER BY tenant_id, kind, dedupe_key
ON CONFLICT (tenant_id, kind, dedupe_key) DO UPDATE SET due_at = excluded.due_at, done_at = NULL, lease_until = NULL,
  attempts = 0, token = due_work.token + 1
"""


async def schedule(connection: Connection, follow_ups: Sequence[FollowUp], ids: IdFactory, now: datetime) -> None:
    """Insert the work of these messages in the transaction that stores them."""
    rows: dict[tuple[UUID, str, str], tuple[Any, ...]] = {}
    for item in follow_ups:
        tenant_id = item.tenant_id
        for kind, key, payload in _work_of(item):
            rows[tenant_id, kind, key] = (tenant_id, ids.new(), bucket_of(tenant_id), kind, key, payload)
    if rows:
        await connection.execute(_SCHEDULE, *columns(list(rows.values()), 6), now)


def _work_of(item: FollowUp) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(kind, dedupe key, payload) of everything to do for one message."""
    payload = {
        "message_id": str(item.message_id),
        "dialog_id": str(item.dialog_id),
        "channel_id": str(item.channel_id),
    }
    if item.hydrate:
        wanted = item.wanted_at.isoformat() if item.wanted_at else None
        yield HYDRATE, str(item.message_id), {**payload, "wanted_at": wanted}
    for attachment in item.content.get("attachments", ()):
        place = place_of(attachment)
        if place and attachment.get("kind") in FETCHED_KINDS:
            digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:32]
            yield MEDIA, f"{item.message_id}:{digest}", {**payload, "attachment": attachment}


def place_of(attachment: Mapping[str, Any]) -> str | None:
    """What tells an attachment of a message from its others: the platform's reference, else the address."""
    return attachment.get("ref") or attachment.get("url")

"""What an episode came to: auto, assisted, handed_over, abandoned; provisional for a week (docs/reference/behaviour.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from battcrm.infra.postgres import Connection, columns

PROVISIONAL: Final = timedelta(days=7)
"""How long a reopening takes an outcome back."""

# A shop's turn ended it: alone, or with a person's help on the way.
_END_BY_BOT: Final = """
UPDATE episode e SET ended_at = $3, outcome = CASE WHEN e.human_at IS NULL THEN 'auto' ELSE 'assisted' END
FROM unnest($1::uuid[], $2::uuid[]) AS n(tenant_id, episode_id)
WHERE e.tenant_id = n.tenant_id AND e.episode_id = n.episode_id
"""
_END_BY_PERSON: Final = """
UPDATE episode SET ended_at = $3, outcome = CASE
  WHEN handed_at IS NOT NULL THEN 'handed_over' WHEN human_at IS NOT NULL THEN 'assisted' ELSE 'auto' END
WHERE tenant_id = $1 AND episode_id = $2 AND (ended_at IS NULL OR durable_at IS NULL)
"""
_TAKE_BACK: Final = """
UPDATE episode e SET outcome = NULL, taken_back_at = $4
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS n(tenant_id, appeal_id, episode_id)
WHERE e.tenant_id = n.tenant_id AND e.appeal_id = n.appeal_id AND e.episode_id <> n.episode_id
  AND e.outcome IS NOT NULL AND e.durable_at IS NULL AND e.ended_at > $5
"""
_HUMAN: Final = """
UPDATE episode e SET human_at = coalesce(e.human_at, $3),
  first_answer_at = CASE WHEN $4 THEN coalesce(e.first_answer_at, $3) ELSE e.first_answer_at END,
  first_answer_by = CASE WHEN $4 THEN coalesce(e.first_answer_by, 'operator') ELSE e.first_answer_by END
FROM appeal a WHERE a.tenant_id = $1 AND a.appeal_id = ANY($2::uuid[]) AND e.tenant_id = $1 AND e.episode_id = a.episode_id
"""


async def end_by_bot(connection: Connection, keys: Sequence[tuple[UUID, UUID]], now: datetime) -> None:
    """Episodes (tenant, episode) whose appeals a turn closed."""
    await connection.execute(_END_BY_BOT, *columns(keys, 2), now)


async def end_by_person(connection: Connection, tenant_id: UUID, episode_id: UUID, now: datetime) -> None:
    """The episode of an appeal that an operator closed."""
    await connection.execute(_END_BY_PERSON, tenant_id, episode_id, now)


async def take_back(connection: Connection, keys: Sequence[tuple[UUID, UUID, UUID]], now: datetime) -> None:
    """Reopened appeals (tenant, appeal, its new episode): what the last episode came to within the week is void."""
    await connection.execute(_TAKE_BACK, *columns(keys, 3), now, now - PROVISIONAL)


async def person_took_part(
    connection: Connection, tenant_id: UUID, appeals: Sequence[UUID], now: datetime, *, spoke: bool
) -> None:
    """A person of the shop came into the current episodes of these appeals, and perhaps gave the first answer."""
    await connection.execute(_HUMAN, tenant_id, list(appeals), now, spoke)

"""Clients that look like one person: suggested to people, merged by themselves only on an equal verified phone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.infra.due import Claim
from battcrm.infra.postgres import Connection, Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Conflict
from battcrm.kit.ids import IdFactory
from battcrm.models.situation import AppealView
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.turn_load import appeal_view
from battcrm.resolution.client import ClientProfile, MergeSuggestion, find_twins
from battcrm.resolution.settings import ResolutionSettings
from battcrm.services import clients_sql as sql
from battcrm.services.clients import Clients
from battcrm.services.clients_views import TwinLine
from battcrm.services.operator_desk import Desk

log = structlog.get_logger(__name__)
TWINS_KIND: Final = "client.twins"


class Twins(Desk):
    """Finds twins. Only clients that share a phone or a device are compared. Raises Transient."""

    def __init__(
        self, pool: Pool, clock: Clock, ids: IdFactory, wakeups: Wakeups, configs: TenantConfigs | None = None
    ) -> None:
        super().__init__(pool, clock, ids, wakeups, configs)
        self._clients = Clients(pool, clock, ids, wakeups, self._configs)

    async def suggest(self, tenant_id: UUID, *, client: UUID | None = None) -> Sequence[TwinLine]:
        """Pairs that are probably one person, the surest first; those of one client, or of all."""
        async with self._connection() as connection:
            found, names, numbers = await self._find_pairs(connection, tenant_id, client)
        return [_line(pair, names, numbers) for pair in found]

    async def handle(self, claim: Claim) -> datetime | None:
        """Due-work `client.twins`: merges the client with those whose equal phone was verified, if the shop allows it.

        What a phone alone does not prove is left to people (`suggest`).
        """
        tenant_id, client_id = claim.tenant_id, UUID(claim.row["payload"]["client_id"])
        async with self._connection() as connection:
            found, _, _ = await self._find_pairs(connection, tenant_id, client_id)
        for pair in found:
            if not pair.automatic or client_id not in (pair.survivor, pair.duplicate):
                continue
            try:
                await self._clients.merge(tenant_id, pair.survivor, pair.duplicate, reason=pair.reason.value)
            except Conflict as error:
                log.info("twins.conflict", code=error.code)  # merged by somebody else just now: then it is done
        return None

    async def _find_pairs(
        self, connection: Connection, tenant_id: UUID, client: UUID | None
    ) -> tuple[Sequence[MergeSuggestion], dict[UUID, str | None], dict[UUID, int]]:
        settings = await self._settings(connection, tenant_id)
        since = self._clock.now() - timedelta(days=settings.twin_days)
        ids = {row[0] for row in await connection.fetch(sql.SHARED_PHONES, tenant_id, client)}
        if client is None:
            ids |= {row[0] for row in await connection.fetch(sql.RECENT, tenant_id, since)}
        people = await connection.fetch(sql.PROFILES, tenant_id, list(ids))
        appeals = await _appeals(connection, tenant_id, ids)
        numbers = {r["client_id"]: r["number"] for r in await connection.fetch(sql.NUMBERS_OF, tenant_id, list(ids))}
        pairs = find_twins([_profile(row, appeals[row["client_id"]]) for row in people], settings)
        return pairs, {row["client_id"]: row["display_name"] for row in people}, numbers

    async def _settings(self, connection: Connection, tenant_id: UUID) -> ResolutionSettings:
        tenancy = (await self._configs.load([tenant_id], connection)).get(tenant_id)
        return tenancy.config.section(ResolutionSettings) if tenancy else ResolutionSettings()


async def _appeals(connection: Connection, tenant_id: UUID, ids: set[UUID]) -> dict[UUID, list[AppealView]]:
    found: dict[UUID, list[AppealView]] = defaultdict(list)
    for row in await connection.fetch(sql.APPEALS_OF, tenant_id, list(ids)):
        found[row["client_id"]].append(appeal_view(row))
    return found


def _profile(row: Any, appeals: Sequence[AppealView]) -> ClientProfile:
    return ClientProfile(
        client_id=row["client_id"],
        created_at=row["created_at"],
        name=row["display_name"],
        phones=frozenset(row["phones"]),
        verified=frozenset(row["verified"]),
        channels=frozenset(row["channels"]),
        appeals=tuple(appeals),
    )


def _line(pair: MergeSuggestion, names: dict[UUID, str | None], numbers: dict[UUID, int]) -> TwinLine:
    return TwinLine(
        survivor_id=pair.survivor,
        survivor=names.get(pair.survivor),
        survivor_appeal=numbers.get(pair.survivor),
        duplicate_id=pair.duplicate,
        duplicate=names.get(pair.duplicate),
        duplicate_appeal=numbers.get(pair.duplicate),
        reason=pair.reason.value,
        score=pair.score,
        automatic=pair.automatic,
        detail=pair.detail,
    )

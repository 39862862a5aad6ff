"""What all acts of an operator share: the appeal by its number, its locks, what wakes up afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from battcrm.infra.postgres import UNAVAILABLE, Connection, Pool, unavailable
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import Invalid
from battcrm.kit.ids import IdFactory
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.control import lock_dialog
from battcrm.pipeline.settings import DialogSettings
from battcrm.services import operator_sql as sql

WAKE_OUT: Final = "outgoing"
WAKE_TURNS: Final = "turns"
WAKE_RELAY: Final = "outbox"
WAKE_WORK: Final = "due_work"
_HIGHEST: Final = 2**63 - 1


class Desk:
    """Base of the services an operator uses. Their acts are transactions under the locks of docs/adr/0001."""

    def __init__(
        self, pool: Pool, clock: Clock, ids: IdFactory, wakeups: Wakeups, configs: TenantConfigs | None = None
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._configs = configs or TenantConfigs(pool, clock, wakeups)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except UNAVAILABLE as error:
            raise unavailable(error) from error

    @asynccontextmanager
    async def _acting(self, tenant_id: UUID, number: int) -> AsyncIterator[tuple[Connection, Any, Any]]:
        """A transaction that holds the lock of the appeal's dialog: (connection, appeal, dialog)."""
        async with self._connection() as connection, connection.transaction():
            found = await self._find(connection, tenant_id, number)
            dialog = await lock_dialog(connection, tenant_id, found["dialog_id"])
            yield connection, await self._find(connection, tenant_id, number), dialog

    async def _find(self, connection: Connection, tenant_id: UUID, number: int) -> Any:
        row = await connection.fetchrow(sql.FIND, tenant_id, number) if 0 < number <= _HIGHEST else None
        if row is None:
            raise Invalid(
                f"there is no appeal {number}", field="number", remedy="`battcrm operator list` shows those that wait"
            )
        return row

    async def _dialog_settings(self, connection: Connection, tenant_id: UUID) -> DialogSettings:
        tenancy = (await self._configs.load([tenant_id], connection)).get(tenant_id)
        return tenancy.config.section(DialogSettings) if tenancy else DialogSettings()

    def _wake(self, *names: str) -> None:
        for name in names:
            self._wakeups.notify(name)

"""The AI worker's models: big, then small, paid from the tenant's budget, every call in the ledger."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from battcrm.infra.llm.budget import PostgresBudget
from battcrm.infra.llm.build import Bookkeeping, JsonChat, ladder
from battcrm.infra.llm.clients import PostgresClientBook
from battcrm.infra.llm.later import Later
from battcrm.infra.llm.ledger import PostgresCallLog
from battcrm.models.calls import ModelSettings
from battcrm.workers.runtime import Runtime

_MICRO: Final = 1_000_000


def chat_call(runtime: Runtime, *, shared: bool = True) -> JsonChat:
    """The ladder as extraction's ChatCall. Loads the vendor's library: call it only when a key is configured.

    `shared`: equal questions share an answer between processes, over Redis, and not only in this one.

    Close it with `aclose` before the runtime's pool: the last ledger rows are written then.
    """
    later = Later(runtime.clock)

    async def limit_of(tenant_id: UUID) -> int | None:
        tenancy = (await runtime.configs.load([tenant_id])).get(tenant_id)
        own = tenancy.config.section(ModelSettings).day_budget_rub if tenancy is not None else None
        roubles = runtime.settings.llm_day_budget_rub if own is None else own
        return None if roubles is None else roubles * _MICRO

    async def calls_of(tenant_id: UUID) -> int | None:
        tenancy = (await runtime.configs.load([tenant_id])).get(tenant_id)
        return tenancy.config.section(ModelSettings).client_day_calls if tenancy is not None else None

    books = Bookkeeping(
        PostgresCallLog(runtime.pool, later),
        runtime.ids,
        PostgresBudget(runtime.pool, later),
        limit_of,
        PostgresClientBook(runtime.pool),
        calls_of,
    )
    store = runtime.redis if shared else None
    return JsonChat(ladder(runtime.settings, runtime.clock, books, store), later)

"""The due-work that looks after operators' matters, by kind."""

from __future__ import annotations

from battcrm.infra.postgres import Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.pipeline.caretaker import Handler
from battcrm.pipeline.configs import TenantConfigs
from battcrm.services.clients_twins import TWINS_KIND, Twins
from battcrm.services.operator_outcomes import OUTCOMES_KIND, Outcomes
from battcrm.services.operator_untaken import UNTAKEN_KIND, Untaken


def people_handlers(
    pool: Pool, clock: Clock, ids: IdFactory, wakeups: Wakeups, configs: TenantConfigs
) -> dict[str, Handler]:
    """Handovers nobody took, outcomes of episodes, twins with an equal verified phone."""
    base = (pool, clock, ids, wakeups, configs)
    return {
        UNTAKEN_KIND: Untaken(*base).handle,
        OUTCOMES_KIND: Outcomes(*base).handle,
        TWINS_KIND: Twins(*base).handle,
    }

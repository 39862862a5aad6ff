"""One script's stage: the real roles on its own clock, moved from one due moment to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from battcrm.devkit.scripts.messenger import ORDERED, Phone
from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.infra.http import AioHttp
from battcrm.infra.postgres import Pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import ManualClock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Permanent
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.config import TenantConfig
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.caretaker import Caretaker
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.control import RETURN_KIND
from battcrm.pipeline.handovers import UNTAKEN_KIND
from battcrm.pipeline.intents import IntentWorker
from battcrm.pipeline.processor import Processor
from battcrm.pipeline.turn import Layers, TurnEngine
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.pipeline.turn_types import TurnInput, TurnOutcome
from battcrm.resolution.appeal import DeviceAppealRouter
from battcrm.resolution.settings import ResolutionSettings
from battcrm.response.generator import TemplateComposer
from battcrm.response.router import RuleResponseRouter
from battcrm.response.settings import ResponseSettings
from battcrm.services.clients import Clients
from battcrm.services.clients_twins import TWINS_KIND
from battcrm.services.operator import Operators
from battcrm.services.operator_care import people_handlers
from battcrm.services.operator_correct import Corrections
from battcrm.services.operator_naming import naming
from battcrm.services.operator_outcomes import OUTCOMES_KIND
from battcrm.services.operator_suggestions import Suggestions
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.door import Door
from battcrm.transport.outbox_store import SendStore
from battcrm.transport.sender import OutWorker
from battcrm.workers.layers import channel_view, query_limits

_PATIENCE: Final = timedelta(minutes=40)
# Deadlines are real time and the clock here is not: out of the way.
_DEADLINE: Final = 3600.0
_STUCK: Final = 0.25
_LOOK: Final = 0.002
_CARE: Final = frozenset({RETURN_KIND, UNTAKEN_KIND, OUTCOMES_KIND, TWINS_KIND})
_ROUNDS: Final = 2000

_DUE: Final = """
SELECT (SELECT min(ready_at) FROM inbox WHERE tenant_id = $1) AS inbox,
  (SELECT min(greatest(due_at, coalesce(lease_until, due_at))) FROM client_work
   WHERE tenant_id = $1 AND due_at IS NOT NULL) AS turns,
  (SELECT min(greatest(due_at, coalesce(lease_until, due_at))) FROM outgoing
   WHERE tenant_id = $1 AND due_at IS NOT NULL AND state IN ('pending', 'sending')) AS outgoing,
  (SELECT min(greatest(due_at, coalesce(lease_until, due_at))) FROM due_work
   WHERE tenant_id = $1 AND due_at IS NOT NULL AND kind = ANY($2::text[])) AS care,
  (SELECT min(greatest(due_at, coalesce(lease_until, due_at))) FROM outgoing_intent
   WHERE tenant_id = $1 AND due_at IS NOT NULL) AS intents
"""
_CLOSE: Final = (
    "DELETE FROM inbox WHERE tenant_id = $1",
    "UPDATE client_work SET due_at = NULL WHERE tenant_id = $1",
    "UPDATE outgoing SET due_at = NULL WHERE tenant_id = $1",
    "UPDATE due_work SET due_at = NULL WHERE tenant_id = $1",
    "UPDATE outgoing_intent SET due_at = NULL WHERE tenant_id = $1",
)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all stages use: the database and what is costly to load."""

    pool: Pool
    vault: Vault
    http: AioHttp
    extractor: RuleExtractor
    extractor_down: RuleExtractor


class ThinkingEngine(TurnEngine):
    """The turn engine that takes `seconds` of the script's time to answer, as one with a model does."""

    def __init__(self, layers: Layers, clock: ManualClock, ids: IdFactory, seconds: float) -> None:
        super().__init__(layers, clock, ids)
        self._seconds = seconds
        self._time = clock
        self._thinking: list[datetime] = []

    @property
    def until(self) -> datetime | None:
        """When the first of the turns that think is through; None when none does."""
        return min(self._thinking, default=None)

    def only_wait(self, turns: int) -> bool:
        """Do so many turns, all there are, wait for nothing but time to pass?"""
        return 0 < turns == len(self._thinking) and min(self._thinking) > self._time.now()

    async def run(self, turn: TurnInput) -> TurnOutcome:
        """As the engine's, later."""
        outcome = await super().run(turn)
        if self._seconds:
            moment = self._time.now() + timedelta(seconds=self._seconds)
            self._thinking.append(moment)
            await self._time.sleep(self._seconds)
            self._thinking.remove(moment)
        return outcome


class Stage:
    """Door, processor, AI worker, sender, caretaker and operators of one tenant."""

    def __init__(
        self, shared: Shared, tenant_id: UUID, start: datetime, *, model_down: bool = False, thinking: float = 0.0
    ) -> None:
        self._shared = shared
        self._model_down, self._thinking = model_down, thinking
        self.tenant_id = tenant_id
        self.clock = ManualClock(start)
        self.ids = IdFactory(self.clock)
        self.phone = Phone(self.clock)
        self._turn: asyncio.Task[int] | None = None
        self._start()

    def _start(self) -> None:
        """Every role anew, as after the start of its process."""
        pool, wakeups, buckets = self._shared.pool, Wakeups(), (bucket_of(self.tenant_id),)
        configs = TenantConfigs(pool, self.clock, wakeups)
        self.door = Door(pool, self.clock, self.ids, wakeups)
        desk = (pool, self.clock, self.ids, wakeups, configs)
        self.operators, self.corrections = Operators(*desk), Corrections(*desk)
        self.suggestions, self.clients = Suggestions(*desk), Clients(*desk)
        self.naming = naming(self._shared.extractor)
        self._processor = Processor(
            pool, self.clock, self.ids, wakeups, configs, ordered_kinds=frozenset({ORDERED}), buckets=buckets
        )
        self._engine = ThinkingEngine(self._layers(self._model_down), self.clock, self.ids, self._thinking)
        loader, committer = TurnLoader(pool, self.clock, configs), TurnCommitter(pool, self.clock, self.ids)
        self._ai = AiWorker(
            pool, self.clock, wakeups, self._engine, loader, committer, deadline=_DEADLINE, buckets=buckets
        )
        channels = ChannelDirectory(pool, self._shared.vault, self.clock, wakeups)
        store = SendStore(pool, self.clock, self.ids)
        self._out = OutWorker(
            pool, self.clock, wakeups, channels, store, lambda _connected: self._shared.http, buckets=buckets
        )
        self._care = Caretaker(
            pool, self.clock, self.ids, wakeups, handlers=people_handlers(*desk), only=_CARE, buckets=buckets
        )
        self._intents = IntentWorker(pool, self.clock, self.ids, wakeups, configs, buckets=buckets)

    async def restart(self) -> None:
        """All processes die, with the turn that was thinking, and start again."""
        await self._abandon()
        self._start()

    async def _abandon(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.wait([self._turn])
            self._turn = None

    def _layers(self, model_down: bool) -> Layers:
        composer = TemplateComposer()
        return Layers(
            extractor=self._shared.extractor_down if model_down else self._shared.extractor,
            router_for=_router_for,
            graph=GraphContextReader(None, PostgresPricing(self._shared.pool, deadline=_DEADLINE), self.clock),
            responder=RuleResponseRouter(composer),
            composer=composer,
            response_settings=ResponseSettings,
            channel_view=channel_view,
            query_limits=query_limits,
        )

    async def until(self, moment: datetime) -> None:
        """Do everything that is due up to `moment`, each thing at its own time; the clock is there afterwards."""
        before: Any = None
        for _ in range(_ROUNDS):
            due = await self._due()
            soonest = min((at for at in due.values() if at is not None), default=None)
            if soonest is None or soonest > moment:
                self._move(moment)
                return
            if due == before:
                # Something is due that its role may not take yet (a busy account, a chat in order).
                self._move(min(moment, self.clock.now() + timedelta(seconds=_STUCK)))
                if self.clock.now() >= moment:
                    return
            self._move(max(soonest, self.clock.now()))
            await self._do(due)
            before = due
        raise Permanent("the script's shop does not come to rest", code="restless")

    async def settle(self) -> None:
        """Until nothing waits but what is planned for later (the return of control). Permanent if that never comes."""
        limit = self.clock.now() + _PATIENCE
        while (soonest := await self._pending()) is not None:
            if soonest > limit:
                raise Permanent("something still waits after 40 minutes", code="restless")
            await self.until(max(soonest, self.clock.now()))
            if soonest <= self.clock.now() and await self._pending() == soonest:
                await self.until(self.clock.now() + timedelta(seconds=_STUCK))
            if self.clock.now() > limit:
                raise Permanent("something still waits after 40 minutes", code="restless")

    async def close(self) -> None:
        """Nothing of this tenant is ever due again."""
        await self._abandon()
        for statement in _CLOSE:
            await self._shared.pool.execute(statement, self.tenant_id)

    async def _pending(self) -> datetime | None:
        due = await self._due()
        return min((at for name, at in due.items() if at is not None and name != "care"), default=None)

    async def _due(self) -> dict[str, datetime | None]:
        row = await self._shared.pool.fetchrow(_DUE, self.tenant_id, sorted(_CARE))
        due: dict[str, datetime | None] = dict(row or {})
        if self._turn is not None:
            # A turn that has thought and is being committed waits for nothing: it is due now, until it has ended.
            due["turns"] = self._engine.until or self.clock.now()
        return due

    def _move(self, moment: datetime) -> None:
        seconds = (moment - self.clock.now()).total_seconds()
        if seconds > 0:
            self.clock.advance(seconds)

    async def _do(self, due: Mapping[str, datetime | None]) -> None:
        now = self.clock.now()
        ready = {name for name, at in due.items() if at is not None and at <= now}
        # It goes round its tenants: nothing found may mean that the round was at its end.
        if "inbox" in ready and not await self._processor.step():
            await self._processor.step()
        if "turns" in ready:
            await self._think()
        if "outgoing" in ready:
            await self._out.step()
        if "care" in ready:
            await self._care.step()
        if "intents" in ready:
            await self._intents.step()

    async def _think(self) -> None:
        """Turns to their end, or until all that are left only wait for time to pass."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(self._ai.step())
        # A short look again and again: what the database does between two turns tells nobody.
        while not self._turn.done() and not self._engine.only_wait(self._ai.running):
            await asyncio.wait([self._turn], timeout=_LOOK if self._thinking else None)
        if self._turn.done():
            done, self._turn = self._turn, None
            done.result()


def _router_for(config: TenantConfig) -> DeviceAppealRouter:
    return DeviceAppealRouter(config.section(ResolutionSettings))

"""One dialogue over the real layers states each of its facts exactly once, as a consumer group reads them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from battcrm.devkit.faults.bench import Bench, pools
from battcrm.devkit.faults.messenger import Messenger, event
from battcrm.events.bus import RedisBus
from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.infra.handoff import Handoff
from battcrm.infra.postgres import Pool
from battcrm.infra.redis import open_redis
from battcrm.infra.wake import Wakeups
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.turn import Layers, TurnEngine
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.resolution.appeal import DeviceAppealRouter
from battcrm.response.generator import TemplateComposer
from battcrm.response.router import RuleResponseRouter
from battcrm.response.settings import ResponseSettings
from battcrm.transport import registry
from battcrm.workers.layers import channel_view, query_limits
from tests.support.waiting import PATIENCE

GROUP = "test-consumer"
FIVE = ("message.received", "message.sent", "client.created", "appeal.created", "appeal.stage_changed")


class RealTurns(Bench):
    """The bench with the turn's own layers instead of an echo; there is no graph, and turns go on without it."""

    def _ai(self, pool: Pool, sends: Handoff) -> AiWorker:
        wakeups = Wakeups()
        composer = TemplateComposer()
        layers = Layers(
            extractor=RuleExtractor(Catalogue.load()),
            router_for=lambda _config: DeviceAppealRouter(),
            graph=GraphContextReader(None, PostgresPricing(pool, deadline=3600.0), self.clock),
            responder=RuleResponseRouter(composer),
            composer=composer,
            response_settings=ResponseSettings,
            channel_view=channel_view,
            query_limits=query_limits,
        )
        loader = TurnLoader(pool, self.clock, TenantConfigs(pool, self.clock, wakeups))
        committer = TurnCommitter(pool, self.clock, self.ids, sends)
        engine = TurnEngine(layers, self.clock, self.ids)
        return AiWorker(pool, self.clock, wakeups, engine, loader, committer, deadline=3600.0)


async def test_each_fact_of_a_dialogue_is_one_event(clean_database: str, redis_url: str) -> None:
    redis = open_redis(redis_url, connect_timeout=PATIENCE)
    bus = RedisBus(redis)
    messenger = Messenger()
    messenger.connect()
    try:
        for shard in range(2):
            await bus.ensure_group(GROUP, shard)
        async with pools(clean_database) as (own, real):
            world = RealTurns(own, real, messenger, bus=bus)
            shop = await world.shop()
            await world.deliver(shop, event("chat", "1", "сколько стоит поменять экран на айфон 13?"))
            await world.deliver(shop, event("chat", "1", "сколько стоит поменять экран на айфон 13?"))
            await world.drain()
            await world.deliver(shop, event("chat", "2", "позовите оператора"))
            await world.drain()
        read = await bus.read(GROUP, "reader", (0, 1), count=100, block=0.1)
    finally:
        registry.unregister("bench")
        await redis.aclose()
    events = [entry.packed.event() for delivery in read for entry in delivery.entries if entry.packed is not None]
    assert len({e.event_id for e in events}) == len(events)
    facts = Counter((e.type, str(e.data.get("message_id") or e.data.get("appeal_id") or e.key)) for e in events)
    # A stage may change more than once; what is stated is the change, so it is counted by what it says.
    stages = [(e.data["before"], e.data["after"]) for e in events if e.type == "appeal.stage_changed"]
    assert len(set(stages)) == len(stages)
    assert {
        kind: n for (kind, _), n in facts.items() if kind in FIVE and kind != "appeal.stage_changed" and n > 1
    } == {}
    kinds = Counter(e.type for e in events)
    assert (kinds["message.received"], kinds["client.created"], kinds["appeal.created"]) == (2, 1, 1)
    assert kinds["message.sent"] == len(messenger.shown) == 2
    assert kinds["appeal.stage_changed"] >= 1
    assert all(isinstance(e.tenant_id, UUID) for e in events)

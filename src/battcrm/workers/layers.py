"""The core's layers, put together for the turn."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final
from uuid import UUID

from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.llm_call import ModelReader
from battcrm.extraction.normalise_morph import warm_up
from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.graph.settings import PricingSettings
from battcrm.infra.llm.build import JsonChat
from battcrm.infra.neo4j import Graph
from battcrm.infra.telemetry import METRICS
from battcrm.models.config import TenantConfig
from battcrm.models.situation import ChannelView
from battcrm.pipeline.turn import Layers
from battcrm.resolution.appeal import DeviceAppealRouter
from battcrm.resolution.settings import ResolutionSettings
from battcrm.response.generator import TemplateComposer
from battcrm.response.router import RuleResponseRouter
from battcrm.response.settings import ResponseSettings
from battcrm.response.writer import ModelWriter
from battcrm.transport.registry import manifest_of
from battcrm.workers.catalogues import TenantCatalogues
from battcrm.workers.reading import settle_memory
from battcrm.workers.runtime import Runtime


def load_sections() -> None:
    """Every layer's section of the tenant document is registered once this module has been imported."""
    for name in ("battcrm.pipeline.settings", "battcrm.pipeline.intents", "battcrm.models.calls"):
        importlib.import_module(name)


_PRICING: Final = PricingSettings()


@asynccontextmanager
async def core_layers(runtime: Runtime) -> AsyncIterator[Layers]:
    """Layers on the runtime's servers; models and graph are closed at the end."""
    catalogue = Catalogue.load()
    warm_up()
    settle_memory()
    own = TenantCatalogues(runtime.pool, catalogue)
    runtime.configs.follow(own.refresh)
    chat = open_chat(runtime)
    composer = TemplateComposer()
    graph = open_graph(runtime)
    try:
        yield Layers(
            extractor=RuleExtractor(catalogue, ModelReader(chat, catalogue) if chat is not None else None, own.of),
            router_for=_router_for,
            graph=graph_reader(runtime, graph),
            responder=RuleResponseRouter(composer),
            composer=composer,
            response_settings=ResponseSettings,
            channel_view=channel_view,
            query_limits=query_limits,
            writer=ModelWriter(chat) if chat is not None else None,
        )
    finally:
        if chat is not None:
            await chat.aclose()
        if graph is not None:
            await graph.close()


def graph_reader(runtime: Runtime, graph: Graph | None) -> GraphContextReader:
    """What turns ask about the past, with each tenant's own rules of pricing."""

    def settings(tenant_id: UUID) -> PricingSettings:
        tenancy = runtime.configs.cached(tenant_id)
        return tenancy.config.section(PricingSettings) if tenancy is not None else _PRICING

    return GraphContextReader(graph, PostgresPricing(runtime.pool), runtime.clock, settings=settings)


def open_graph(runtime: Runtime) -> Graph | None:
    """The graph server, if there is one. Nothing is sent before the first query."""
    end = runtime.endpoints
    if end.neo4j_url is None:
        return None
    return Graph.open(
        end.neo4j_url,
        end.neo4j_user,
        end.neo4j_password,
        clock=runtime.clock,
        database=end.neo4j_database,
        metrics=_GraphCounts(),
    )


class _GraphCounts:
    """Graph round trips, counted."""

    def observe(self, _kind: str, outcome: str, seconds: float) -> None:
        """One round trip."""
        METRICS.graph.labels(outcome).inc()
        METRICS.graph_time.observe(seconds)


def open_chat(runtime: Runtime) -> JsonChat | None:
    """The model half of extraction; None without a key, and rules then answer alone."""
    if runtime.settings.openai_api_key is None:
        return None
    from battcrm.workers.models import chat_call

    return chat_call(runtime)


@lru_cache(maxsize=2048)
def _cached_router(settings: ResolutionSettings) -> DeviceAppealRouter:
    return DeviceAppealRouter(settings)


def _router_for(config: TenantConfig) -> DeviceAppealRouter:
    return _cached_router(config.section(ResolutionSettings))


def channel_view(channel_id: UUID, kind: str, conversation_type: str) -> ChannelView:
    """What the channel's manifest promises."""
    capabilities = manifest_of(kind).capabilities
    return ChannelView(channel_id, kind, capabilities.buttons > 0, capabilities.text_limit, conversation_type)


def query_limits(config: TenantConfig) -> Mapping[str, int]:
    """The tenant's limits of a price query."""
    pricing = config.section(PricingSettings)
    return {
        "min_repairs": pricing.min_repairs,
        "window_days": pricing.window_days,
        "price_max_age_days": pricing.price_max_age_days,
    }

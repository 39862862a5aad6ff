"""The caretaker role: intents of other layers, and due-work that is nobody's turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from battcrm.infra.llm.openai import OPENAI
from battcrm.infra.postgres import UNAVAILABLE
from battcrm.pipeline.caretaker import Caretaker
from battcrm.pipeline.intake_hydration import Hydration
from battcrm.pipeline.intake_work import HYDRATE, MEDIA
from battcrm.pipeline.intents import IntentWorker
from battcrm.services.operator_care import people_handlers
from battcrm.services.operator_outcomes import Outcomes
from battcrm.transport.accounts import Connected
from battcrm.transport.base import HttpClient
from battcrm.transport.door import Door
from battcrm.transport.health import KIND as HEALTH
from battcrm.transport.health import HealthJob, HealthProbe
from battcrm.transport.health_rows import HealthRows
from battcrm.transport.media import FolderStore
from battcrm.transport.media_fetch import MediaFetcher
from battcrm.transport.media_rows import MediaRows
from battcrm.transport.media_transcribe import OpenAiTranscriber, Transcriber
from battcrm.workers.runtime import Runtime

log = structlog.get_logger(__name__)
_SLOW: Final = (MEDIA, HEALTH)
_LOOK_FOR_UNWATCHED: Final = 300.0


async def run(runtime: Runtime) -> None:
    """Work until cancelled."""
    base = (runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    async with asyncio.TaskGroup() as group:
        for lane in lanes(runtime):
            group.create_task(lane.run())
        group.create_task(IntentWorker(*base, runtime.configs, buckets=runtime.buckets).run())
        group.create_task(_watch(runtime))


def lanes(runtime: Runtime) -> tuple[Caretaker, ...]:
    """One lane for each kind that waits for other people's servers, and a quick one for the rest."""
    base = (runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    hydration = Hydration(*base, runtime.channels, _http_for(runtime))
    handlers = {HYDRATE: hydration.handle, **people_handlers(*base, runtime.configs)}
    quick = Caretaker(*base, handlers=handlers, but=frozenset(_SLOW), concurrency=16, buckets=runtime.buckets)
    slow = {MEDIA: media_fetcher(runtime).handle, HEALTH: health_job(runtime).handle}
    others = [
        Caretaker(*base, handlers={kind: slow[kind]}, only=frozenset({kind}), concurrency=4, buckets=runtime.buckets)
        for kind in _SLOW
    ]
    return (quick, *others)


def media_fetcher(runtime: Runtime) -> MediaFetcher:
    """The fetcher on the runtime's servers. A channel's setting `transcribe` turns its voice messages into words."""

    def transcriber_of(connected: Connected) -> Transcriber | None:
        settings, key = connected.account.settings, runtime.settings.openai_api_key
        if not settings.get("transcribe") or key is None:
            return None
        model = str(settings.get("transcribe_model") or "whisper-1")
        base = runtime.settings.openai_base_url or OPENAI
        return OpenAiTranscriber(runtime.http, base, key.get_secret_value(), model=model)

    return MediaFetcher(
        MediaRows(runtime.pool),
        FolderStore(runtime.settings.media_dir),
        runtime.channels,
        runtime.clock,
        _http_for(runtime),
        transcriber_of=transcriber_of,
    )


def health_job(runtime: Runtime) -> HealthJob:
    """The health job on the runtime's servers."""
    probe = HealthProbe(runtime.clock, _http_for(runtime), runtime.settings.public_url)
    door = Door(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups)
    return HealthJob(HealthRows(runtime.pool, runtime.ids), probe, runtime.channels, door, runtime.clock)


def _http_for(runtime: Runtime) -> Callable[[Connected], HttpClient]:
    """The client a channel's settings ask for."""
    return lambda connected: runtime.http.for_settings(connected.account.settings)


async def _watch(runtime: Runtime) -> None:
    """Channels connected by whatever way, and every tenant's outcomes, are looked after."""
    rows = HealthRows(runtime.pool, runtime.ids)
    outcomes = Outcomes(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)
    while True:
        try:
            await rows.watch_all(runtime.clock.now())
            await outcomes.watch_all()
        except UNAVAILABLE as error:
            log.warning("caretaker.database", error=type(error).__name__)
        await runtime.clock.sleep(_LOOK_FOR_UNWATCHED)

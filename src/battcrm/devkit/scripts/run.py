"""Running many scripts on one database: each with a tenant and a clock of its own, several at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.devkit.scripts.format import Script
from battcrm.devkit.scripts.messenger import Messengers
from battcrm.devkit.scripts.play import Player, Result
from battcrm.devkit.scripts.shop import open_shop, start_of
from battcrm.devkit.scripts.stage import Shared, Stage
from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.llm_call import ModelReader
from battcrm.extraction.normalise_morph import warm_up
from battcrm.infra import embedded
from battcrm.infra.http import AioHttp
from battcrm.infra.migrate import upgrade
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import open_pool
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import BattError, Transient
from battcrm.kit.ids import BUCKETS, IdFactory, bucket_of
from battcrm.models.calls import CallScope
from battcrm.workers.layers import load_sections

AT_ONCE: Final = 8
# Roles that give a statement up wait for the script's clock, which stands still until they are through: a machine that is
# busy elsewhere must not make them.
_PATIENCE: Final = 1800.0
_KEY: Final = b"script-key-script-key-script-key"


@dataclass(frozen=True, slots=True)
class Report:
    """All results in the scripts' order, and the seconds they took."""

    results: tuple[Result, ...]
    seconds: float

    @property
    def wrong(self) -> tuple[Result, ...]:
        """The scripts that did not go as expected."""
        return tuple(r for r in self.results if r.wrong)


class World:
    """A database where scripts are played. Make it with `world`."""

    def __init__(self, shared: Shared, messengers: Messengers, at_once: int) -> None:
        self._shared = shared
        self._messengers = messengers
        self._ids = IdFactory(SystemClock())
        self._buckets: asyncio.Queue[int] = asyncio.Queue()
        for bucket in range(min(at_once, BUCKETS)):
            self._buckets.put_nowait(bucket)

    async def play(self, script: Script, file: str = "") -> Result:
        """One script in a new shop."""
        try:
            async with self.opened(script) as player:
                wrong = await player.play()
                return Result(script, file, tuple(wrong), tuple(s.text for s in player.stage.phone.shown))
        except BattError as error:
            return Result(script, file, (f"shop: {error.text}",), ())

    async def play_all(self, scripts: Sequence[tuple[Path, Script]]) -> Report:
        """All of them, as many at a time as there are buckets."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.play(script, path.name)) for path, script in scripts]
        return Report(tuple(t.result() for t in tasks), time.perf_counter() - began)

    @asynccontextmanager
    async def opened(self, script: Script) -> AsyncIterator[Player]:
        """The script's shop, open and with nothing played yet; closed afterwards. BattError if it cannot be made.

        Workers see only their own bucket, so shops that are open at the same time do not touch each other.
        """
        bucket = await self._buckets.get()
        try:
            async with self._shop(script, self._tenant(bucket)) as player:
                yield player
        finally:
            self._buckets.put_nowait(bucket)

    @asynccontextmanager
    async def _shop(self, script: Script, tenant_id: UUID) -> AsyncIterator[Player]:
        shop, pool = script.shop, self._shared.pool
        start = start_of(shop)
        stage = Stage(self._shared, tenant_id, start, model_down=shop.model == "down", thinking=shop.thinking)
        ids = IdFactory(ManualClock(start))
        accounts = await open_shop(pool, self._shared.vault, ids, tenant_id, shop, script.channels)
        channels = [account.channel_id for account in accounts.values()]
        self._messengers.phones.update(dict.fromkeys(channels, stage.phone))
        try:
            yield Player(pool, stage, script, accounts)
        finally:
            await stage.close()
            for channel in channels:
                del self._messengers.phones[channel]

    def _tenant(self, bucket: int) -> UUID:
        while bucket_of(tenant := self._ids.new()) != bucket:
            pass
        return tenant


async def _down(
    messages: Sequence[Mapping[str, str]],  # noqa: ARG001 - a ChatCall's signature
    schema: Mapping[str, Any],  # noqa: ARG001
    deadline_s: float,  # noqa: ARG001
    scope: CallScope | None = None,  # noqa: ARG001
) -> Mapping[str, Any]:
    """A model whose provider is away."""
    raise Transient("the model does not answer", code="model_down")


def _hasty(url: str) -> str:
    """No commit waits for the disk: what a script leaves behind is of no use to anybody."""
    return f"{url}{'&' if '?' in url else '?'}synchronous_commit=off"


@asynccontextmanager
async def world(url: str, *, at_once: int = AT_ONCE) -> AsyncIterator[World]:
    """A world on a migrated database (as its owner)."""
    load_sections()
    catalogue = Catalogue.load()
    warm_up()
    messengers = Messengers()
    async with AsyncExitStack() as stack:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        stack.callback(structlog.reset_defaults)
        pool = await open_pool(_hasty(url), maximum=2 * at_once + 2, name="scripts", patience=_PATIENCE)
        stack.push_async_callback(pool.close)
        http = AioHttp()
        stack.push_async_callback(http.close)
        messengers.open()
        stack.callback(messengers.close)
        shared = Shared(
            pool, Vault([_KEY]), http, RuleExtractor(catalogue), RuleExtractor(catalogue, ModelReader(_down, catalogue))
        )
        yield World(shared, messengers, at_once)


async def run(scripts: Sequence[tuple[Path, Script]]) -> Report:
    """All scripts on a throw-away database server."""
    async with embedded.temporary(frozenset({"postgres"})) as servers:
        await upgrade(servers.postgres_url)
        pool = await open_pool(servers.postgres_url, maximum=1, name="scripts-schema")
        try:
            for month in sorted({start_of(s.shop).replace(day=1) for _, s in scripts}):
                await maintain(pool, month + timedelta(days=14))
        finally:
            await pool.close()
        async with world(servers.postgres_url) as opened:
            return await opened.play_all(scripts)

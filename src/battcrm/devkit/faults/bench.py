"""The bench: a door, two of each worker, an echo for a turn and an emulated messenger, all moved by the test's hand.

Nothing runs by itself. `step` lets one role do what is due until it is done or stands still (a turn that thinks, a send
without an answer, a pause of the moved clock); `kill` ends it as `kill -9` would and starts its successor.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

import structlog

from battcrm.devkit.faults.echo import EchoEngine, Gate
from battcrm.devkit.faults.messenger import KIND, Messenger
from battcrm.devkit.faults.pool import Fault, FaultyPool, Traffic
from battcrm.events.bus import EventBus
from battcrm.events.lease import Leases
from battcrm.events.relay import Relay
from battcrm.infra.handoff import Handoff
from battcrm.infra.http import AioHttp
from battcrm.infra.partitions import maintain
from battcrm.infra.postgres import UNAVAILABLE, Pool, open_pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import ManualClock
from battcrm.kit.crypto import Vault
from battcrm.kit.errors import Transient
from battcrm.kit.ids import IdFactory, bucket_of
from battcrm.models.unified import UnifiedMessage
from battcrm.pipeline.ai_worker import AiWorker
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.processor import Processor
from battcrm.pipeline.turn_commit import TurnCommitter
from battcrm.pipeline.turn_load import TurnLoader
from battcrm.transport import registry
from battcrm.transport.accounts import ChannelDirectory
from battcrm.transport.base import ChannelAccount
from battcrm.transport.door import Door
from battcrm.transport.outbox_store import SendStore
from battcrm.transport.sender import OutWorker

START: Final = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
SECRET: Final = "bench-secret"  # noqa: S105 - of a throw-away world
ROLES: Final = ("processor-1", "processor-2", "ai-1", "ai-2", "out-1", "out-2")
_KEY: Final = b"bench-key-bench-key-bench-key-32"
_IDLE_TURNS: Final = 12
_OWNER: contextvars.ContextVar[Role | None] = contextvars.ContextVar("bench_role", default=None)

_TENANT: Final = """
INSERT INTO tenant (tenant_id, bucket, slug, name, config_version, created_at) VALUES ($1, $2, $3, $3, 1, $4)
"""
_CONFIG: Final = """
INSERT INTO tenant_config (tenant_id, version, state, document, created_at) VALUES ($1, 1, 'published', $2, $3)
"""
_CHANNEL: Final = """
INSERT INTO channel (tenant_id, channel_id, kind, account_ref, title, hook_key, secrets, settings, health, created_at)
VALUES ($1, $2, $3, $4, 'Bench', 'key', $5, '{}'::jsonb, '{}'::jsonb, $6)
"""
_SHUT: Final = """
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'bench-roles' AND datname = current_database() /* all tenants: a server's restart */
"""
_WAITING: Final = """
SELECT (SELECT count(*) FROM inbox WHERE tenant_id IS NOT NULL)
     + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE state IN ('pending', 'sending') AND tenant_id IS NOT NULL)
     + (SELECT count(*) FROM outbox WHERE published_at IS NULL AND $1 AND tenant_id IS NOT NULL)
"""


@dataclass(eq=False)
class Role:
    """One process of the bench."""

    name: str
    pool: FaultyPool
    worker: Any
    taking: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    current: asyncio.Task[Any] | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant with one channel."""

    account: ChannelAccount


@dataclass
class Bench:
    """The world and the hands that move it. `in_doubt` bounds what may become unknown (PROTOCOL K).

    `together`: roles of one number hand their work over to each other, as in one process.
    """

    pool: Pool
    real: Pool
    messenger: Messenger
    bus: EventBus | None = None
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    gate: Gate = field(default_factory=Gate)
    traffic: Traffic = field(default_factory=Traffic)
    roles: dict[str, Role] = field(default_factory=dict)
    in_doubt: int = 0
    batch: int = 200
    seed: int = 1
    together: bool = False

    def __post_init__(self) -> None:
        # The same ids in each run: tenants, and with them buckets and the order of claims, are part of a history.
        self.ids = IdFactory(self.clock, random.Random(self.seed).getrandbits)
        self.vault = Vault([_KEY])
        self.http = AioHttp()
        self.buckets: tuple[int, ...] = tuple(range(64))
        self._turns: dict[str, Handoff] = defaultdict(Handoff)
        self._sends: dict[str, Handoff] = defaultdict(Handoff)
        self.names = ROLES if self.bus is None else (*ROLES, "relay")
        self.roles = {name: self._role(name) for name in (*self.names, "door")}

    async def shop(self, **dialog: Any) -> Shop:
        """A new tenant whose dialogs answer at once, unless `dialog` settings say otherwise."""
        now = self.clock.now()
        tenant, channel = self.ids.new(), self.ids.new()
        settings = {"quiet": 0, "unfinished": 0, "media": 0, "reply_expires": 86_400} | dialog
        sealed = self.vault.seal({"secret": SECRET}, channel.bytes)
        await self.pool.execute(_TENANT, tenant, bucket_of(tenant), f"bench-{tenant.hex}", now)
        await self.pool.execute(_CONFIG, tenant, {"dialog": settings}, now)
        await self.pool.execute(_CHANNEL, tenant, channel, KIND, f"bot-{channel.hex[-6:]}", sealed, now)
        account = ChannelAccount(tenant, channel, KIND, f"bot-{channel.hex[-6:]}", {"secret": SECRET}, {})
        return Shop(account)

    async def deliver(self, shop: Shop, *messages: UnifiedMessage) -> bool:
        """One webhook call at the door; True for a 2xx. A platform repeats what got none."""
        role = self.roles["door"]
        call = self._start(role, role.worker.accept(shop.account, list(messages), b"{}"))
        await self.quiesce()
        if role.pool.dead:
            await self.kill("door")
            return False
        if not call.done():
            raise AssertionError("the door neither answered nor died")
        if call.cancelled():
            return False
        error = call.exception()
        if error is not None and not isinstance(error, (Transient, *UNAVAILABLE)):
            raise error
        return error is None

    async def step(self, name: str) -> bool:
        """Let a role do what is due. True when it ended, False when it stands still half-way or has died."""
        role = self.roles[name]
        if role.current is None or role.current.done():
            role.current = self._start(role, _all_due(role.worker))
        await self.quiesce()
        return await self._look(role)

    async def settle(self) -> None:
        """Let everything that was started come to rest, and bury the dead."""
        await self.quiesce()
        for role in list(self.roles.values()):
            await self._look(role)

    async def _look(self, role: Role) -> bool:
        if role.pool.fired and role.name.startswith("out"):
            self.in_doubt += self._sending(role) + 1
        role.pool.fired = False
        if role.pool.dead:
            await self.kill(role.name)
            return False
        task = role.current
        if task is None or not task.done():
            return False
        role.current = None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, UNAVAILABLE):
            raise error
        return True

    def _sending(self, role: Role) -> int:
        running: int = role.worker._running.total()
        return running

    async def kill(self, name: str) -> None:
        """`kill -9`, and the supervisor's restart."""
        role = self.roles[name]
        if name.startswith("out"):
            self.in_doubt += self._sending(role)
        role.taking.close()
        await role.pool.kill()
        role.pool.dead = True
        for task in list(role.tasks):
            task.cancel()
        if role.tasks:
            await asyncio.wait(list(role.tasks))
        self.roles[name] = self._role(name)

    def arm(self, name: str, after: int, fault: Fault) -> None:
        """The role's fault comes at its point number `after` from now."""
        self.roles[name].pool.arm(after, fault)

    async def restart_postgres(self) -> None:
        """Every connection of every role breaks, as when the server restarts."""
        self.in_doubt += sum(self._sending(self.roles[n]) for n in ("out-1", "out-2"))
        pids = [row["pid"] for row in await self.pool.fetch(_SHUT)]
        await self.roles["door"].pool.gone(pids)
        await self.settle()

    def move_clock(self, seconds: float) -> None:
        """Move the time of all roles, in either direction. Sends that outlive their lease are in doubt."""
        if seconds > 0:
            self.in_doubt += sum(self._sending(self.roles[n]) for n in ("out-1", "out-2"))
        self.clock.advance(seconds)

    async def quiesce(self) -> None:
        """Return when no statement is on its way and nobody has anything left to do before somebody else moves."""
        idle = 0
        while idle < _IDLE_TURNS:
            await asyncio.sleep(0.0002 if self.traffic.busy else 0)
            idle = 0 if self.traffic.busy else idle + 1

    async def drain(self, *, seconds: float = 1500.0, stride: float = 5.0) -> None:
        """No more faults: step everybody and let time pass until nothing waits, at most `seconds`."""
        for role in self.roles.values():
            role.pool.disarm()
        self.messenger.accidents.clear()
        self.gate.release()
        self.messenger.release()
        await self.settle()
        passed = 0.0
        while passed < seconds:
            for name in self.names:
                await self.step(name)
            if not await self.waiting() and not any(r.current for r in self.roles.values()):
                return
            self.move_clock(stride)
            passed += stride
            stride = min(stride * 1.5, 60.0)
        raise AssertionError(f"{await self.waiting()} rows still wait after {seconds} s")

    async def waiting(self) -> int:
        """Rows that still want something."""
        count: int = await self.pool.fetchval(_WAITING, self.bus is not None)
        return count

    def _start(self, role: Role, work: Awaitable[Any]) -> asyncio.Task[Any]:
        context = contextvars.copy_context()
        context.run(_OWNER.set, role)
        task = asyncio.get_running_loop().create_task(cast("Any", work), context=context)
        _own(role, task)
        return task

    def _role(self, name: str) -> Role:
        pool = FaultyPool(self.real, self.traffic)
        kind, _, number = name.partition("-")
        role = Role(name, pool, self._builders(number)[kind](cast("Pool", pool)))
        into = {"ai": self._turns[number], "out": self._sends[number]}.get(kind)
        if self.together and into is not None:
            role.taking.enter_context(into.to(role.worker))
        return role

    def _builders(self, number: str) -> dict[str, Callable[[Pool], Any]]:
        return {
            "processor": partial(self._processor, turns=self._turns[number]),
            "ai": partial(self._ai, sends=self._sends[number]),
            "out": self._out,
            "door": self._door,
            "relay": self._relay,
        }

    def _processor(self, pool: Pool, turns: Handoff) -> Processor:
        wakeups = Wakeups()
        ordered = {
            k for k in registry.kinds() if k == KIND and registry.manifest_of(k).capabilities.ordered_by_platform
        }
        configs = TenantConfigs(pool, self.clock, wakeups)
        kinds = frozenset(ordered)
        return Processor(
            pool, self.clock, self.ids, wakeups, configs, ordered_kinds=kinds, turns=turns, batch=self.batch
        )

    def _ai(self, pool: Pool, sends: Handoff) -> AiWorker:
        wakeups = Wakeups()
        loader = TurnLoader(pool, self.clock, TenantConfigs(pool, self.clock, wakeups))
        committer = TurnCommitter(pool, self.clock, self.ids, sends)
        engine = EchoEngine(self.clock, self.ids, self.gate)
        # The deadline is real time and the clock here is not: out of the way.
        return AiWorker(pool, self.clock, wakeups, engine, loader, committer, deadline=3600.0)

    def _out(self, pool: Pool) -> OutWorker:
        wakeups = Wakeups()
        channels = ChannelDirectory(pool, self.vault, self.clock, wakeups)
        store = SendStore(pool, self.clock, self.ids)
        return OutWorker(pool, self.clock, wakeups, channels, store, lambda _connected: self.http)

    def _door(self, pool: Pool) -> Door:
        return Door(pool, self.clock, self.ids, Wakeups())

    def _relay(self, pool: Pool) -> Relay:
        leases = Leases(pool, self.clock, self.ids.new())
        bus = cast("EventBus", _Watched(self.bus, self.traffic))
        return Relay(pool, bus, self.clock, Wakeups(), leases, shards=2)


async def _all_due(worker: Any) -> None:
    """What is due now. A processor goes round its tenants: it has seen all when it found nothing twice."""
    if not isinstance(worker, Processor):
        await worker.step()
        return
    idle = 0
    while idle < 2:
        idle = 0 if await worker.step() else idle + 1


class _Watched:
    """A bus whose publishing counts as traffic."""

    def __init__(self, bus: Any, traffic: Traffic) -> None:
        self._bus = bus
        self._traffic = traffic

    async def publish(self, shard: int, events: Any) -> None:
        self._traffic.busy += 1
        try:
            await self._bus.publish(shard, events)
        finally:
            self._traffic.busy -= 1


def _own(role: Role, task: asyncio.Task[Any]) -> None:
    role.tasks.add(task)
    task.add_done_callback(role.tasks.discard)


def _factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """Tasks belong to the role that made them, so that it can die as a whole."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    role = _OWNER.get()
    if role is not None:
        _own(role, task)
    return task


@asynccontextmanager
async def bench(url: str, *, together: bool = False, **capabilities: Any) -> AsyncIterator[Bench]:
    """A bench on a migrated, empty database."""
    messenger = Messenger()
    messenger.connect(**capabilities)
    async with pools(url) as (own, real):
        world = Bench(own, real, messenger, together=together)
        try:
            yield world
        finally:
            await end(world)
            registry.unregister(KIND)


@asynccontextmanager
async def pools(url: str) -> AsyncIterator[tuple[Pool, Pool]]:
    """The test's own pool and the roles', on a loop whose tasks belong to roles; for one bench or many."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(structlog.reset_defaults)
        stack.callback(loop.set_task_factory, before)
        own = await open_pool(url, maximum=2, name="bench-hand")
        stack.push_async_callback(own.close)
        real = await open_pool(url, maximum=24, name="bench-roles")
        stack.callback(real.terminate)
        loop.set_task_factory(_factory)
        await maintain(own, START)
        yield own, real


async def end(world: Bench) -> None:
    """Kill every role of a bench; what they held is free when this returns."""
    for role in world.roles.values():
        await role.pool.kill()
        for task in list(role.tasks):
            task.cancel()
        if role.tasks:
            await asyncio.wait(list(role.tasks))
    await world.http.close()

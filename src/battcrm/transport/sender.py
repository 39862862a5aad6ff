"""The out worker: what is queued reaches the messenger, in order within a chat, at most once (PROTOCOL E)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from battcrm.infra.batcher import Batcher
from battcrm.infra.circuit import Circuit, CircuitOpen
from battcrm.infra.due import ALL_BUCKETS, OUTGOING, Claim, DueQueue
from battcrm.infra.handoff import Handoff
from battcrm.infra.health import HEALTH
from battcrm.infra.postgres import UNAVAILABLE, Pool, is_cut
from battcrm.infra.telemetry import METRICS
from battcrm.infra.tracing import TRACING
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, OutcomeUnknown, RateLimited, Transient
from battcrm.models.outgoing import OutState
from battcrm.transport import traced
from battcrm.transport.accounts import WAKE as WAKE_CHANNELS
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import HttpClient, Manifest, Sender, feed_wake
from battcrm.transport.limits import SendLimits
from battcrm.transport.outbox_store import Outcome, SendStore, command_of
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
WAKE: Final = "outgoing"
WAKE_RELAY: Final = "outbox"
_MAX_ATTEMPTS: Final = 8
_PATIENCE: Final = 1.0
_UNREACHABLE: Final = frozenset({"unreachable", "certificate"})
_UNUSABLE: Final = 5.0
_LONGEST_PAUSE: Final = 8.0
_SILENT: Final = 10.0


@dataclass(slots=True)
class _Line:
    """What the worker keeps for one channel."""

    connected: Connected
    manifest: Manifest
    sender: Sender
    limits: SendLimits
    circuit: Circuit


class OutWorker:
    """One process's share of the sending. In-flight caps keep a dead channel from filling the worker.

    `handoff`: where replies come from that were leased to this worker as they were queued.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        wakeups: Wakeups,
        channels: ChannelDirectory,
        store: SendStore,
        http_for: Callable[[Connected], HttpClient],
        *,
        concurrency: int = 200,
        per_channel: int = 40,
        lease: float = 90.0,
        outcome_pace: float = 0.0,
        handoff: Handoff | None = None,
        buckets: Sequence[int] = ALL_BUCKETS,
    ) -> None:
        self._clock = clock
        self._wakeups = wakeups
        self._channels = channels
        self._http_for = http_for
        self._store = store
        self._queue = DueQueue(pool, OUTGOING, clock, buckets)
        self._starts: Batcher[Claim, bool] = Batcher(partial(store.start_sending, lease=lease), maximum=100)
        self._ends: Batcher[Outcome, bool] = Batcher(store.settle, maximum=100, pace=outcome_pace)
        self._concurrency = concurrency
        self._per_channel = per_channel
        self.lease = lease
        self._handoff = handoff or Handoff()
        self._given: list[Claim] = []
        self._group: asyncio.TaskGroup | None = None
        self._lines: dict[UUID, _Line] = {}
        self._closed: dict[UUID, float] = {}
        self._unusable: dict[UUID, float] = {}
        self._circuits: dict[str, Circuit] = {}
        wakeups.listen(WAKE_CHANNELS, self._channels_changed)
        self._running: Counter[UUID] = Counter()
        self._begun: dict[UUID, tuple[Claim, float]] = {}
        self._slot_free = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._keep())
            with self._handoff.to(self):
                while True:
                    HEALTH.beat("out-worker")
                    if not await self._start_some(self._group):
                        await self._wakeups.wait(WAKE, self._queue.pause())

    async def step(self) -> int:
        """Send everything that is due now; how many rows were taken. For tests with a moved clock."""
        async with asyncio.TaskGroup() as group:
            before = self._running.total()
            given, self._given = self._given, []
            self._start(group, given)
            await self._start_some(group)
            return self._running.total() - before

    def room(self) -> int:
        """How many replies may be handed over: half of the room is left to what has waited longer."""
        return self._concurrency // 2 - self._running.total()

    def room_of(self, channel_id: UUID) -> int:
        """The same for one channel: none while it is shut."""
        shut = channel_id in self._closed or channel_id in self._unusable
        return 0 if shut else self._per_channel // 2 - self._running[channel_id]

    def take(self, claims: Sequence[Claim]) -> None:
        """Send what was leased to this worker; without `run`, with the next `step`."""
        if self._group is not None:
            self._start(self._group, claims)
        else:
            self._given += claims

    async def _keep(self) -> None:
        """A send that takes long (large files, a database that is away at its end) keeps its row: it is not dead."""
        while True:
            await self._clock.sleep(self.lease / 3)
            since = self._clock.monotonic() - self.lease / 3
            held = [claim for claim, began in self._begun.values() if began <= since]
            try:
                if held:
                    await self._queue.extend(held, self.lease)
            except UNAVAILABLE as error:
                log.warning("sends.database", error=type(error).__name__)

    async def _start_some(self, group: asyncio.TaskGroup) -> bool:
        """Claim once and start what was claimed; True if there may be more right now."""
        free = self._concurrency - self._running.total()
        if free <= 0:
            self._slot_free.clear()
            await self._slot_free.wait()
            return True
        now = self._clock.monotonic()
        self._closed = {channel: until for channel, until in self._closed.items() if until > now}
        self._unusable = {channel: until for channel, until in self._unusable.items() if until > now}
        full = [c for c, n in self._running.items() if n >= self._per_channel]
        try:
            claims = await self._queue.claim(
                min(free, 100),
                lease=self.lease,
                per_tenant=self._per_channel,
                extra=([*self._closed, *self._unusable, *full],),
            )
        except UNAVAILABLE as error:
            log.warning("sends.database", error=type(error).__name__)
            await self._clock.sleep(0.5)
            return False
        self._start(group, claims)
        return len(claims) >= min(free, self._per_channel)

    def _start(self, group: asyncio.TaskGroup, claims: Sequence[Claim]) -> None:
        for claim in claims:
            channel: UUID = claim.row["channel_id"]
            self._running[channel] += 1
            METRICS.sending.set(self._running.total())
            group.create_task(self._guarded(claim, channel))

    async def _guarded(self, claim: Claim, channel: UUID) -> None:
        try:
            await self._deliver(claim)
        except UNAVAILABLE as error:
            log.warning("send.database", outgoing_id=str(claim.key), error=type(error).__name__)
            await self._give_back(claim, error)
        except Exception:  # bytes may have left: the outcome is unknown, never silence
            log.exception("send.failed", outgoing_id=str(claim.key), channel_id=str(channel))
            await self._end(Outcome(claim, OutState.UNKNOWN, code="internal_error"))
        finally:
            if self._running[channel] >= self._per_channel:
                # It was left out of claims while it was full.
                self._wakeups.notify(WAKE)
            self._running[channel] -= 1
            if not self._running[channel]:
                del self._running[channel]
            self._slot_free.set()

    async def _give_back(self, claim: Claim, error: BaseException) -> None:
        """A statement that was refused had no effect: the row need not wait for the end of its lease."""
        if is_cut(error):
            return
        try:
            await self._queue.retry(claim, self._later(_PATIENCE / 2), type(error).__name__)
        except UNAVAILABLE:
            return

    async def _deliver(self, claim: Claim) -> None:
        row = claim.row
        line = await self._line(row["channel_id"])
        if row["state"] == OutState.SENDING and not (line and line.manifest.capabilities.idempotent_send):
            # The worker that began this send died: nobody can know whether it arrived.
            await self._end(Outcome(claim, OutState.UNKNOWN, code="sender_died"))
            return
        if line is None:
            await self._end(Outcome(claim, OutState.PENDING, due_at=self._later(30), code="channel_unavailable"))
            return
        opens = await self._gate(row["channel_id"])
        if opens is not None:
            await self._end(Outcome(claim, OutState.PENDING, due_at=opens, code="paced"))
            return
        now = self._clock.now()
        if row["state"] == OutState.PENDING and row["expires_at"] is not None and row["expires_at"] <= now:
            await self._end(Outcome(claim, OutState.EXPIRED, code="expired"))
            return
        delay = line.limits.try_acquire(row["payload"]["chat"])
        if delay > _PATIENCE:
            await self._end(Outcome(claim, OutState.PENDING, due_at=self._later(delay), code="paced"))
            return
        if delay > 0:
            await line.limits.acquire(row["payload"]["chat"])
        try:
            line.circuit.enter()
        except CircuitOpen as error:
            await self._end(self._held(claim, line, max(_PATIENCE, error.retry_after or 0.0)))
            return
        try:
            if await self._starts.submit(claim):
                self._begun[claim.key] = claim, self._clock.monotonic()
                await self._acknowledge(claim, line)
                await self._send(claim, line)
        finally:
            self._begun.pop(claim.key, None)
            line.circuit.abandoned()

    def _held(self, claim: Claim, line: _Line, seconds: float) -> Outcome:
        """The platform is away: the whole channel waits, and no attempt is counted."""
        self._closed[line.connected.account.channel_id] = self._clock.monotonic() + seconds
        return Outcome(claim, OutState.PENDING, due_at=self._later(seconds), code="channel_unreachable")

    async def _acknowledge(self, claim: Claim, line: _Line) -> None:
        """Stop the spinner of the buttons this reply answers. Too late or refused is nobody's problem."""
        payload = claim.row["payload"]
        for reference in payload.get("acknowledge", ()) if claim.attempts == 1 else ():
            try:
                await line.sender.acknowledge(reference, payload["chat"])
            except BattError as error:
                log.info("acknowledge.refused", channel_id=str(line.connected.account.channel_id), code=error.code)

    async def _send(self, claim: Claim, line: _Line) -> None:
        began = self._clock.monotonic()
        kind = line.connected.account.kind
        try:
            sent = await line.sender.send(command_of(claim.row))
        except BattError as error:
            outcome = await self._failure(claim, line, error)
            if isinstance(error, OutcomeUnknown):
                # Silence is no answer: a platform that swallows what it is sent must not be given everything.
                silent = self._clock.monotonic() - began > _SILENT
                (line.circuit.failed if silent else line.circuit.succeeded)()
        else:
            line.circuit.succeeded()
            outcome = Outcome(claim, OutState.SENT, sent=sent)
        METRICS.send_time.labels(kind).observe(self._clock.monotonic() - began)
        METRICS.sends.labels(kind, outcome.state.value).inc()
        if TRACING.on:
            spent = timedelta(seconds=self._clock.monotonic() - began)
            now = self._clock.now()
            traced.sent(claim.row, kind, outcome.state.value, now - spent, now)
        await self._end(outcome)

    async def _failure(self, claim: Claim, line: _Line, error: BattError) -> Outcome:
        """What an error means for the row; decided by its class alone."""
        channel = line.connected.account.channel_id
        if error.code in _UNREACHABLE and isinstance(error, Transient):
            line.circuit.failed()
            return self._held(claim, line, _PATIENCE)
        if not isinstance(error, OutcomeUnknown):
            line.circuit.succeeded()
        if isinstance(error, RateLimited):
            pause = error.retry_after or 1.0
            chat = claim.row["payload"]["chat"] if error.code == "chat_rate" else None
            line.limits.hold(pause, chat)
            if chat is None:
                await self._close(line, pause)
            return Outcome(claim, OutState.PENDING, due_at=self._later(pause), code=error.code)
        if isinstance(error, AuthExpired):
            await self._channels.set_state(line.connected.account, "auth_expired", error.text)
            self._lines.pop(channel, None)
            return Outcome(claim, OutState.PENDING, due_at=self._later(30), code=error.code)
        unknown = isinstance(error, OutcomeUnknown)
        retryable = isinstance(error, Transient) or (unknown and line.manifest.capabilities.idempotent_send)
        if retryable and claim.attempts < _MAX_ATTEMPTS:
            pause = getattr(error, "retry_after", None) or min(60.0, 0.5 * 2**claim.attempts)
            return Outcome(claim, OutState.PENDING, due_at=self._later(pause), code=error.code)
        state = OutState.UNKNOWN if unknown else OutState.FAILED
        return Outcome(claim, state, code=error.code, gone=error.code == "recipient_gone")

    async def _close(self, line: _Line, pause: float) -> None:
        """Nothing goes through the channel for `pause` seconds, in no process; said once for all that were refused."""
        account, until = line.connected.account, self._clock.monotonic() + pause
        known, self._closed[account.channel_id] = self._closed.get(account.channel_id, 0.0), until
        if known >= self._clock.monotonic():
            return
        try:
            await self._channels.close_gate(account, self._later(pause))
        except UNAVAILABLE as error:
            log.warning("gate.not_shared", channel_id=str(account.channel_id), error=type(error).__name__)

    async def _gate(self, channel_id: UUID) -> datetime | None:
        """When a channel opens that some process has closed; None if it is open."""
        connected = await self._channels.find(channel_id)
        now = self._clock.now()
        if connected is None or connected.gate_until is None or connected.gate_until <= now:
            return None
        self._closed[channel_id] = self._clock.monotonic() + (connected.gate_until - now).total_seconds()
        return connected.gate_until

    async def _end(self, outcome: Outcome) -> None:
        """Record the outcome. What a messenger has accepted is recorded however long the database takes."""
        while True:
            try:
                freed = await self._ends.submit(outcome)
            except UNAVAILABLE as error:
                log.warning("send.settle", outgoing_id=str(outcome.claim.key), error=type(error).__name__)
                await self._clock.sleep(0.5)
                continue
            break
        self._wakeups.notify(WAKE_RELAY)
        line = self._lines.get(outcome.claim.row["channel_id"])
        if line is not None and line.manifest.live_feed:
            chat = outcome.claim.row["payload"]["chat"]
            self._wakeups.notify(feed_wake(line.connected.account.channel_id, chat))
        if freed:
            self._wakeups.notify(WAKE)

    async def _line(self, channel_id: UUID) -> _Line | None:
        connected = await self._channels.find(channel_id)
        if connected is None or connected.state != "active":
            self._unusable[channel_id] = self._clock.monotonic() + _UNUSABLE
            return None
        line = self._lines.get(channel_id)
        if line is None or line.connected.account != connected.account:
            manifest = manifest_of(connected.account.kind)
            sender = manifest.sender(connected.account, self._http_for(connected))
            limits = SendLimits.of(manifest.capabilities, self._clock)
            line = _Line(connected, manifest, sender, limits, self._circuit(connected, manifest))
            self._lines[channel_id] = line
        return line

    def _circuit(self, connected: Connected, manifest: Manifest) -> Circuit:
        """Shared by all who go to the same address by the same way."""
        account = connected.account
        base = account.base_url or manifest.default_base_url or f"{account.kind}:{account.channel_id}"
        name = f"{base} {account.settings.get('proxy', '')}"
        return self._circuits.setdefault(name, Circuit(self._clock, threshold=3, max_pause=_LONGEST_PAUSE))

    def _channels_changed(self) -> None:
        """New credentials, perhaps: what was unusable is looked at again, now."""
        self._unusable.clear()
        self._wakeups.notify(WAKE)

    def _later(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

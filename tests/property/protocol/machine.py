"""Histories: customers write, roles work and die, servers go away, clocks move; in the end nothing may be missing."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from battcrm.devkit.faults.bench import ROLES, Bench, Shop
from battcrm.devkit.faults.ledger import Ledger, Said, settle_accounts, update
from battcrm.devkit.faults.messenger import Accident
from battcrm.devkit.faults.pool import Fault
from tests.property.protocol.places import Place

CHATS = ("anna", "boris", "vera")
WORKERS = st.sampled_from((*ROLES, "relay"))
FAULTS = st.sampled_from(list(Fault))
# A row over which five processes die is a poison row by definition, and a send refused eight times has failed.
INTAKE_DEATHS = 3
REFUSALS = 5
# One refusal for each connection of the pool, and some.
PATIENCE = 30


class Histories(RuleBasedStateMachine):
    """One history. `place` gives the servers; it is set by the test that runs the machine."""

    place: ClassVar[Place]
    world: Bench

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.shops: list[Shop] = []
        self.intake_deaths = self.refusals = 0

    def do(self, work: Any) -> Any:
        return self.place.loop.run_until_complete(work)

    @initialize(shops=st.integers(1, 2), together=st.booleans())
    def begin(self, shops: int, together: bool) -> None:
        self.world = self.place.open(together=together)
        self.shops = [self.do(self.world.shop()) for _ in range(shops)]

    @rule(shop=st.integers(0, 1), chat=st.sampled_from(CHATS), times=st.sampled_from((1, 2, 3, 30)), now=st.booleans())
    def customer_writes(self, shop: int, chat: str, times: int, now: bool) -> None:
        for _ in range(times):
            self.ledger.say(self.shops[shop % len(self.shops)], chat)
        if now:
            self.platform_delivers(times, last=True)

    @rule(which=st.integers(0, 20))
    def customer_edits(self, which: int) -> None:
        """One edit in flight at a time: platforms queue them, and an edit carries no revision number."""
        editable = [s for s in self.ledger.said if len(s.texts) == 1 or len(s.accepted) == len(s.texts) > 1]
        if editable:
            said = editable[which % len(editable)]
            if len(said.texts) < 3 and (len(said.texts) == 1 or 0 in said.accepted):
                self.ledger.edit(said)

    @rule(count=st.integers(1, 4), last=st.booleans())
    def platform_delivers(self, count: int, last: bool) -> None:
        """The oldest that wait, or the newest first: out of order."""
        waiting = list(reversed(self.ledger.waiting)) if last else list(self.ledger.waiting)
        for said, revision in waiting[:count]:
            if self.do(self.world.deliver(said.shop, update(said, revision))):
                self.ledger.noted(said, revision)

    @rule(count=st.integers(2, 5))
    def platform_delivers_together(self, count: int) -> None:
        """Several events of one account in one call."""
        waiting = self.ledger.waiting[:count]
        together = [(s, r) for s, r in waiting if s.shop is waiting[0][0].shop]
        events = [update(s, r) for s, r in together]
        if events and self.do(self.world.deliver(waiting[0][0].shop, *events)):
            for said, revision in together:
                self.ledger.noted(said, revision)

    @rule(which=st.integers(0, 50))
    def platform_delivers_again(self, which: int) -> None:
        if self.ledger.delivered:
            said, revision = self.ledger.delivered[which % len(self.ledger.delivered)]
            self.do(self.world.deliver(said.shop, update(said, revision)))

    @rule(name=WORKERS)
    def role_works(self, name: str) -> None:
        self.do(self.world.step(name))

    @rule()
    def all_work(self) -> None:
        for name in ROLES[::2]:
            self.do(self.world.step(name))

    @rule(name=st.sampled_from((*ROLES, "door")), after=st.integers(0, 60), fault=FAULTS)
    def fault_at_a_statement(self, name: str, after: int, fault: Fault) -> None:
        if name.startswith("processor") and fault is Fault.DIE:
            if self.intake_deaths >= INTAKE_DEATHS:
                return
            self.intake_deaths += 1
        self.world.arm(name, after, fault)

    @rule(name=WORKERS, after=st.integers(0, 40), fault=FAULTS)
    def fault_while_working(self, name: str, after: int, fault: Fault) -> None:
        self.fault_at_a_statement(name, after, fault)
        self.do(self.world.step(name))

    @rule(name=st.sampled_from(ROLES[2:]))
    def role_is_killed(self, name: str) -> None:
        self.do(self.world.kill(name))

    @rule(seconds=st.sampled_from((0.5, 2.0, 15.0, 61.0, 95.0, -1.0, -40.0)))
    def clock_moves(self, seconds: float) -> None:
        self.world.move_clock(seconds)
        self.do(self.world.settle())

    @rule(accident=st.sampled_from(list(Accident)))
    def next_send_has_an_accident(self, accident: Accident) -> None:
        if accident is Accident.REFUSED:
            if self.refusals >= REFUSALS:
                return
            self.refusals += 1
        if accident in (Accident.SWALLOWED, Accident.ANSWER_LOST):
            self.world.in_doubt += 1
        self.world.messenger.accidents.append(accident)

    @rule(place=st.sampled_from(("before", "after")))
    def messenger_is_slow(self, place: str) -> None:
        self.world.messenger.hold = place

    @rule()
    def messenger_goes_on(self) -> None:
        self.world.messenger.release()
        self.do(self.world.settle())

    @rule()
    def turns_think_long(self) -> None:
        self.world.gate.hold = True

    @rule()
    def turns_end(self) -> None:
        self.world.gate.release()
        self.do(self.world.settle())

    @rule()
    def postgres_restarts(self) -> None:
        self.do(self.world.restart_postgres())

    @rule()
    def redis_is_wiped(self) -> None:
        self.place.wipe_redis()

    def teardown(self) -> None:
        try:
            self.do(self._end())
            assert self.place.untold() == []
        finally:
            self.place.close(self.world)

    async def _until_accepted(self, said: Said, revision: int) -> None:
        """A platform repeats a call until it gets its 2xx: a restart may have left broken connections in the pool."""
        for _ in range(PATIENCE):
            if await self.world.deliver(said.shop, update(said, revision)):
                self.ledger.noted(said, revision)
                return
        raise AssertionError(f"the door refused {said.id} for ever")

    async def _end(self) -> None:
        for role in self.world.roles.values():
            role.pool.disarm()
        for said, revision in list(self.ledger.waiting):
            await self._until_accepted(said, revision)
        await self.world.drain()
        account = await settle_accounts(self.world, self.ledger)
        assert account.lost == [], account.lost
        assert account.duplicated == [], account.duplicated
        assert account.disordered == [], account.disordered
        assert account.unknown <= self.world.in_doubt, "more unknown than sends in flight at a fault"
        assert self.world.gate.overlaps == [], "two turns of one client under valid leases"


def machine(place: Place) -> type[Histories]:
    """The machine on these servers."""
    return type("Histories", (Histories,), {"place": place})

"""The turn: route, understand, enrich, decide, compose. Nothing here touches the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from battcrm.infra.pace import Muster
from battcrm.kit.clock import Clock
from battcrm.kit.ids import IdFactory
from battcrm.models.calls import WORDING, CallScope
from battcrm.models.config import Section, TenantConfig
from battcrm.models.facts import AppealType, Completion, Hypothesis, Reading
from battcrm.models.situation import (
    Action,
    AppealView,
    ChannelView,
    ClientView,
    ContextQuery,
    Control,
    Draft,
    GraphFacts,
    Plan,
    Routing,
    Situation,
    TurnMessage,
    chip_answer,
    read_chip,
)
from battcrm.pipeline.changes import appeal_change, chosen, starting_facts
from battcrm.pipeline.devices import (
    AGREEMENT,
    about_another,
    both_meant,
    matters,
    press_and_words,
    put_off,
    said_once,
    with_times,
    without_taken,
)
from battcrm.pipeline.ports import (
    AppealRouter,
    Composer,
    Extractor,
    GraphContext,
    ReadingContext,
    ResponseRouter,
    Writer,
)
from battcrm.pipeline.turn_types import AppealChange, Branch, TurnInput, TurnOutcome

_LOOP_WINDOW: Final = timedelta(seconds=90)
# An answer given again a day later is no circle.
_SAME_TALK: Final = timedelta(days=1)
_NEWCOMER: Final = timedelta(minutes=10)
_CHOSEN: Final = "chosen_appeal"
_BOTH_MEANT: Final = "both_meant"
_ITS_TURN: Final = "its_turn_has_come"
_NOTHING: Final = Plan(Action.SILENCE, "nothing_to_answer")
_UNUSED: Final = GraphFacts(unavailable="not_asked")
ChannelViews = Callable[[UUID, str, str], ChannelView]


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers a turn is made of."""

    extractor: Extractor
    router_for: Callable[[TenantConfig], AppealRouter]
    graph: GraphContext
    responder: ResponseRouter
    composer: Composer
    response_settings: type[Section]
    channel_view: ChannelViews
    query_limits: Callable[[TenantConfig], Mapping[str, int]]
    writer: Writer | None = None


class TurnEngine:
    """Runs turns; shared by all clients of a process."""

    def __init__(self, layers: Layers, clock: Clock, ids: IdFactory, commits: Muster | None = None) -> None:
        self._layers = layers
        self._commits = commits or Muster()
        self._clock = clock
        self._ids = ids

    async def run(self, turn: TurnInput) -> TurnOutcome:
        """Understand and decide. Model failures follow the degrade ladder; other exceptions are the caller's."""
        started = self._clock.now()
        outcome = TurnOutcome(turn, self._ids.new(), started, ())
        if not _spoken(turn):
            outcome.branches = (_silent(),)
            return outcome
        thought: list[tuple[Branch, Situation]] = []
        for part in self._parts(turn, outcome):
            await self._understand(part, thought, outcome)
        branches = [branch for branch, _ in thought]
        waiting = put_off(turn, branches, self._clock.now())
        if waiting is not None:
            thought.append(await self._raised(turn, waiting, outcome))
        situations = {id(branch): situation for branch, situation in thought}
        said = said_once(self._one_question(turn, [branch for branch, _ in thought]))
        outcome.branches = tuple([await self._worded(turn, b, situations.get(id(b)), outcome) for b in said])
        return outcome

    def _parts(self, turn: TurnInput, outcome: TurnOutcome) -> tuple[TurnInput, ...]:
        """The turn; a button and words beside it that are about another device are heard each by itself."""
        pressed, words = press_and_words(turn)
        if pressed is None or words is None:
            return (turn,)
        reading, _ = self._read(words, _texts(words), outcome)
        routing = self._layers.router_for(turn.tenancy.config).route(words.messages, reading, turn.appeals)
        return (pressed, words) if about_another(reading, routing, pressed) else (turn,)

    async def _understand(self, turn: TurnInput, thought: list[tuple[Branch, Situation]], outcome: TurnOutcome) -> None:
        """Reads the words of a turn, or of a part of it, and adds a branch for each device in them."""
        texts = _texts(turn)
        reading, context = self._read(turn, texts, outcome)
        completion = await self._complete(turn, texts, reading, context, outcome)
        for one, routing in self._matters(turn, with_times(turn, completion.reading if completion else reading)):
            rest = without_taken(turn, [branch for branch, _ in thought])
            thought.append(await self._branch(rest, one, completion, outcome, routing))
        outcome.versions = {"config": turn.tenancy.config.version, "reading": reading.version}

    def _matters(self, turn: TurnInput, reading: Reading) -> list[tuple[Reading, Routing | None]]:
        """What the turn is about one by one, with the appeal where it is plain before any routing."""
        both = both_meant(turn, reading)
        if both:
            return [(reading, Routing("existing", a.appeal_id, _BOTH_MEANT, 0.9)) for a in reversed(both)]
        return [(replace(reading, hypotheses=devices, passed=()), None) for devices in matters(reading)]

    async def _raised(self, turn: TurnInput, waiting: AppealView, outcome: TurnOutcome) -> tuple[Branch, Situation]:
        """The question that was put off for another device's; the client has said nothing new of this one."""
        routing = Routing("existing", waiting.appeal_id, _ITS_TURN, 1.0)
        branch, situation = await self._branch(turn, Reading((Hypothesis(),)), None, outcome, routing)
        return replace(branch, raised=True), situation

    def _read(self, turn: TurnInput, texts: Sequence[str], outcome: TurnOutcome) -> tuple[Reading, ReadingContext]:
        began = self._clock.monotonic()
        current = _current(turn.appeals)
        context = ReadingContext(
            turn.dialog.tenant_id,
            known=current.known if current else None,
            expecting=current.expecting if current else None,
            options=current.options if current else (),
            turn_id=outcome.turn_id,
            client_id=turn.client_id,
        )
        reading = self._layers.extractor.read(texts, context)
        self._took(outcome, "read_ms", began)
        return reading, context

    async def _complete(
        self, turn: TurnInput, texts: Sequence[str], reading: Reading, context: ReadingContext, outcome: TurnOutcome
    ) -> Completion | None:
        held = turn.dialog.held_at(self._clock.now())
        if not reading.open_fields or held or _muted(_current(turn.appeals)):
            return None
        began = self._clock.monotonic()
        with self._commits.late():
            completion = await self._layers.extractor.complete(texts, reading, context)
        self._took(outcome, "model_ms", began)
        _add(outcome, "provider_ms", completion.provider_ms)
        outcome.model_calls += completion.calls
        outcome.model_steps = (*outcome.model_steps, *completion.steps)
        outcome.cost_microrub += completion.cost_microrub
        return completion

    async def _branch(
        self,
        turn: TurnInput,
        reading: Reading,
        completion: Completion | None,
        outcome: TurnOutcome,
        routing: Routing | None = None,
    ) -> tuple[Branch, Situation]:
        if routing is None:
            routing = self._layers.router_for(turn.tenancy.config).route(turn.messages, reading, turn.appeals)
        if routing.reason == _CHOSEN or _chose_appeal(turn):
            reading = self._held(turn, reading)
        appeal = chosen(routing, turn.appeals)
        base = starting_facts(routing, turn.appeals)
        corrects = reading.signals.correction or _only_edits(turn)
        known = self._layers.extractor.merge(base, reading.main, correction=corrects)
        began = self._clock.monotonic()
        graph = await self._ask_graph(turn, known)
        self._took(outcome, "graph_ms", began)
        situation = self._situation(turn, reading, routing, appeal, known, graph, completion)
        settings = turn.tenancy.config.section(self._layers.response_settings)
        plan = self._layers.responder.decide(situation, settings)
        drafts = self._layers.composer.compose(plan, situation, settings)
        change = appeal_change(self._ids, routing, turn.appeals, known, plan)
        return Branch(routing, reading, known, change, graph, plan, drafts), situation

    async def _worded(
        self, turn: TurnInput, branch: Branch, situation: Situation | None, outcome: TurnOutcome
    ) -> Branch:
        """The texts in a model's words, where the tenant wants that and the model kept to what was given.

        Asked only for what is really said: `situation` is None for what has lost its words to another device.
        """
        if self._layers.writer is None or situation is None or not branch.drafts:
            return branch
        began = self._clock.monotonic()
        scope = CallScope(turn.dialog.tenant_id, outcome.turn_id, purpose=WORDING, client_id=turn.client_id)
        settings = turn.tenancy.config.section(self._layers.response_settings)
        with self._commits.late():
            written, steps = await self._layers.writer.write(branch.plan, situation, settings, branch.drafts, scope)
        if steps:
            self._took(outcome, "wording_ms", began)
            _add(outcome, "provider_ms", scope.report.provider_ms)
            outcome.model_calls += scope.report.calls
            outcome.model_steps = (*outcome.model_steps, *scope.report.steps, *steps)
            outcome.cost_microrub += scope.report.cost_microrub
        return branch if written is branch.drafts else replace(branch, drafts=written)

    def _one_question(self, turn: TurnInput, branches: Sequence[Branch]) -> tuple[Branch, ...]:
        """Every device is answered, but only one thing is asked or handed over in words; it comes last.

        A handover goes before a question. The other questions wait for their turn; other handovers stand, unannounced.
        """
        asking = [b for b in branches if b.plan.action in (Action.CLARIFY, Action.OPERATOR)]
        if len(branches) == 1 or not asking:
            return tuple(branches)
        kept = next((b for b in reversed(asking) if b.plan.action is Action.OPERATOR), asking[-1])
        rest = [b if b.plan.action is not Action.CLARIFY else self._unasked(turn, b) for b in branches if b is not kept]
        return (*(replace(b, drafts=()) if b.plan.action is Action.OPERATOR else b for b in rest), kept)

    def _unasked(self, turn: TurnInput, branch: Branch) -> Branch:
        plan = Plan(Action.SILENCE, "other_device_first", rejected=((branch.plan.action.value, branch.plan.reason),))
        return replace(branch, plan=plan, drafts=(), change=self.change_for(turn, branch.routing, branch.known, plan))

    async def _ask_graph(self, turn: TurnInput, known: Hypothesis) -> GraphFacts:
        """One round trip, and only where its answer can change what is said."""
        wish = known.appeal_type.value if known.appeal_type else None
        # A device and its fault are a wish for a repair, whatever the talk began with (a card, a greeting, an address).
        named = wish != AppealType.SELL and known.model is not None and bool(known.repair_types)
        if not named and wish not in (AppealType.REPAIR, AppealType.STATUS, AppealType.WARRANTY, AppealType.PURCHASE):
            return _UNUSED
        now = self._clock.now()
        query = ContextQuery(
            newcomer=not turn.appeals and now - turn.known_since < _NEWCOMER,
            tenant_id=turn.dialog.tenant_id,
            client_id=turn.client_id,
            brand=known.brand.value if known.brand else None,
            model=known.model.value if known.model else None,
            repair_types=tuple(f.value for f in known.repair_types),
            part_owner=known.part_owner.value if known.part_owner else None,
            now=now,
            **self._layers.query_limits(turn.tenancy.config),
        )
        return await self._layers.graph.fetch(query)

    def _situation(
        self,
        turn: TurnInput,
        reading: Reading,
        routing: Routing,
        appeal: AppealView | None,
        known: Hypothesis,
        graph: GraphFacts,
        completion: Completion | None,
    ) -> Situation:
        now = self._clock.now()
        spoken = [m for m in turn.messages if m.direction == "out" and m.author == "bot"]
        dialog = turn.dialog
        return Situation(
            now=now,
            timezone=turn.tenancy.timezone,
            client=ClientView(
                turn.client_id,
                turn.client_name,
                turn.locale,
                turn.do_not_contact,
                tuple(p for p in graph.history if p.status not in ("done", "refused", "lost")),
                turn.vip,
            ),
            channel=self._layers.channel_view(dialog.channel_id, dialog.channel_kind, dialog.type),
            messages=turn.messages,
            reading=reading,
            routing=routing,
            appeal=appeal,
            appeals=turn.appeals,
            human_talks=dialog.held_at(now),
            known=known,
            graph=graph,
            bot_turns_recent=sum(1 for m in spoken if now - m.at < _LOOP_WINDOW),
            last_bot_texts=tuple(m.wording for m in spoken[-3:] if now - m.at < _SAME_TALK),
            model_failed=completion.failed if completion else None,
            shop={"name": turn.tenancy.name},
        )

    def _held(self, turn: TurnInput, reading: Reading) -> Reading:
        """The client has said which appeal is meant: what was asked about is read again, now that it has a place."""
        held = [m.text for m in turn.messages if m.direction == "in" and not m.fresh and m.appeal_id is None and m.text]
        if not held:
            return reading
        again = self._layers.extractor.read(held[-5:], ReadingContext(turn.dialog.tenant_id))
        return replace(again, hypotheses=(again.main,))

    def plainly(self, turn: TurnInput, plan: Plan) -> tuple[Plan, tuple[Draft, ...]]:
        """A plan made when nothing could be understood, as far as it may be carried out, and its texts."""
        routing = Routing("none", None, plan.reason, 1.0)
        situation = self._situation(turn, Reading((Hypothesis(),)), routing, None, Hypothesis(), _UNUSED, None)
        settings = turn.tenancy.config.section(self._layers.response_settings)
        allowed = self._layers.responder.allowed(plan, situation, settings)
        return allowed, self._layers.composer.compose(allowed, situation, settings)

    def change_for(self, turn: TurnInput, routing: Routing, known: Hypothesis, plan: Plan) -> AppealChange | None:
        """The change to an appeal of a turn whose understanding was made elsewhere."""
        return appeal_change(self._ids, routing, turn.appeals, known, plan)

    def outcome(self, turn: TurnInput, branches: tuple[Branch, ...]) -> TurnOutcome:
        """An outcome made elsewhere."""
        return TurnOutcome(turn, self._ids.new(), self._clock.now(), branches)

    def _took(self, outcome: TurnOutcome, what: str, began: float) -> None:
        _add(outcome, what, round((self._clock.monotonic() - began) * 1000, 3))


def _add(outcome: TurnOutcome, what: str, ms: float) -> None:
    outcome.timings[what] = outcome.timings.get(what, 0.0) + ms


def _spoken(turn: TurnInput) -> list[TurnMessage]:
    return [m for m in turn.messages if m.fresh and m.kind != "reaction"]


def _texts(turn: TurnInput) -> list[str]:
    return [m.text or chip_answer(m.button_payload, turn.appeals) or "" for m in _spoken(turn)]


def _chose_appeal(turn: TurnInput) -> bool:
    """A chip of "which device do you mean?" was pressed."""
    chips = [read_chip(m.button_payload) for m in turn.messages if m.fresh]
    return any(chip is not None and chip.field == "appeal" for chip in chips)


def _only_edits(turn: TurnInput) -> bool:
    """The client changed what was said before: new words replace the old."""
    spoken = _spoken(turn)
    return bool(spoken) and all(m.kind == "edit" for m in spoken)


def _silent() -> Branch:
    routing = Routing("none", None, _NOTHING.reason, 1.0)
    return Branch(routing, Reading((Hypothesis(),)), Hypothesis(), None, _UNUSED, _NOTHING, ())


def _current(appeals: Sequence[AppealView]) -> AppealView | None:
    """The open appeal touched last: whose question the client is probably answering.

    Of those touched in one turn it is the one that was asked about: that came last.
    """
    open_ = [a for a in appeals if a.closed_at is None]
    return max(open_, key=lambda a: (a.touched_at, a.expecting not in (None, AGREEMENT)), default=None)


def _muted(appeal: AppealView | None) -> bool:
    return appeal is not None and appeal.control is not Control.BOT

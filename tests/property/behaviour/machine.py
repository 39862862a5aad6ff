"""Histories of a shop: people write, operators act, processes restart, days pass; how the bot behaves is watched."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from battcrm.devkit.scripts.format import Step
from battcrm.devkit.scripts.people import Operator
from battcrm.kit.errors import Conflict, Invalid
from tests.property.behaviour import words
from tests.property.behaviour.place import Place
from tests.property.behaviour.watch import Watch

T = TypeVar("T")
PEOPLE: Final = st.sampled_from(("anna", "anna", "boris"))
CHANNELS: Final = st.sampled_from(("tg", "tg", "site"))
SOON: Final = st.sampled_from((0.2, 1.0, 3.0, 16.0))
TEXTS: Final = st.sampled_from(words.ALL)
_INTO_A_TURN: Final = 5.0  # after the quiet window, with its extension, and before a turn of four seconds is through
WHICH: Final = st.integers(0, 40)
ACTS: Final = st.sampled_from(
    ("take", "reply", "reply", "return", "return", "done", "done", "lost", "spam", "pause", "off", "correct", "merge")
)


class Behaviour(RuleBasedStateMachine):
    """One history. `place` has the database; it is set by the test that runs the machine.

    What goes wrong in a step is raised at the end: a history that broke off there would draw less than the same one
    gone well, and Hypothesis would call the strategies flaky instead of showing the error.
    """

    place: ClassVar[Place]

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.late: list[str] = []
        self.failed: Exception | None = None
        self.watch: Watch

    @initialize(thinking=st.sampled_from((0.0, 4.0)), model=st.sampled_from(("none", "none", "down")))
    def begin(self, thinking: float, model: str) -> None:
        self.watch = Watch(self.place.open(thinking, model))

    def do(self, step: Step) -> None:
        """The step, `after` the one before it, and a look at what came of it."""
        note(f"- {step.model_dump(mode='json', by_alias=True, exclude_defaults=True)}")
        self.ask(self._do(step))

    def ask(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of it; None once something has gone wrong."""
        try:
            if self.failed is None:
                return self.place.run(work)
        except Exception as error:
            self.failed = error
        work.close()
        return None

    async def _do(self, step: Step) -> None:
        player = self.watch.player
        clock = player.stage.clock
        await player.stage.until(clock.now() + timedelta(seconds=step.after or 0.0))
        try:
            await player.act(step)
        except (Conflict, Invalid):
            return  # the shop's people try what the appeal's state does not allow
        self.watch.noted(step)

    def name(self) -> str:
        self.number += 1
        return f"m{self.number}"

    def named(self, which: int, where: str) -> str | None:
        """One of the newest messages that their platform has delivered."""
        written = [n for n, w in self.watch.player.written.items() if n and n not in self.late and w.channel == where]
        return written[-1 - which % min(3, len(written))] if written else None

    @rule(text=TEXTS, by=PEOPLE, where=CHANNELS, after=SOON)
    def somebody_writes(self, text: str, by: str, where: str, after: float) -> None:
        self.do(Step.model_validate({"say": text, "by": by, "in": where, "after": after, "name": self.name()}))

    @rule(first=TEXTS, second=TEXTS, by=PEOPLE, where=CHANNELS, gap=st.sampled_from((0.5, 2.0)), after=SOON)
    def somebody_writes_twice(self, first: str, second: str, by: str, where: str, gap: float, after: float) -> None:
        said = {"say": (first, second), "gap": gap, "by": by, "in": where, "after": after, "name": self.name()}
        self.do(Step.model_validate(said))

    @rule(first=st.sampled_from(words.PRICES), second=st.sampled_from(words.PRICES), by=PEOPLE, where=CHANNELS)
    def somebody_goes_on_while_the_bot_thinks(self, first: str, second: str, by: str, where: str) -> None:
        said = {"say": (first, second), "gap": _INTO_A_TURN, "by": by, "in": where, "after": 16.0, "name": self.name()}
        self.do(Step.model_validate(said))

    @rule(which=WHICH, by=PEOPLE, where=CHANNELS, after=SOON)
    def somebody_presses(self, which: int, by: str, where: str, after: float) -> None:
        titles = self.watch.buttons(where, by)
        if titles:
            press = {"press": titles[which % len(titles)], "by": by, "in": where, "after": after}
            self.do(Step.model_validate(press))

    @rule(text=TEXTS, by=PEOPLE, where=CHANNELS, after=SOON)
    def a_webhook_is_late(self, text: str, by: str, where: str, after: float) -> None:
        name = self.name()
        self.late.append(name)
        self.do(Step.model_validate({"write": text, "by": by, "in": where, "after": after, "name": name}))

    @rule(after=SOON)
    def late_webhooks_come(self, after: float) -> None:
        if self.late:
            names, self.late = self.late, []
            self.do(Step.model_validate({"deliver": tuple(reversed(names)), "after": after}))

    @rule(which=WHICH, where=CHANNELS, after=SOON)
    def a_webhook_is_repeated(self, which: int, where: str, after: float) -> None:
        name = self.named(which, where)
        if name is not None:
            self.do(Step.model_validate({"repeat": name, "after": after}))

    @rule(which=WHICH, where=CHANNELS, text=TEXTS, after=SOON)
    def somebody_edits(self, which: int, where: str, text: str, after: float) -> None:
        name = self.named(which, where)
        if name is not None:
            self.do(Step.model_validate({"edit": text, "of": name, "after": after}))

    @rule(which=WHICH, where=CHANNELS, after=SOON, how=st.sampled_from(("delete", "react")))
    def somebody_deletes_or_reacts(self, which: int, where: str, after: float, how: str) -> None:
        name = self.named(which, where)
        if name is not None:
            done = {"delete": name} if how == "delete" else {"react": "👍", "of": name}
            self.do(Step.model_validate({**done, "after": after}))

    @rule(kind=st.sampled_from(("voice", "photo", "sticker")), by=PEOPLE, where=CHANNELS, after=SOON)
    def somebody_sends(self, kind: str, by: str, where: str, after: float) -> None:
        self.do(Step.model_validate({"send": kind, "by": by, "in": where, "after": after, "name": self.name()}))

    @rule(act=ACTS, which=WHICH, other=WHICH, after=SOON)
    def an_operator_acts(self, act: str, which: int, other: int, after: float) -> None:
        numbers = self.ask(self.watch.numbers())
        if not numbers:
            return
        details: dict[str, dict[str, Any]] = {
            "reply": {"text": f"Говорит мастер, слово {self.name()}."},
            "pause": {"for": 600.0},
            "correct": {"set": {"brand": ("Apple",), "model": (words.MODELS[other % 4],)}},
            "merge": {"into": numbers[other % len(numbers)]},
        }
        done = {"do": act, "appeal": numbers[which % len(numbers)], **details.get(act, {})}
        self.do(Step(operator=Operator.model_validate(done), after=after))

    @rule(by=PEOPLE, where=CHANNELS, after=SOON)
    def somebody_answers_from_the_messenger(self, by: str, where: str, after: float) -> None:
        if self.watch.talks(where, by):
            said = {"phone_reply": f"Отвечу сам, слово {self.name()}.", "by": by, "in": where, "after": after}
            self.do(Step.model_validate(said))

    @rule(fault=st.sampled_from(("busy", "refused", "lost", "swallowed")))
    def the_next_send_goes_wrong(self, fault: str) -> None:
        self.do(Step.model_validate({"fault": fault}))

    @rule()
    def processes_restart(self) -> None:
        self.do(Step(restart=True))

    @rule(seconds=st.sampled_from((30.0, 100.0, 1000.0, 5 * 3600.0, 2 * 86400.0, 20 * 86400.0)))
    def time_passes(self, seconds: float) -> None:
        self.do(Step(wait=seconds))

    def teardown(self) -> None:
        if not hasattr(self, "watch"):
            return
        try:
            if self.failed is not None:
                raise self.failed
            self.place.run(self.watch.end(self.late))
        finally:
            self.place.close()


def machine(place: Place) -> type[Behaviour]:
    """The machine on this database."""
    return type("Behaviour", (Behaviour,), {"place": place})

"""One decision in the making: the situation, the tenant's settings, and what was turned down so far."""

from __future__ import annotations

from functools import cached_property
from itertools import takewhile
from typing import Any

from battcrm.models.facts import AppealType, Fact, Hypothesis
from battcrm.models.situation import (
    Action,
    AppealStatus,
    AppealView,
    ChipPayload,
    Control,
    Plan,
    Question,
    Situation,
    TurnMessage,
    read_chip,
)
from battcrm.response.generator import pick_language
from battcrm.response.handover import cause_of, make_handover
from battcrm.response.labels import typed_titles
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.settings import ResponseSettings
from battcrm.response.text import device_name, plain
from battcrm.response.wording import asks_price, sentences, topics_of

OTHER = "other"
VERSION = "response-router-1"
_MENTIONED = "mentioned_in_passing"
_FREE_QUESTIONS = frozenset({"agreement", "appeal"})


class Case:
    """Read-only view of a situation with the tenant's thresholds applied, plus the notes of the decision."""

    def __init__(self, situation: Situation, settings: ResponseSettings) -> None:
        self.situation = situation
        self.settings = settings
        self.rejected: list[tuple[str, str]] = []
        self.flags: list[str] = []

    @cached_property
    def language(self) -> str:
        """Language of the texts to the client."""
        return pick_language(self.situation, self.settings)

    @cached_property
    def fresh(self) -> tuple[TurnMessage, ...]:
        """The client's messages since the last turn."""
        return tuple(m for m in self.situation.messages if m.fresh and m.direction == "in")

    @cached_property
    def text(self) -> str:
        """Their texts, joined."""
        return "\n".join(m.text for m in self.fresh if m.text)

    @property
    def only_edits(self) -> bool:
        """Whether the client only changed what was said before."""
        return bool(self.fresh) and all(m.kind == "edit" for m in self.fresh)

    @property
    def known(self) -> Hypothesis:
        """The appeal's facts."""
        return self.situation.known

    @property
    def status(self) -> AppealStatus:
        """The appeal's stage; new when there is none yet."""
        return self.situation.appeal.status if self.situation.appeal else AppealStatus.NEW

    @property
    def asked(self) -> tuple[str, ...]:
        """Fields asked so far that count against the limit of questions."""
        appeal = self.situation.appeal
        return tuple(f for f in appeal.asked if f not in _FREE_QUESTIONS) if appeal else ()

    @property
    def model(self) -> str | None:
        """The model, when sure enough to act on it."""
        return self._sure(self.known.model, self.settings.thresholds.model)

    @property
    def brand(self) -> str | None:
        """The brand, when sure enough."""
        return self._sure(self.known.brand, self.settings.thresholds.brand)

    @property
    def owner(self) -> str | None:
        """Whose part, when sure enough."""
        return self._sure(self.known.part_owner, self.settings.thresholds.part_owner)

    @cached_property
    def repairs(self) -> tuple[str, ...]:
        """Repair types sure enough to act on."""
        floor = self.settings.thresholds.repair_types
        return tuple(f.value for f in self.known.repair_types if self._sure(f, floor))

    @cached_property
    def wish(self) -> AppealType | None:
        """What this turn is about: the fresh wish if there is one, else the appeal's. A fault alone means repair."""
        floor = self.settings.thresholds.appeal_type
        said = self.situation.reading.main
        now = _wish_of(self._sure(said.appeal_type, floor))
        if now is AppealType.INFO and self._asks_of_work(said):
            return AppealType.REPAIR
        if now is not None:
            return now
        before = _wish_of(self._sure(self.known.appeal_type, floor))
        if before is AppealType.INFO and _names_something(said):
            return AppealType.REPAIR  # it began as a question about the shop and has become one about a device
        if before is None and (_names_something(said) or _names_something(self.known)):
            return AppealType.REPAIR
        return before

    def _asks_of_work(self, said: Hypothesis) -> bool:
        """A repair is named beside a question about the shop: with its price asked, or in a sentence of its own."""
        sure = [f for f in said.repair_types if self._sure(f, self.settings.thresholds.repair_types)]
        if not sure or asks_price(self.text):
            return bool(sure)
        texts = enumerate(m.text for m in self.fresh if m.text)
        own = [(place, s.span()) for place, text in texts for s in sentences(text) if not topics_of(s.group())]
        named = [span for fact in sure for span in fact.spans]
        return any(span.message == place and start <= span.start < end for span in named for place, (start, end) in own)

    @property
    def device(self) -> str:
        """The device in words; empty if the model is not sure."""
        return plain(device_name(self.known), 60) if self.model else ""

    @property
    def learned(self) -> bool:
        """Whether the fresh messages said anything we can use."""
        said, signals = self.situation.reading.main, self.situation.reading.signals
        facts = (said.model, said.brand, said.part_owner, *said.repair_types)
        if (
            any(f is not None and f.confidence >= self.settings.thresholds.confirm_model for f in facts)
            or said.candidates
        ):
            return True
        wish = self._sure(said.appeal_type, self.settings.thresholds.appeal_type)
        if wish is not None and wish != AppealType.OTHER:
            return True
        return bool(signals.correction or signals.order_numbers or signals.phones)

    @cached_property
    def picked(self) -> ChipPayload | None:
        """The chip that was pressed last, or the number typed instead of it, as far as our question goes."""
        for message in reversed(self.fresh):
            chip = read_chip(message.button_payload)
            if chip is not None:
                return chip
        appeal, choice = self.situation.appeal, self.situation.reading.signals.choice
        if self.situation.routing.reason == _MENTIONED:  # "the second" has told which appeal, not what is answered
            return None
        if appeal is None or appeal.expecting is None:
            return None
        choice = choice or self._typed_title(appeal)
        if choice is None or choice > len(appeal.options):
            return None
        other = choice >= 1 and appeal.options[choice - 1] == OTHER
        return ChipPayload(appeal.number, appeal.expecting, 0 if other else choice)

    def _typed_title(self, appeal: AppealView) -> int | None:
        """The place of the choice whose title was typed, from 1."""
        said = self.text.strip(" .!").lower()
        places = (place for place, value in enumerate(appeal.options, start=1) if said in typed_titles(value))
        return next(places, None)

    @property
    def chose_other(self) -> bool:
        """The client picked "other": not a misunderstanding, but the question must become an open one."""
        return self.picked is not None and self.picked.option == 0

    @property
    def chosen(self) -> bool:
        """The question whether to book was answered by its button or by the number of it."""
        return self.picked is not None and self.picked.field == "agreement"

    @cached_property
    def heard_us(self) -> bool:
        """Whether the newest words came after our last ones, not while we were still thinking about the answer."""
        last = next((m for m in reversed(self.situation.messages) if m.kind != "reaction"), None)
        return last is not None and last.direction == "in"

    def asked_just_now(self, field: str) -> bool:
        """Whether the last words in this chat before the client's were our question about that field of the appeal."""
        appeal = self.situation.appeal
        if appeal is None or appeal.expecting != field or not self.heard_us:
            return False
        before = [m for m in self.situation.messages if not m.fresh and m.kind != "reaction"]
        ours = list(takewhile(lambda m: m.direction == "out", reversed(before)))
        about = any(m.appeal_id in (None, appeal.appeal_id) for m in ours)
        return about and ours[0].author == "bot"

    @property
    def consent(self) -> bool | None:
        """Yes or no, said or pressed; None when neither."""
        if self.picked is not None and self.chosen:
            return self.picked.option == 1
        signals = self.situation.reading.signals
        return signals.agrees if signals.agrees or signals.declines else None

    def reject(self, what: str, why: Rejection | str) -> None:
        """Note an alternative that was turned down."""
        if (what, str(why)) not in self.rejected:
            self.rejected.append((what, str(why)))

    def flag(self, name: str) -> None:
        """Note something for the operator's eye."""
        if name not in self.flags:
            self.flags.append(name)

    def answer(self, reason: Reason, template: str, status: AppealStatus | None = None, question: Question | None = None,
               **variables: Any) -> Plan:  # fmt: skip
        """An automatic answer."""
        return self._plan(Action.AUTO, reason, template, variables, question=question, status=self._move(status))

    def ask(self, reason: Reason, template: str, question: Question, **variables: Any) -> Plan:
        """A clarifying question."""
        return self._plan(
            Action.CLARIFY, reason, template, variables, question=question, status=self._move(AppealStatus.COLLECTING)
        )

    def silence(self, reason: Reason, status: AppealStatus | None = None, control: Control | None = None) -> Plan:
        """Say nothing, on the record."""
        return self._plan(Action.SILENCE, reason, None, {}, status=status, control=control)

    def operator(self, reason: Reason) -> Plan:
        """Hand over to a person: the note for them, the honest text for the client, control to the human."""
        phones = self.situation.reading.signals.phones
        variables = {"cause": cause_of(reason), "phone": phones[0] if phones else None, "reason": str(reason)}
        return self._plan(
            Action.OPERATOR, reason, "handover", variables, control=Control.HUMAN,
            handover=make_handover(reason, self.situation, self.settings, self.text),
        )  # fmt: skip

    def _plan(
        self, action: Action, reason: Reason, template: str | None, variables: dict[str, Any], **rest: Any
    ) -> Plan:
        if "emotion" in self.flags and template is not None and template not in {"opt_out", "thanks"}:
            variables = variables | {"soft": True}
        if template is not None and "device" not in variables:
            variables = variables | {"device": self.device}
        return Plan(
            action, reason, template, variables, rejected=tuple(self.rejected), flags=tuple(self.flags),
            version=VERSION, **rest,
        )  # fmt: skip

    def _move(self, status: AppealStatus | None) -> AppealStatus | None:
        """Stages only move forward while talking: collecting is not set again over a quote or an agreement."""
        if status is AppealStatus.COLLECTING and self.status is not AppealStatus.NEW:
            return None
        return None if status is self.status else status

    @staticmethod
    def _sure(fact: Fact | None, floor: float) -> str | None:
        return fact.value if fact is not None and (fact.locked or fact.confidence >= floor) else None


def _names_something(h: Hypothesis) -> bool:
    """A device or a fault is named: in a repair shop that alone is a wish for a repair."""
    return bool(h.model or h.brand or h.repair_types or h.candidates or h.device_class)


def _wish_of(value: str | None) -> AppealType | None:
    """A type that is a wish; `other` and what we do not know are none."""
    return AppealType(value) if value in set(AppealType) and value != AppealType.OTHER else None

"""What was understood: facts with confidence and provenance, hypotheses about devices, signals of a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Method(StrEnum):
    """How a fact was established."""

    GAZETTEER = "gazetteer"
    RULE = "rule"
    MODEL = "model"
    OPERATOR = "operator"
    IMPORT = "import"


class AppealType(StrEnum):
    """What the client wants."""

    REPAIR = "repair"
    STATUS = "status"
    PURCHASE = "purchase"
    SELL = "sell"
    WARRANTY = "warranty"
    INFO = "info"
    OTHER = "other"


class PartOwner(StrEnum):
    """Whose part goes in."""

    CLIENT = "client"
    SHOP = "shop"


REPAIR_TYPES: Final = [
    "screen",
    "battery",
    "charging_port",
    "back_glass",
    "housing",
    "camera",
    "speaker",
    "microphone",
    "button",
    "keyboard",
    "hinge",
    "joystick",
    "water_damage",
    "no_power",
    "board",
    "software",
    "unlock",
    "data_recovery",
    "cleaning",
    "network",
    "backlight",
    "controller",
    "wheel",
    "diagnostics",
    "other",
]

FIELDS: Final = ("appeal_type", "brand", "model", "repair_types", "part_owner")


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the conversation: index of the message in the turn, character offsets in its original text."""

    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one field. `confidence` is calibrated 0..1; `source` names the rule, alias or prompt version."""

    value: str
    confidence: float
    method: Method
    source: str = ""
    spans: tuple[Span, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible device, for a clarifying question; ranked, best first."""

    brand: str
    model: str
    score: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One wish about one device. Fields that were not said stay None or empty."""

    appeal_type: Fact | None = None
    brand: Fact | None = None
    model: Fact | None = None
    repair_types: tuple[Fact, ...] = ()
    part_owner: Fact | None = None
    device_class: str | None = None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Signals:
    """What else the text says, apart from the wish."""

    greeting_only: bool = False
    thanks_only: bool = False
    wants_operator: bool = False
    opt_out: bool = False
    spam: bool = False
    profanity: bool = False
    threat: bool = False
    off_topic: bool = False
    injection: bool = False
    agrees: bool = False
    declines: bool = False
    firm: bool = False  # agrees in words that are a yes whatever was asked ("book me in"), not just "ok"
    choice: int | None = None
    correction: bool = False
    phones: tuple[str, ...] = ()
    order_numbers: tuple[str, ...] = ()
    language: str = "ru"


@dataclass(frozen=True, slots=True)
class Reading:
    """Result of reading a turn's texts: at least one hypothesis, the signals, and what stays open.

    `open_fields` lists fields the rules could not settle although the text speaks of them: worth a model call.
    `passed` are devices with a question of their own from which a later message turned to another ("and for a 12?"):
    a talk is about the last one, but whoever answers all the texts at once owes an answer to these too.
    """

    hypotheses: tuple[Hypothesis, ...]
    signals: Signals = field(default_factory=Signals)
    open_fields: frozenset[str] = frozenset()
    version: str = ""
    passed: tuple[Hypothesis, ...] = ()

    @property
    def main(self) -> Hypothesis:
        """The device asked about last (or the only one)."""
        return self.hypotheses[-1]


@dataclass(frozen=True, slots=True)
class Completion:
    """Result of the model call: the improved reading, or why the ladder went further down (`failed`).

    `calls` counts what reached a provider, `steps` tells the ladder's story, `provider_ms` is the providers' own time.
    """

    reading: Reading
    calls: int
    failed: str | None = None
    steps: tuple[str, ...] = ()
    cost_microrub: int = 0
    provider_ms: float = 0.0

"""The tenant's answering behaviour: when the bot speaks, what it needs to know, what it may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from battcrm.kit.errors import Invalid
from battcrm.models.config import SECTIONS, Section
from battcrm.models.facts import REPAIR_TYPES, AppealType
from battcrm.response.engine import builtin_keys, custom, run
from battcrm.response.hours import Hours
from battcrm.response.samples import sample
from battcrm.response.text import LANGUAGES


class Mode(StrEnum):
    """Whether the bot answers itself, drafts for the operator, or keeps out."""

    AUTO = "auto"
    SUGGEST = "suggest"
    OFF = "off"


class Vip(StrEnum):
    """What a message of a client marked as VIP comes to."""

    HAND_OVER = "hand_over"
    TELL = "tell"
    SAME = "same"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Share = Annotated[float, Field(ge=0, le=1)]


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"use one of {', '.join(LANGUAGES)}")
    return code


def _repair(code: str) -> str:
    if code not in REPAIR_TYPES:
        raise ValueError(f"unknown repair type {code!r}")
    return code


Language = Annotated[str, AfterValidator(_language)]
Repair = Annotated[str, AfterValidator(_repair)]
Line = Annotated[str, Field(max_length=300)]


class Thresholds(_Part):
    """Confidence at which a field is acted on. Between `confirm_model` and `model` the model is confirmed first."""

    appeal_type: Share = 0.6
    brand: Share = 0.75
    model: Share = 0.75
    confirm_model: Share = 0.45
    repair_types: Share = 0.75
    part_owner: Share = 0.75


class QuotePolicy(_Part):
    """What a price may be said from. Amounts in kopecks."""

    enabled: bool = True
    min_repairs: int = Field(default=1, ge=1, le=100)
    max_spread: float = Field(default=3.0, ge=1)
    max_amount: int | None = Field(default=None, ge=0)
    allow_sibling: bool = True
    allow_price_list: bool = True
    show_part_price: bool = True
    without_price: Annotated[str, Field(pattern="^(diagnostics|operator)$")] = "diagnostics"
    diagnostics_price: int | None = Field(default=None, ge=0)


class Shop(_Part):
    """Facts the bot may state about the shop; an empty one is never stated."""

    name: Line = ""
    address: Line = ""
    directions: Line = ""
    phone: Line = ""
    payment: Line = ""
    delivery: Line = ""
    warranty: Line = ""
    services: frozenset[str] = frozenset()
    by_language: dict[Language, dict[str, Line]] = Field(default_factory=dict)


class OperatorRule(_Part):
    """Hand over when everything named here holds. `words` are matched as beginnings of words, without case."""

    name: str = Field(min_length=1, max_length=60)
    appeal_types: frozenset[AppealType] = frozenset()
    repair_types: frozenset[Repair] = frozenset()
    brands: frozenset[str] = frozenset()
    words: tuple[Annotated[str, Field(min_length=2, max_length=40)], ...] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.appeal_types or self.repair_types or self.brands or self.words):
            raise ValueError("name at least one condition")
        return self


class ResponseSettings(Section):
    """Section `response`. `channel_modes` is by channel kind and wins over `mode`."""

    mode: Mode = Mode.AUTO
    channel_modes: dict[str, Mode] = Field(default_factory=dict)
    languages: tuple[Language, ...] = Field(default=("ru",), min_length=1)
    operator_language: Language = "ru"
    thresholds: Thresholds = Thresholds()
    quote: QuotePolicy = QuotePolicy()
    hours: Hours = Hours()
    shop: Shop = Shop()
    operator_rules: tuple[OperatorRule, ...] = Field(default=(), max_length=50)
    vip: Vip = Field(
        default=Vip.HAND_OVER,
        description="a VIP client: handed over at once, answered while operators are told, or treated as everybody",
    )
    max_questions: int = Field(default=3, ge=0, le=10)
    max_options: int = Field(default=6, ge=2, le=9)
    max_misunderstood: int = Field(default=2, ge=1, le=10)
    loop_turns: int = Field(default=6, ge=2, le=100)
    part_owner_prior: Share = 0.05
    min_question_value: float = Field(default=0.25, ge=0)
    answer_thanks: bool = True
    written: bool = Field(
        default=False, description="a model may reword the bot's texts; numbers and facts are checked"
    )
    templates: dict[Language, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _templates_render(self) -> Self:
        problems = validate_templates(self.templates)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def mode_for(self, channel_kind: str) -> Mode:
        """The mode of a channel of that kind."""
        return self.channel_modes.get(channel_kind, self.mode)


def validate_templates(overrides: dict[str, dict[str, str]]) -> list[str]:
    """What is wrong with a tenant's texts: unknown keys, forbidden constructs, missing variables. Empty = publishable."""
    problems = []
    for language, texts in overrides.items():
        known = builtin_keys(language)
        for key, source in texts.items():
            if key not in known:
                problems.append(f"{language}.{key}: there is no such text")
                continue
            try:
                run(custom(language, source), sample(key))
            except Invalid as error:
                problems.append(f"{language}.{key}: {error.text}; {error.remedy}")
    return problems


SECTIONS.register("response", ResponseSettings)

"""Short builders of situations, so that a test shows only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from battcrm.kit.ids import derived_id
from battcrm.models.facts import Candidate, Fact, Hypothesis, Method, Reading, Signals
from battcrm.models.situation import (
    AppealStatus,
    AppealView,
    ChannelView,
    ClientView,
    Control,
    Evidence,
    GraphFacts,
    PastAppeal,
    Quote,
    Routing,
    Situation,
    TurnMessage,
)
from battcrm.response.generator import TemplateComposer
from battcrm.response.router import RuleResponseRouter
from battcrm.response.settings import ResponseSettings

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)  # Wednesday, 12:00 in Moscow
ROUTER = RuleResponseRouter()
COMPOSER = TemplateComposer()
DEFAULTS = ResponseSettings()
WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("10:00-20:00",))
SHOP = {
    "name": "Сервис", "address": "ул. Лесная, 5", "phone": "+7 900 000-00-00", "payment": "карта, наличные",
    "delivery": "Курьер по городу.", "warranty": "На работу 90 дней.", "services": ["scooter"],
}  # fmt: skip


def fact(value: str, confidence: float = 0.95) -> Fact:
    return Fact(value, confidence, Method.RULE, "test")


def wish(type: str | None = None, model: str | None = None, *repairs: str, **more: Any) -> Hypothesis:
    """A hypothesis: brand is guessed from the model's family."""
    brand = more.pop("brand", "Apple" if model and model.startswith("iPhone") else None)
    owner = more.pop("owner", None)
    sure = more.pop("model_confidence", 0.95)
    return Hypothesis(
        appeal_type=fact(type) if type else None,
        brand=fact(brand) if brand else None,
        model=fact(model, sure) if model else None,
        repair_types=tuple(fact(r) for r in repairs),
        part_owner=fact(owner) if owner else None,
        candidates=tuple(Candidate(b, m, s) for b, m, s in more.pop("candidates", ())),
        **more,
    )


def quote(repair: str = "screen", **more: Any) -> Quote:
    base = Quote(
        repair, "Apple", "iPhone 13", 390_000, 460_000, 420_000, 17, 90, 215_000, 2, NOW,
        evidence=(Evidence("repair", "r-1", 400_000, NOW), Evidence("price", "p-1", 215_000, NOW)),
    )  # fmt: skip
    return replace(base, **more)


def appeal(status: str = "collecting", known: Hypothesis | None = None, **more: Any) -> AppealView:
    base = AppealView(
        derived_id("appeal", str(more.get("number", 7))), more.pop("number", 7), AppealStatus(status), Control.BOT, None,
        NOW, NOW, None, known or Hypothesis(),
    )  # fmt: skip
    return replace(base, **more)


def situation(
    text: str = "сообщение",
    said: Hypothesis | None = None,
    *,
    known: Hypothesis | None = None,
    signals: dict[str, Any] | None = None,
    appeal: AppealView | None = None,
    quotes: tuple[Quote, ...] = (),
    routing: Routing | None = None,
    orders: tuple[PastAppeal, ...] = (),
    client: dict[str, Any] | None = None,
    channel: dict[str, Any] | None = None,
    attachments: tuple[str, ...] = (),
    open_fields: tuple[str, ...] = (),
    **more: Any,
) -> Situation:
    """A turn with one fresh message."""
    said = said or Hypothesis()
    action = "existing" if appeal is not None else "new"
    message = TurnMessage(
        derived_id("message", text), 1, "in", "message", text, NOW, True, attachment_kinds=attachments
    )
    asked = appeal is not None and appeal.expecting is not None
    ours = TurnMessage(derived_id("message", "ours"), 0, "out", "message", "?", NOW, False, author="bot")
    base = Situation(
        now=NOW,
        timezone="Europe/Moscow",
        client=ClientView(derived_id("client"), "Анна", "ru", False, orders),
        channel=ChannelView(derived_id("channel"), "telegram", True, 4096),
        messages=(ours, message) if asked else (message,),
        reading=Reading((said,), Signals(**(signals or {})), frozenset(open_fields)),
        routing=routing or Routing(action, appeal.appeal_id if appeal else None, "test", 0.9),
        appeal=appeal,
        known=known or said,
        graph=GraphFacts(quotes=quotes),
    )
    base = replace(
        base, client=replace(base.client, **(client or {})), channel=replace(base.channel, **(channel or {}))
    )
    return replace(base, **more)


def tenant(**values: Any) -> ResponseSettings:
    return ResponseSettings.model_validate(values)

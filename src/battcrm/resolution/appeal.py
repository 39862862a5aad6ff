"""Which open appeal a message belongs to, a new one, or a reopening; always with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from battcrm.models.facts import Reading
from battcrm.models.situation import AppealView, Routing, TurnMessage
from battcrm.resolution import passing, rules
from battcrm.resolution.held import stay_with_operator
from battcrm.resolution.reasons import Why
from battcrm.resolution.settings import ResolutionSettings
from battcrm.resolution.view import View, build_view

VERSION: Final = "appeal-router-1"
# Order is meaning: explicit pointers first, then courtesy, then what was said, then what is merely likely.
RULES: Final = (
    rules.by_button,
    rules.by_reply,
    rules.by_edit,
    passing.by_operators_word,
    rules.not_about_an_appeal,
    rules.by_chosen_appeal,
    rules.by_order_number,
    rules.by_warranty,
    rules.by_status_question,
    rules.by_correction,
    rules.by_device,
    rules.by_closed_device,
    rules.without_open,
    rules.by_only_open,
    passing.by_number_of_model,
    passing.by_the_other,
    rules.by_asked_repair,
    rules.by_repair,
    passing.by_chat,
    rules.by_expectation,
    rules.by_recency,
)


class DeviceAppealRouter:
    """Implements the pipeline's AppealRouter. Stateless; safe to share between tenants."""

    def __init__(self, settings: ResolutionSettings | None = None) -> None:
        self._settings = settings or ResolutionSettings()

    def route(
        self,
        messages: Sequence[TurnMessage],
        reading: Reading,
        appeals: Sequence[AppealView],
        settings: ResolutionSettings | None = None,
    ) -> Routing:
        """Where the fresh messages belong, judged by the main hypothesis.

        Pure; never raises. "Now" is the time of the newest message. `settings` overrides the constructor's.
        """
        index = len(reading.hypotheses) - 1
        routing = self._decide(build_view(messages, reading, index, appeals, settings or self._settings))
        return replace(routing, hypothesis=index)

    def route_all(
        self,
        messages: Sequence[TurnMessage],
        reading: Reading,
        appeals: Sequence[AppealView],
        settings: ResolutionSettings | None = None,
    ) -> tuple[Routing, ...]:
        """One routing per hypothesis (a message may list several devices), in order; `hypothesis` is its index."""
        chosen = settings or self._settings
        views = (build_view(messages, reading, i, appeals, chosen) for i in range(len(reading.hypotheses)))
        return tuple(replace(self._decide(view), hypothesis=view.index) for view in views)

    def _decide(self, view: View) -> Routing:
        for rule in RULES:
            routing = rule(view)
            if routing is not None:
                return stay_with_operator(view, routing)
        unclear = Routing("ask", None, Why.SEVERAL_OPEN, 0.4, alternatives=tuple(a.appeal_id for a in view.open))
        return stay_with_operator(view, unclear)

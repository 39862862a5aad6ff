"""From a plan to messages: the client's language, the tenant's own wording, chips or numbered lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from battcrm.kit.errors import Invalid
from battcrm.models.outgoing import OutButton
from battcrm.models.situation import Action, ChipPayload, Draft, Plan, Question, Situation
from battcrm.response.engine import builtin, custom, run
from battcrm.response.hours import presence
from battcrm.response.settings import ResponseSettings, Shop
from battcrm.response.text import first_name, plain, split_text

VERSION: Final = "texts-1"
_SHOP_FIELDS: Final = ("name", "address", "directions", "phone", "payment", "delivery", "warranty")
_SPEAKS: Final = frozenset({Action.AUTO, Action.CLARIFY, Action.SUGGEST, Action.OPERATOR})
_SHORT_LETTERS: Final = 12
_CYRILLIC: Final = re.compile("[а-яё]", re.IGNORECASE)


class TemplateComposer:
    """Implements the pipeline's Composer. Stateless: compiled templates are shared by the process."""

    def compose(self, plan: Plan, situation: Situation, settings: Any) -> tuple[Draft, ...]:
        """The messages of a plan, in order; empty for silence or a plan without text.

        Buttons (or, where the channel has none, numbered lines) are on the last message. Never raises for a tenant's
        broken wording: the built-in text is used instead. Raises Invalid when the plan itself is incomplete.
        """
        if plan.template is None or plan.action not in _SPEAKS:
            return ()
        tenant = settings if isinstance(settings, ResponseSettings) else ResponseSettings()
        text = self.text(plan, situation, tenant)
        rows: tuple[tuple[OutButton, ...], ...] = ()
        if plan.question is not None and plan.question.options:
            if situation.channel.buttons:
                rows = _chips(plan.question, situation)
            else:
                text = f"{text}\n{_numbered(plan.question)}"
        parts = split_text(text, situation.channel.text_limit or len(text))
        return tuple(Draft(part, rows if i == len(parts) - 1 else ()) for i, part in enumerate(parts))

    def text(self, plan: Plan, situation: Situation, tenant: ResponseSettings) -> str:
        """The words of a plan without its options."""
        language = pick_language(situation, tenant)
        context = base_context(situation, tenant, language) | plan.variables
        if context.get("own_part"):
            context["own_part_note"] = _render("own_part_note", language, context, tenant)
        keys = (*context["before"], plan.template or "", *context["also"])
        body = "\n\n".join(_render(key, language, context, tenant) for key in keys)
        if context.get("soft"):
            return f"{_render('soften', language, context, tenant)} {body}"
        return body


def pick_language(situation: Situation, tenant: ResponseSettings) -> str:
    """The client's language where the tenant offers it, else the tenant's first one.

    Texts of fewer than 12 letters say too little: then we stay in the language of the talk, or of the client's profile.
    """
    letters = sum(ch.isalpha() for m in situation.messages if m.fresh and m.direction == "in" for ch in m.text)
    if letters >= _SHORT_LETTERS:
        said = situation.reading.signals.language
    elif situation.last_bot_texts:
        said = "ru" if _CYRILLIC.search(situation.last_bot_texts[-1]) else "en"
    else:
        said = situation.client.locale[:2]
    return said if said in tenant.languages else tenant.languages[0]


def notice(
    key: str,
    tenant: ResponseSettings,
    variables: Mapping[str, Any],
    *,
    locale: str,
    client: str | None,
    now: datetime,
    timezone: str,
    shop: Mapping[str, Any],
) -> str:
    """A text that no turn gave rise to, in the client's language where the tenant offers it.

    Raises Invalid when a variable of the built-in text is missing.
    """
    language = locale if locale in tenant.languages else tenant.languages[0]
    context = _context(tenant, language, client=client, now=now, timezone=timezone, shop=shop)
    return _render(key, language, context | dict(variables), tenant)


def base_context(situation: Situation, tenant: ResponseSettings, language: str) -> dict[str, Any]:
    """What every text may use."""
    name, shop = situation.client.name, situation.shop
    return _context(tenant, language, client=name, now=situation.now, timezone=situation.timezone, shop=shop)


def _context(
    tenant: ResponseSettings,
    language: str,
    *,
    client: str | None,
    now: datetime,
    timezone: str,
    shop: Mapping[str, Any],
) -> dict[str, Any]:
    there = presence(tenant.hours, now, timezone)
    return {
        "client": first_name(client),
        "device": "",
        "before": [],
        "also": [],
        "shop": shop_facts(tenant.shop, shop, language),
        "now": now,
        "timezone": timezone,
        "hours_known": there.known,
        "open_now": there.open,
        "opens_at": there.opens_at,
        "answer_minutes": tenant.hours.answer_minutes,
    }


def shop_facts(shop: Shop, stored: Mapping[str, Any], language: str) -> dict[str, str]:
    """The shop's facts in a language: the section's, else those stored with the tenant, else empty."""
    own = shop.by_language.get(language, {})
    facts: dict[str, str] = {}
    for name in _SHOP_FIELDS:
        value = own.get(name) or getattr(shop, name) or stored.get(name) or ""
        facts[name] = (
            plain(str(value), 300).rstrip(".") if name not in {"directions", "delivery", "warranty"} else str(value)
        )
    return facts


def _render(key: str, language: str, context: Mapping[str, Any], tenant: ResponseSettings) -> str:
    source = tenant.templates.get(language, {}).get(key) if tenant.templates else None
    if source is not None:
        try:
            return run(custom(language, source), context)
        except Invalid:
            pass  # wording is the tenant's, the duty to answer is ours
    return run(builtin(language, key), context)


def _chips(question: Question, situation: Situation) -> tuple[tuple[OutButton, ...], ...]:
    number = situation.appeal.number if situation.appeal is not None else 0
    return tuple(
        (OutButton(title, _payload(question, value, index, number, situation).encode(), "callback"),)
        for index, (value, title) in enumerate(question.options, start=1)
    )


def _payload(question: Question, value: str, index: int, number: int, situation: Situation) -> ChipPayload:
    if question.field == "appeal":
        number = next((a.number for a in situation.appeals if str(a.appeal_id) == value), 0)
    return ChipPayload(number, question.field, 0 if value == "other" else index)


def _numbered(question: Question) -> str:
    return "\n".join(f"{index}. {title}" for index, (_, title) in enumerate(question.options, start=1))

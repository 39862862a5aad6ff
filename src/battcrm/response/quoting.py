"""When a price may be said, and with what beside it."""

from __future__ import annotations

from typing import Any

from battcrm.models.facts import PartOwner
from battcrm.models.situation import AppealStatus, Plan, Quote
from battcrm.response.case import Case
from battcrm.response.consent import agreement
from battcrm.response.labels import label
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.settings import QuotePolicy


def refusal_of(quote: Quote, case: Case) -> Rejection | str | None:
    """Why this quote may not be shown; None if it may. A refusal of the price engine is kept as it is."""
    policy = case.settings.quote
    if quote.refusal is not None:
        return quote.refusal
    ground = _groundless(quote, policy)
    if ground is not None:
        return ground
    if _bare(quote.model) != _bare(case.model or ""):
        return Rejection.WRONG_DEVICE
    if case.owner == PartOwner.CLIENT and not quote.labour_only:
        return Rejection.INCLUDES_PART
    return None


def _groundless(quote: Quote, policy: QuotePolicy) -> Rejection | None:
    """What is wrong with the quote itself."""
    basis = basis_of(quote, policy.min_repairs)
    if basis is None:
        return Rejection.NO_EVIDENCE
    if basis == "list" and not policy.allow_price_list:
        return Rejection.LIST_BARRED
    if not 0 < quote.low <= quote.high:
        return Rejection.BAD_RANGE
    if quote.high > quote.low * policy.max_spread:
        return Rejection.WIDE_RANGE
    return Rejection.SIBLING_BARRED if quote.sibling_model is not None and not policy.allow_sibling else None


def basis_of(quote: Quote, min_repairs: int = 1) -> str | None:
    """What the range rests on: `repairs` (our past ones), `list` (the shop's own fixed prices), None = nothing."""
    kinds = {e.kind for e in quote.evidence}
    if "repair" in kinds:
        return "repairs" if quote.n >= max(1, min_repairs) and quote.days > 0 else None
    return "list" if "price" in kinds else None


def plan_price(case: Case) -> Plan:
    """A quote with its evidence, or the honest alternative: diagnostics or a person."""
    quotes = _showable(case)
    limit = case.settings.quote.max_amount
    if limit is not None and any(q.high > limit for q in quotes):
        case.reject("quote", Rejection.ABOVE_LIMIT)
        return case.operator(Reason.PRICE_OUTSIDE)
    if not quotes:
        return _without_price(case)
    language = case.language
    priced = {q.repair_type for q in quotes}
    unpriced = [label("repair", r, language) for r in case.repairs if r not in priced]
    return case.answer(
        Reason.QUOTE,
        "quote",
        AppealStatus.QUOTED,
        agreement(case),
        quotes=[_shown(q, case) for q in quotes],
        unpriced=unpriced,
        own_part=case.owner == PartOwner.CLIENT,
        low=sum(q.low for q in quotes),
        high=sum(q.high for q in quotes),
        own_part_note="",
    )


def _showable(case: Case) -> list[Quote]:
    if not case.settings.quote.enabled:
        case.reject("quote", Rejection.QUOTES_OFF)
        return []
    # Prices and their rows do not come from the graph: what is there is good even when the graph is away.
    if case.situation.graph.unavailable is not None and not case.situation.graph.quotes:
        case.reject("quote", Rejection.GRAPH_AWAY)
        return []
    by_repair = {q.repair_type: q for q in case.situation.graph.quotes}
    shown = []
    for repair in case.repairs:
        quote = by_repair.get(repair)
        why = Rejection.NO_DATA if quote is None else refusal_of(quote, case)
        if quote is None or why is not None:
            case.reject(f"quote:{repair}", why or Rejection.NO_DATA)
        else:
            shown.append(quote)
    return shown


def _without_price(case: Case) -> Plan:
    policy = case.settings.quote
    if policy.without_price == "operator" or (policy.diagnostics_price is None and _asks_of_diagnostics(case)):
        case.reject("offer_diagnostics", "policy")
        return case.operator(Reason.PRICE_UNKNOWN)
    name = label("repair", case.repairs[0], case.language) if len(case.repairs) == 1 else ""
    name = "" if case.repairs and case.repairs[0] in {"diagnostics", "other"} else name
    return case.answer(
        Reason.NO_PRICE,
        "no_price",
        AppealStatus.COLLECTING,
        agreement(case),
        name=name,
        diagnostics_price=policy.diagnostics_price,
    )


def _asks_of_diagnostics(case: Case) -> bool:
    """What diagnostics costs is asked: "after diagnostics" would be no answer."""
    return "?" in case.text and any(f.value == "diagnostics" for f in case.situation.reading.main.repair_types)


def _shown(quote: Quote, case: Case) -> dict[str, Any]:
    """A quote as plain data for the template and the decision record."""
    part = quote.part_price if case.settings.quote.show_part_price and not quote.labour_only else None
    return {
        "repair": quote.repair_type,
        "name": label("repair", quote.repair_type, case.language),
        "low": quote.low,
        "high": quote.high,
        "span": (quote.low, quote.high),
        "median": quote.median,
        "n": quote.n,
        "days": quote.days,
        "part_price": part,
        "part_stock": quote.part_stock if part is not None else None,
        "priced_at": quote.part_priced_at if part is not None else None,
        "labour_only": quote.labour_only,
        "sibling": quote.sibling_model,
        "basis": basis_of(quote),
        "listed_at": max((e.at for e in quote.evidence if e.kind == "price" and e.at), default=None),
        "currency": quote.currency,
        "evidence": [e.ref for e in quote.evidence],
    }


def _bare(name: str) -> str:
    return "".join(ch for ch in name.lower() if ch.isalnum() or ch == "+")

"""What to answer to each kind of wish, once a person is not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from battcrm.models.facts import AppealType, Fact, Hypothesis
from battcrm.models.situation import AppealStatus, AppealView, PastAppeal, Plan, Question
from battcrm.response.case import Case
from battcrm.response.consent import AT_WORK, new_facts, price_is_out
from battcrm.response.labels import label
from battcrm.response.questions import next_field, plan_question, wish_options
from battcrm.response.quoting import plan_price
from battcrm.response.reasons import Reason
from battcrm.response.shop_info import beside, info, stated
from battcrm.response.text import device_name, join_name, plain
from battcrm.response.wording import asks_repairs, asks_total

_NO_ORDER: Final = frozenset({"new", "collecting", "quoted", "lost", "spam", "done"})
_FINISHED: Final = timedelta(days=14)
_NUMBER_CHARS: Final = 16
_MAX_ORDERS: Final = 5
_SAID_OF_THE_SHOP: Final = frozenset({Reason.INFO, Reason.INFO_UNKNOWN})


def by_routing(case: Case) -> Plan | None:
    """The message has no appeal: ask which, greet, or leave it."""
    routing = case.situation.routing
    if routing.action == "ask":
        return _ask_which(case)
    # A greeting alone asks nothing of what was settled; while a question is open, the question comes again.
    settled = price_is_out(case) or case.status in AT_WORK
    if case.situation.reading.signals.greeting_only and (routing.action == "none" or settled or _nothing_known(case)):
        return case.answer(Reason.GREETING, "greeting_again" if settled else "greeting")
    if routing.action == "none":
        return case.answer(Reason.GREETING, "greeting") if _knocks(case) else case.silence(Reason.NOTHING_TO_ANSWER)
    return None


def _knocks(case: Case) -> bool:
    """A stranger's "anybody there?", in whatever words: nobody is to meet silence at the door."""
    signals = case.situation.reading.signals
    answers = signals.agrees or signals.declines or signals.choice is not None
    talked = case.situation.appeals or any(m.direction == "out" for m in case.situation.messages)
    return any(ch.isalpha() for ch in case.text) and not (answers or talked)


def _nothing_known(case: Case) -> bool:
    known = case.known
    return not (known.brand or known.model or known.repair_types or known.candidates)


def _ask_which(case: Case) -> Plan:
    by_id = {a.appeal_id: a for a in case.situation.appeals}
    found = [by_id[i] for i in case.situation.routing.alternatives if i in by_id][: case.settings.max_options]
    if len(found) < 2 or asks_total(case.text):
        return case.operator(Reason.ROUTING_UNCLEAR)
    names = {device_name(a.known) for a in found}
    device = plain(names.pop(), 60) if len(names) == 1 else ""
    options = tuple((str(a.appeal_id), _title(a, device, case.language)) for a in found)
    return case.ask(Reason.WHICH_APPEAL, "ask_which_appeal", Question("appeal", options), device=device)


def _title(appeal: AppealView, common: str, language: str) -> str:
    """Device and fault; the fault alone where the device is common to all."""
    fault = next((label("fault", f.value, language) for f in appeal.known.repair_types), "")
    if common and fault:
        return plain(fault, 40)
    repairs, name = fault.lower(), device_name(appeal.known)
    return plain(", ".join(p for p in (name, repairs) if p) or f"№ {appeal.number}", 40)


def unchanged(case: Case) -> Plan | None:
    """An edit that says what was said before: a typo put right is no second question."""
    appeal = case.situation.appeal
    if appeal is None or not case.only_edits or not new_facts(case):
        return None
    same = {(name, f.value) for name, f in _facts(case.known)} == {(name, f.value) for name, f in _facts(appeal.known)}
    return case.silence(Reason.NOTHING_TO_ANSWER) if same and not case.known.candidates else None


def _facts(known: Hypothesis) -> Iterator[tuple[str, Fact]]:
    for name in ("brand", "model", "part_owner"):
        fact = getattr(known, name)
        if fact is not None:
            yield name, fact
    yield from (("repair", fact) for fact in known.repair_types)


def repair(case: Case) -> Plan:
    """Collect what the price depends on, then say it with its evidence."""
    if case.status in AT_WORK:
        if case.only_edits and new_facts(case):
            return case.operator(Reason.CHANGED_AGREED)  # what was agreed to is not what is wanted any more
        return stated(case) or case.operator(Reason.AT_WORK)
    if price_is_out(case) and not new_facts(case):
        return stated(case) or case.operator(Reason.AFTER_QUOTE)
    field = next_field(case)
    if field is not None:
        told = None if new_facts(case) else stated(case)
        return told or not_understood(case) or plan_question(case, field)
    return plan_price(case)


def not_understood(case: Case) -> Plan | None:
    """The answer to our question said nothing we know: once more in other words, then a person."""
    appeal = case.situation.appeal
    if appeal is None or appeal.expecting is None or case.learned:
        return None
    if case.situation.reading.signals.greeting_only or case.chose_other:
        return None
    case.flag("misunderstood")
    if appeal.misunderstood + 1 >= case.settings.max_misunderstood:
        failed = case.situation.model_failed
        if failed is not None:
            case.reject("model", failed)
        return case.operator(Reason.MODEL_FAILED if failed is not None else Reason.MISUNDERSTOOD)
    return None


def trade(case: Case) -> Plan:
    """Buying and selling: a person names the price; the model is asked first so that they can."""
    selling = case.wish is AppealType.SELL
    if case.model is None and "model" not in case.asked and not case.known.candidates:
        template = "ask_sell_model" if selling else "ask_buy_model"
        return case.ask(Reason.ASK_FIELD, template, Question("model"))
    if case.model is None and case.known.candidates and "model" not in case.asked:
        return plan_question(case, "model")
    return case.operator(Reason.SELL if selling else Reason.PURCHASE)


def status(case: Case) -> Plan:
    """State of the client's orders from data; else the number; else a person."""
    orders = _orders(case)
    numbers = {_digits(n) for n in case.situation.reading.signals.order_numbers}
    if numbers:
        orders = [o for o in orders if _digits(o.ref) in numbers]
        if not orders:
            case.reject("status", "no_such_order")
            return case.operator(Reason.STATUS_UNKNOWN)
    said = case.situation.reading.main.model
    matching = [o for o in orders if said is not None and o.model is not None and o.model.lower() == said.value.lower()]
    orders = matching or orders
    if orders:
        rows = [
            {"ref": o.ref, "title": _order_title(o, case.language), "status": plain(o.status, 60)}
            for o in orders[:_MAX_ORDERS]
        ]
        return case.answer(Reason.STATUS_KNOWN, "status_orders", orders=rows)
    if price_is_out(case) and not numbers:
        return case.operator(Reason.AFTER_QUOTE)  # "and when will you do it?" after a price is about no order yet
    if "order" in case.asked or len(case.asked) >= case.settings.max_questions:
        return case.operator(Reason.STATUS_UNKNOWN)
    return case.ask(Reason.ASK_ORDER, "ask_order_number", Question("order"))


def _orders(case: Case) -> list[PastAppeal]:
    """What is with us: the client's appeals at work or just finished, and open orders of connected systems."""
    current = case.situation.appeal
    appeals = case.situation.appeals or ((current,) if current is not None else ())
    own = [a for a in appeals if a.status in AT_WORK or _just_done(a, case)]
    told = {str(a.appeal_id) for a in appeals} | {_digits(str(a.number)) for a in own}
    foreign = [
        o for o in case.situation.client.open_orders if o.status not in _NO_ORDER and not {o.ref, _digits(o.ref)} & told
    ]
    return [*foreign, *(PastAppeal(str(a.number), *_names(a), (), str(a.status), a.touched_at) for a in own)]


def _just_done(appeal: AppealView, case: Case) -> bool:
    closed = appeal.closed_at
    return appeal.status is AppealStatus.DONE and closed is not None and case.situation.now - closed <= _FINISHED


def _names(appeal: AppealView) -> tuple[str | None, str | None]:
    known = appeal.known
    return known.brand.value if known.brand else None, known.model.value if known.model else None


def _order_title(order: PastAppeal, language: str) -> str:
    name = join_name(order.brand or "", order.model or "")
    number = f"№ {order.ref}" if len(order.ref) <= _NUMBER_CHARS else ""  # longer ones are keys, not numbers
    return plain(", ".join(p for p in (number, name) if p) or label("wish", "repair", language), 80)


def _digits(text: str) -> str:
    return "".join(ch for ch in text if ch.isalnum()).lower().lstrip("0")


def unclear(case: Case) -> Plan:
    """No wish was understood: ask for it once or twice, then a person."""
    if case.situation.reading.signals.phones:
        return case.operator(Reason.CALL_ME)
    if asks_repairs(case.text):
        return info(case)
    handed = not_understood(case)
    if handed is not None:
        return handed
    if len(case.asked) >= case.settings.max_questions or case.asked.count("appeal_type") >= 2:
        return case.operator(Reason.MAX_QUESTIONS)
    case.flag("misunderstood")
    template = "ask_wish" if "appeal_type" not in case.asked else "off_topic"
    return case.ask(Reason.NOT_UNDERSTOOD, template, Question("appeal_type", wish_options(case)))


FLOWS: Final[dict[AppealType, Callable[[Case], Plan]]] = {
    AppealType.REPAIR: repair,
    AppealType.PURCHASE: trade,
    AppealType.SELL: trade,
    AppealType.STATUS: status,
    AppealType.INFO: info,
}


def by_wish(case: Case) -> Plan:
    """The flow of the wish, with answers to what is asked about the shop beside it; a question when there is no wish."""
    plan = FLOWS.get(case.wish, unclear)(case) if case.wish is not None else unclear(case)
    return plan if plan.reason in _SAID_OF_THE_SHOP else beside(case, plan)

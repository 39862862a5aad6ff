"""What to answer to each kind of wish, once a person is not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from battcrm.models.facts import AppealType, Fact, Hypothesis
from battcrm.models.situation import AppealStatus, AppealView, PastAppeal, Plan, Question
from battcrm.response.case import Case
from battcrm.response.generator import shop_facts
from battcrm.response.hours import week_lines
from battcrm.response.labels import label
from battcrm.response.questions import next_field, plan_question, wish_options
from battcrm.response.quoting import plan_price
from battcrm.response.reasons import Reason, Rejection
from battcrm.response.text import device_name, join_name, plain
from battcrm.response.wording import asks_service, topic_of

_AT_WORK: Final = frozenset({AppealStatus.AGREED, AppealStatus.IN_REPAIR})
_OPEN_TALK: Final = frozenset({AppealStatus.NEW, AppealStatus.COLLECTING, AppealStatus.QUOTED})
_NO_ORDER: Final = frozenset({"new", "collecting", "quoted", "lost", "spam", "done"})
_FINISHED: Final = timedelta(days=14)
_NUMBER_CHARS: Final = 16
_MAX_ORDERS: Final = 5


def by_routing(case: Case) -> Plan | None:
    """The message has no appeal: ask which, greet, or leave it."""
    routing = case.situation.routing
    if routing.action == "ask":
        return _ask_which(case)
    # A greeting alone asks nothing of what was settled; while a question is open, the question comes again.
    settled = _price_is_out(case) or case.status in _AT_WORK
    if case.situation.reading.signals.greeting_only and (routing.action == "none" or settled or _nothing_known(case)):
        return case.answer(Reason.GREETING, "greeting_again" if settled else "greeting")
    if routing.action == "none":
        return case.silence(Reason.NOTHING_TO_ANSWER)
    return None


def _nothing_known(case: Case) -> bool:
    known = case.known
    return not (known.brand or known.model or known.repair_types or known.candidates)


def _ask_which(case: Case) -> Plan:
    by_id = {a.appeal_id: a for a in case.situation.appeals}
    found = [by_id[i] for i in case.situation.routing.alternatives if i in by_id][: case.settings.max_options]
    if len(found) < 2:
        return case.operator(Reason.ROUTING_UNCLEAR)
    options = tuple((str(a.appeal_id), _title(a, case.language)) for a in found)
    return case.ask(Reason.WHICH_APPEAL, "ask_which_appeal", Question("appeal", options))


def _title(appeal: AppealView, language: str) -> str:
    repairs = ", ".join(label("fault", f.value, language).lower() for f in appeal.known.repair_types[:1])
    name = device_name(appeal.known)
    return plain(", ".join(p for p in (name, repairs) if p) or f"№ {appeal.number}", 40)


def by_consent(case: Case) -> Plan | None:
    """Yes or no to a price or to an offer of diagnostics."""
    appeal, consent = case.situation.appeal, case.consent
    if appeal is None or consent is None:
        return None
    what = "agreed" if consent else "declined"
    if _new_facts(case) and not _only_named_again(case):
        case.reject(what, Rejection.NEW_FACTS)
        return None
    if not (_price_is_out(case) or _declined_before(case)):
        case.reject(what, Rejection.NOT_ACTIVE_STATUS)
        settled = consent and case.status not in _OPEN_TALK and not (case.learned or "?" in case.text)
        return case.silence(Reason.NOTHING_TO_ANSWER) if settled else None
    if not consent:
        return case.answer(Reason.DECLINED, "declined", AppealStatus.LOST)
    return case.answer(Reason.AGREED, "agreed", AppealStatus.AGREED)


def _new_facts(case: Case) -> bool:
    said = case.situation.reading.main
    corrected = case.situation.reading.signals.correction and said.brand is not None
    return bool(said.model or said.repair_types or said.part_owner or said.candidates or corrected)


def _only_named_again(case: Case) -> bool:
    """A yes that names the device and the repair it is about says nothing new."""
    appeal, said = case.situation.appeal, case.situation.reading.main
    if appeal is None or said.part_owner is not None or said.candidates:
        return False
    before = appeal.known
    same = said.model is None or (before.model is not None and said.model.value == before.model.value)
    return same and {f.value for f in said.repair_types} <= {f.value for f in before.repair_types}


def unchanged(case: Case) -> Plan | None:
    """An edit that says what was said before: a typo put right is no second question."""
    appeal = case.situation.appeal
    if appeal is None or not case.fresh or any(m.kind != "edit" for m in case.fresh) or not _new_facts(case):
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
    if case.status in _AT_WORK:
        return _stated(case) or case.operator(Reason.AT_WORK)
    if _price_is_out(case) and not _new_facts(case):
        return _stated(case) or case.operator(Reason.AFTER_QUOTE)
    field = next_field(case)
    if field is not None:
        return not_understood(case) or plan_question(case, field)
    return plan_price(case)


def _price_is_out(case: Case) -> bool:
    """A price, or the offer of diagnostics instead of one, has been said and waits for a yes."""
    appeal = case.situation.appeal
    return case.status is AppealStatus.QUOTED or (appeal is not None and appeal.expecting == "agreement")


def _declined_before(case: Case) -> bool:
    """A price was said and refused, and the client has come back to it."""
    appeal = case.situation.appeal
    back = appeal is not None and appeal.status is AppealStatus.LOST and appeal.quoted_low is not None
    # "Well, and how long does it take?" is no yes yet.
    return back and case.situation.routing.action == "reopen" and "?" not in case.text


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
    if "order" in case.asked or len(case.asked) >= case.settings.max_questions:
        return case.operator(Reason.STATUS_UNKNOWN)
    return case.ask(Reason.ASK_ORDER, "ask_order_number", Question("order"))


def _orders(case: Case) -> list[PastAppeal]:
    """What is with us: the client's appeals at work or just finished, and open orders of connected systems."""
    current = case.situation.appeal
    appeals = case.situation.appeals or ((current,) if current is not None else ())
    own = [a for a in appeals if a.status in _AT_WORK or _just_done(a, case)]
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


def info(case: Case) -> Plan:
    """A fact about the shop, only if the shop has stated it."""
    topic = topic_of(case.text)
    stated = _stated(case)
    if stated is not None:
        return stated
    # "Do you do these?" may leave the device out, if it asks that at all.
    wanted = case.situation.reading.main.device_class or (case.known.device_class if asks_service(case.text) else None)
    if topic is None and wanted is not None and wanted in case.settings.shop.services:
        return case.answer(Reason.INFO, "info_services")
    case.reject(f"info_{topic or 'general'}", "no_such_fact")
    return case.operator(Reason.INFO_UNKNOWN)


def _stated(case: Case) -> Plan | None:
    """The answer to a question about the shop that the shop has stated; None if it is no such question."""
    topic = topic_of(case.text)
    if topic == "hours" and case.settings.hours.week:
        return case.answer(Reason.INFO, "info_hours", week=_week(case))
    facts = shop_facts(case.settings.shop, case.situation.shop, case.language)
    return case.answer(Reason.INFO, f"info_{topic}") if topic is not None and facts.get(topic) else None


def _week(case: Case) -> list[str]:
    lines = []
    for first, last, spans in week_lines(case.settings.hours):
        name = label("weekday", first, case.language)
        if first != last:
            name = f"{name}–{label('weekday', last, case.language)}"
        lines.append(f"{name}: {spans or label('weekday', 'closed', case.language)}")
    return lines


def unclear(case: Case) -> Plan:
    """No wish was understood: ask for it once or twice, then a person."""
    if case.situation.reading.signals.phones:
        return case.operator(Reason.CALL_ME)
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
    """The flow of the wish; a question about the wish when there is none."""
    return FLOWS.get(case.wish, unclear)(case) if case.wish is not None else unclear(case)

"""The routing rules. Each looks at one kind of evidence and answers None when it has nothing to say."""

from __future__ import annotations

from typing import Final

from battcrm.models.facts import AppealType
from battcrm.models.situation import AppealStatus, AppealView, Routing
from battcrm.resolution.match import AT_WORK, CLASS_OF_REPAIR, EARLY, WISHES, Fit, answers
from battcrm.resolution.pools import (
    QUIET,
    ask,
    best_fitting,
    continue_or_link,
    done,
    existing,
    foreign_repairs,
    lost,
    narrow,
    new,
    reopen,
    same_device,
)
from battcrm.resolution.reasons import Why
from battcrm.resolution.view import View

_SAME_TALK_MINUTES: Final = 60
_SAME_DAY_HOURS: Final = 24


def by_button(view: View) -> Routing | None:
    """A pressed chip carries its appeal."""
    number = view.chip_number()
    for appeal in view.open:
        if number and appeal.number == number:
            return existing(appeal, Why.BUTTON, 1.0)
    for appeal in view.closed:
        if number and appeal.number == number and appeal.status is AppealStatus.LOST:
            return reopen(appeal, Why.BUTTON, 0.95)
    return None


def by_reply(view: View) -> Routing | None:
    """An answer that quotes a message belongs to that message's appeal, unless it names another device."""
    target = view.replied_appeal()
    if target is None or (view.fit(target) is Fit.DIFFERENT and not view.signals.correction):
        return None
    if target in view.open:
        return continue_or_link(view, target, Why.REPLY, 0.97)
    if view.signals.thanks_only or view.signals.greeting_only or not view.substantial:
        return Routing("none", None, Why.COURTESY, 0.95)
    return _closed(view, target)


def by_edit(view: View) -> Routing | None:
    """A changed message changes the appeal it had opened, whatever it names now; added words may announce one more."""
    appeal = view.edited_appeal()
    if appeal is None or (appeal.status in AT_WORK and view.says_another):
        return None
    return existing(appeal, Why.CORRECTION, 0.95)


def not_about_an_appeal(view: View) -> Routing | None:
    """Thanks, greetings, spam and stop words neither create nor reopen anything."""
    signals = view.signals
    if signals.spam or signals.threat:
        return Routing("none", None, Why.SPAM, 0.95)
    if signals.opt_out:
        return Routing("none", None, Why.OPT_OUT, 0.95)
    if signals.thanks_only or signals.greeting_only:
        if view.open:
            return existing(view.open[0], Why.COURTESY, 0.9, view.open)
        return Routing("none", None, Why.COURTESY, 0.95)
    if signals.off_topic and not (view.device.named or view.repairs):
        if view.open:
            return existing(view.open[0], Why.OFF_TOPIC, 0.8, view.open)
        return Routing("none", None, Why.OFF_TOPIC, 0.9)
    return None


def by_chosen_appeal(view: View) -> Routing | None:
    """The answer to our own "which device do you mean?": an option number, counted from 1."""
    choice = view.signals.choice
    for appeal in view.open:
        if appeal.expecting == "appeal" and choice is not None and 1 <= choice <= len(appeal.options):
            wanted = appeal.options[choice - 1]
            for candidate in view.open:
                if str(candidate.appeal_id) == wanted:
                    return existing(candidate, Why.CHOSEN, 0.98)
    return None


def by_order_number(view: View) -> Routing | None:
    """An appeal's own number was named."""
    numbers = {n.lstrip("№#0") for n in view.signals.order_numbers}
    for appeal in (*view.open, *view.closed):
        if str(appeal.number) in numbers and view.fit(appeal) is not Fit.DIFFERENT:
            if appeal in view.open:
                return existing(appeal, Why.ORDER_NUMBER, 0.97)
            return _closed(view, appeal)
    return None


def by_warranty(view: View) -> Routing | None:
    """A complaint reopens the repair it complains about."""
    if view.type is not AppealType.WARRANTY:
        return _under_guarantee(view)
    talking = [a for a in view.open if view.appeal_type(a) is AppealType.WARRANTY and view.fit(a) is not Fit.DIFFERENT]
    if talking:
        return existing(talking[0], Why.WARRANTY_OPEN, 0.92, talking)
    finished = best_fitting(view, done(view, view.settings.warranty_days))
    if not finished:
        return _warranty_without_done(view)
    by_repair = [a for a in finished if view.repairs & view.appeal_repairs(a)]
    chosen = by_repair or finished
    if len(chosen) == 1 or same_device(chosen):
        return reopen(chosen[0], Why.WARRANTY, 0.95)
    return ask(Why.WARRANTY_SEVERAL, chosen)


def _under_guarantee(view: View) -> Routing | None:
    """A part we have put in, said to be "under guarantee" while something else is open: it is about that repair."""
    if not view.repairs or not view.says_guarantee or any(view.repairs & view.appeal_repairs(a) for a in view.open):
        return None
    finished = done(view, view.settings.warranty_days)
    ours = [a for a in finished if view.repairs & view.appeal_repairs(a) and view.fit(a) is not Fit.DIFFERENT]
    return reopen(ours[0], Why.WARRANTY, 0.8) if len(ours) == 1 else None


def _warranty_without_done(view: View) -> Routing:
    fitting = [a for a in view.open if view.device.named and view.fit(a) >= Fit.COMPATIBLE]
    if len(fitting) == 1:
        return existing(fitting[0], Why.WARRANTY_OPEN, 0.85)
    at_work = [a for a in view.open if a.status in AT_WORK]
    if len(at_work) == 1 and not view.device.named:
        return existing(at_work[0], Why.WARRANTY_OPEN, 0.75)
    return new(Why.WARRANTY_UNKNOWN, 0.8)


def by_status_question(view: View) -> Routing | None:
    """A question whether it is ready is about something that is with us."""
    if view.type is not AppealType.STATUS:
        return None
    fitting = narrow(view, [a for a in view.open if view.fit(a) not in {Fit.DIFFERENT, Fit.FILLS}])
    at_work = [a for a in fitting if a.status in AT_WORK]
    pool = at_work or fitting
    if len(pool) == 1:
        return existing(pool[0], Why.STATUS, 0.93 if at_work else 0.8)
    if pool:
        return ask(Why.STATUS_SEVERAL, pool)
    recent = best_fitting(view, done(view, view.settings.post_service_days))
    if recent:
        return reopen(recent[0], Why.POST_SERVICE, 0.85)
    return new(Why.STATUS, 0.85)


def by_correction(view: View) -> Routing | None:
    """A correction ("not the 12, the 12 Pro") changes the appeal in hand instead of opening another."""
    if not view.signals.correction or not view.open:
        return None
    exact = [a for a in view.open if view.fit(a) is Fit.SAME]
    if exact:
        return existing(exact[0], Why.CORRECTION, 0.85, view.open)
    near = [a for a in view.open if view.fit(a) in {Fit.REFINES, Fit.FILLS, Fit.COMPATIBLE}]
    early = [a for a in view.open if a.status in EARLY]
    if view.asks_of_another and not any(a.status in EARLY for a in near):
        return None  # "and for the 14 Pro Max?" after a price is one more device, whatever it looks like
    chosen = (near or early or list(view.open))[0]
    return existing(chosen, Why.CORRECTION, 0.85, view.open)


def by_device(view: View) -> Routing | None:
    """A device was named: the appeal about it, the appeal that was waiting for it, or a new one."""
    if not view.device.named or not view.open:
        return None
    same = [a for a in view.open if view.fit(a) is Fit.SAME]
    waiting = [a for a in view.open if answers(view.wish, a, view.floor, None) and a.expecting in {"model", "brand"}]
    if waiting and view.bare_device and not view.says_another:
        answered = _answered(view, waiting, same)
        if answered is not None:
            return answered
    if same:
        return _among_same(view, same)
    near = [a for a in view.open if view.fit(a) is Fit.REFINES and a.status in EARLY]
    if len(near) == 1 and not view.says_another:
        return existing(near[0], Why.MODEL_REFINED, 0.85)
    compatible = narrow(view, [a for a in view.open if view.fit(a) is Fit.COMPATIBLE])
    if len(compatible) == 1:
        return continue_or_link(view, compatible[0], Why.COMPATIBLE_DEVICE, 0.88)
    if compatible:
        return _several_compatible(view, compatible)
    return _fill(view)


def _answered(view: View, waiting: list[AppealView], same: list[AppealView]) -> Routing | None:
    fitting = [a for a in waiting if view.fit(a) is not Fit.DIFFERENT]
    if len(fitting) == 1 and not any(a.touched_at > fitting[0].touched_at for a in same):
        return existing(fitting[0], Why.ANSWER, 0.93)
    if not fitting and not same and waiting[0] is view.open[0]:
        return existing(waiting[0], Why.ANSWER, 0.8)
    return None


def _among_same(view: View, same: list[AppealView]) -> Routing:
    if len(same) == 1:
        return continue_or_link(view, same[0], Why.SAME_DEVICE, 0.96)
    overlap = [a for a in same if view.repairs & view.appeal_repairs(a)]
    if overlap:
        return existing(overlap[0], Why.SAME_DEVICE, 0.93, same)
    return continue_or_link(view, same[0], Why.SAME_DEVICE, 0.85)


def _several_compatible(view: View, compatible: list[AppealView]) -> Routing:
    overlap = [a for a in compatible if view.repairs & view.appeal_repairs(a)]
    if len(overlap) == 1:
        return existing(overlap[0], Why.COMPATIBLE_DEVICE, 0.87, compatible)
    expecting = [a for a in compatible if answers(view.wish, a, view.floor, None)]
    if len(expecting) == 1:
        return existing(expecting[0], Why.ANSWER, 0.85, compatible)
    return ask(Why.DEVICE_SEVERAL, compatible)


def _fill(view: View) -> Routing | None:
    empty = [a for a in view.open if view.fit(a) is Fit.FILLS and a.status in EARLY]
    if empty and not (view.says_another and foreign_repairs(view, empty[0])):
        overlap = [a for a in empty if view.repairs & view.appeal_repairs(a)]
        if len(empty) == 1 or overlap:
            return existing((overlap or empty)[0], Why.DEVICE_FILLS, 0.9, empty)
        if not view.repairs:
            return existing(empty[0], Why.DEVICE_FILLS, 0.75, empty)
    return by_closed_device(view) or _same_question(view) or new(Why.OTHER_DEVICE, 0.92)


def _same_question(view: View) -> Routing | None:
    """The question "and for a 12?" soon after a price asks the same about another device."""
    last = view.open[0]
    asks = view.bare_device and view.and_what_about and last.status is AppealStatus.QUOTED
    fresh = view.minutes_since(last) <= _SAME_TALK_MINUTES
    return new(Why.SAME_QUESTION, 0.85, last) if asks and fresh else None


def by_closed_device(view: View) -> Routing | None:
    """A device we had before, with nothing open about it."""
    if not view.device.named or view.only_thanks:
        return None
    fitting = [a for a in best_fitting(view, list(view.closed)) if view.fit(a) is not Fit.FILLS]
    for appeal in fitting:
        routing = _closed(view, appeal)
        if routing.action == "reopen":
            return routing
    return new(Why.RETURNING_DEVICE, 0.9, fitting[0]) if fitting else None


def _closed(view: View, appeal: AppealView) -> Routing:
    """A substantial message about a closed appeal: reopen it, or a new one linked to it."""
    foreign = foreign_repairs(view, appeal) or view.type in {AppealType.PURCHASE, AppealType.SELL}
    if appeal.status is AppealStatus.LOST:
        if not foreign and view.within(appeal.touched_at, view.settings.same_repair_days):
            return reopen(appeal, Why.LOST_RETURNS, 0.88)
        return new(Why.RETURNING_DEVICE, 0.85, appeal)
    if foreign:
        return new(Why.SAME_DEVICE_NEW_REPAIR, 0.9, appeal)
    if view.within(appeal.closed_at, view.settings.post_service_days):
        return reopen(appeal, Why.POST_SERVICE, 0.9)
    if view.repairs and view.within(appeal.closed_at, view.settings.same_repair_days):
        return reopen(appeal, Why.SAME_REPAIR_RECENT, 0.88)
    return new(Why.RETURNING_DEVICE, 0.85, appeal)


def without_open(view: View) -> Routing | None:
    """Nothing is open: a recent closing is reopened by a question about it, else a new appeal starts."""
    if view.open:
        return None
    if not view.substantial:
        return _lost_agreed(view) or Routing("none", None, Why.NOTHING_SAID, 0.8)
    if view.device.named:
        return new(Why.FIRST, 0.93)
    recent = done(view, view.settings.post_service_days)
    if recent and not foreign_repairs(view, recent[0]) and view.type not in {AppealType.PURCHASE, AppealType.SELL}:
        return reopen(recent[0], Why.POST_SERVICE, 0.85)
    dropped = lost(view)
    if dropped and view.repairs & view.appeal_repairs(dropped[0]):
        return reopen(dropped[0], Why.LOST_RETURNS, 0.8)
    return _second_thought(view, dropped) or _of_the_same_device(view, dropped) or new(Why.FIRST, 0.93)


def _of_the_same_device(view: View, dropped: list[AppealView]) -> Routing | None:
    """Soon after a closing "and the battery?" is about the device in hand."""
    just = done(view, view.settings.post_service_days) + [a for a in dropped if view.hours_since(a) <= _SAME_DAY_HOURS]
    newest = max(just, key=lambda a: a.touched_at, default=None)
    if newest is None or not foreign_repairs(view, newest) or view.type not in {None, AppealType.REPAIR}:
        return None
    return new(Why.NEW_REPAIR, 0.8, newest)


def _second_thought(view: View, dropped: list[AppealView]) -> Routing | None:
    """Soon after a refusal ("too dear") words that name nothing new belong to what was refused."""
    foreign = view.type in {AppealType.PURCHASE, AppealType.SELL, AppealType.STATUS}
    if not dropped or foreign or foreign_repairs(view, dropped[0]):
        return None
    return (
        reopen(dropped[0], Why.LOST_RETURNS, 0.8)
        if view.hours_since(dropped[0]) <= view.settings.lost_reply_hours
        else None
    )


def _lost_agreed(view: View) -> Routing | None:
    dropped = lost(view)
    if view.signals.firm and dropped and view.within(dropped[0].touched_at, view.settings.post_service_days):
        return reopen(dropped[0], Why.LOST_RETURNS, 0.8)
    return None


def by_only_open(view: View) -> Routing | None:
    """The only open appeal takes what names no device."""
    if len(view.open) != 1:
        return None
    back = [a for a in lost(view) if view.repairs & view.appeal_repairs(a)]
    if back and view.signals.agrees and foreign_repairs(view, view.open[0]) and not view.device.named:
        return reopen(back[0], Why.LOST_RETURNS, 0.8)  # a yes to what was once declined, in the same words
    return continue_or_link(view, view.open[0], Why.ONLY_OPEN, 0.9)


def by_asked_repair(view: View) -> Routing | None:
    """What is wrong with the device that was asked about last, also when another one has the same fault."""
    asked = [a for a in view.open if a.expecting == "repair_types" and a.touched_at == view.open[0].touched_at]
    if not view.repairs or view.device.named or len(asked) != 1 or view.appeal_repairs(asked[0]):
        return None
    return existing(asked[0], Why.ANSWER, 0.9, view.open)


def by_repair(view: View) -> Routing | None:
    """Several are open: the one whose repair was named, or whose device can have such a fault at all."""
    if not view.repairs:
        return None
    overlap = [a for a in view.open if view.repairs & view.appeal_repairs(a)]
    if view.type in WISHES:
        overlap = [a for a in overlap if view.appeal_type(a) in {view.type, None}] or overlap
    if overlap:
        early = [a for a in overlap if a.status in EARLY]
        chosen = overlap if len(overlap) == 1 else early
        return existing(chosen[0], Why.REPAIR, 0.9, view.open) if len(chosen) == 1 else _recent(view, overlap)
    classes = {CLASS_OF_REPAIR[r] for r in view.repairs if r in CLASS_OF_REPAIR}
    fitting = [a for a in view.open if a.known.device_class in classes]
    if len(fitting) == 1:
        return continue_or_link(view, fitting[0], Why.REPAIR_CLASS, 0.85)
    waiting = [a for a in view.open if not view.appeal_repairs(a) and a.status in EARLY]
    if len(waiting) == 1:
        return existing(waiting[0], Why.ANSWER, 0.85, view.open)
    one = len(view.open) > 1 and view.open[0].known.model is not None and same_device(list(view.open))
    return continue_or_link(view, view.open[0], Why.SAME_DEVICE, 0.85) if one and not view.device.named else None


def by_expectation(view: View) -> Routing | None:
    """Several are open: the one that was asked what the message answers, or waits for a yes or no."""
    signals = view.signals
    asked = [a for a in view.open if answers(view.wish, a, view.floor, signals.choice)]
    if signals.agrees or signals.declines:
        asked = asked or [a for a in view.open if a.status is AppealStatus.QUOTED or a.options]
    if len(asked) == 1:
        return existing(asked[0], Why.ANSWER, 0.9, view.open)
    return _recent(view, asked) if asked else None


def by_recency(view: View) -> Routing | None:
    """Several are open and nothing tells them apart: the one spoken of last, if it clearly was the last."""
    if not view.open:
        return None
    if view.type in QUIET and view.type is not AppealType.STATUS and not view.repairs:
        return existing(view.open[0], Why.GENERAL, 0.8, view.open)
    if view.repairs:
        return None
    return _recent(view, list(view.open))


def _recent(view: View, appeals: list[AppealView]) -> Routing | None:
    if len(appeals) == 1:
        return existing(appeals[0], Why.RECENT, 0.85, view.open)
    gap = (appeals[0].touched_at - appeals[1].touched_at).total_seconds() / 60
    if gap >= view.settings.recent_gap_minutes:
        return existing(appeals[0], Why.RECENT, 0.8, view.open)
    return ask(Why.SEVERAL_OPEN, appeals)

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.kit.ids import derived_id
from battcrm.models.facts import REPAIR_TYPES, AppealType, Reading, Signals
from battcrm.models.situation import AppealStatus, AppealView, ChipPayload, Control, Routing, TurnMessage
from battcrm.resolution.appeal import DeviceAppealRouter
from battcrm.resolution.reasons import Why
from battcrm.resolution.settings import ResolutionSettings
from tests.unit.resolution.replay import START, hypothesis, replay_all, signals

ROUTER = DeviceAppealRouter()


def appeal(letter: str, status: str = "collecting", days_ago: float = 0, number: int = 1, **say: Any) -> AppealView:
    at = START - timedelta(days=days_ago)
    expecting = say.pop("expecting", None)
    options = say.pop("options", ())
    closed = at if status in {"done", "lost"} else None
    return AppealView(
        derived_id("appeal", letter), number, AppealStatus(status), Control.BOT, None, at, at, closed,
        hypothesis({"type": "repair"} | say), expecting=expecting, options=options,
    )  # fmt: skip


def message(text: str = "", **more: Any) -> TurnMessage:
    return TurnMessage(derived_id("m", text), 1, "in", "message", text, START, True, **more)


def route(appeals: list[AppealView], say: dict[str, Any], text: str = "", **signal: Any) -> Routing:
    return ROUTER.route([message(text)], Reading((hypothesis(say),), signals(signal)), appeals)


IPHONE: dict[str, Any] = {"brand": "Apple", "model": "iPhone 13", "class": "phone"}
GALAXY: dict[str, Any] = {"brand": "Samsung", "model": "Galaxy A52", "class": "phone"}


def test_labelled_dialogues_stay_inside_the_error_budget() -> None:
    outcomes = replay_all(ROUTER)
    wrong = [o for o in outcomes if o.wrong]
    asked = [o for o in outcomes if o.asked]
    assert len(outcomes) >= 300
    assert len(wrong) / len(outcomes) <= 0.02, [(o.dialogue, o.text, o.expected, o.got) for o in wrong]
    assert len(asked) / len(outcomes) <= 0.15


def test_labelled_dialogues_reach_most_rules() -> None:
    reasons = Counter(o.routing.reason for o in replay_all(ROUTER))
    assert len(reasons) >= 20, reasons


# product table: "Duplicate appeals" and "Reopen"
CASES: list[tuple[str, list[AppealView], dict[str, Any], dict[str, Any], str, str | None, Why]] = [
    ("same device and repair within 14 days", [appeal("a", "quoted", 13, repairs=["screen"], **IPHONE)],
     IPHONE | {"type": "repair", "repairs": ["screen"]}, {}, "existing", "a", Why.SAME_DEVICE),
    ("same device and repair after 15 days", [appeal("a", "quoted", 15, repairs=["screen"], **IPHONE)],
     IPHONE | {"type": "repair", "repairs": ["screen"]}, {}, "new", None, Why.SAME_DEVICE_STALE),
    ("in repair never gets stale", [appeal("a", "in_repair", 40, repairs=["screen"], **IPHONE)],
     IPHONE | {"repairs": ["screen"]}, {}, "existing", "a", Why.SAME_DEVICE),
    ("new repair while collecting is the same appeal", [appeal("a", "collecting", 0, repairs=["screen"], **IPHONE)],
     IPHONE | {"type": "repair", "repairs": ["battery"]}, {}, "existing", "a", Why.SAME_DEVICE),
    ("new repair after a quote is linked", [appeal("a", "quoted", 0, repairs=["screen"], **IPHONE)],
     IPHONE | {"type": "repair", "repairs": ["battery"]}, {}, "new", None, Why.SAME_DEVICE_NEW_REPAIR),
    ("other device", [appeal("a", "quoted", 0, repairs=["screen"], **IPHONE)],
     GALAXY | {"type": "repair"}, {}, "new", None, Why.OTHER_DEVICE),
    ("two days after done", [appeal("a", "done", 2, repairs=["screen"], **IPHONE)],
     {"type": "info"}, {}, "reopen", "a", Why.POST_SERVICE),
    ("four days after done", [appeal("a", "done", 4, repairs=["screen"], **IPHONE)],
     {"type": "info"}, {}, "new", None, Why.FIRST),
    ("warranty words", [appeal("a", "done", 60, repairs=["screen"], **IPHONE)],
     {"type": "warranty"}, {}, "reopen", "a", Why.WARRANTY),
    ("warranty of the device that was named",
     [appeal("b", "done", 5, **GALAXY), appeal("a", "done", 60, **IPHONE)],
     {"type": "warranty", "brand": "Apple"}, {}, "reopen", "a", Why.WARRANTY),
    ("warranty with two candidates is asked",
     [appeal("b", "done", 5, **GALAXY), appeal("a", "done", 60, **IPHONE)],
     {"type": "warranty"}, {}, "ask", None, Why.WARRANTY_SEVERAL),
    ("thanks never reopen", [appeal("a", "done", 0, **IPHONE)], {}, {"thanks_only": True}, "none", None, Why.COURTESY),
    ("thanks with words never reopen", [appeal("a", "done", 0, **IPHONE)], {"type": "other"}, {}, "none", None,
     Why.NOTHING_SAID),
    ("yes to a repair declined before", [appeal("b", "agreed", 0, repairs=["battery"], **GALAXY),
                                         appeal("a", "lost", 5, repairs=["screen"], **IPHONE)],
     {"type": "repair", "repairs": ["screen"]}, {"agrees": True}, "reopen", "a", Why.LOST_RETURNS),
    ("greeting never creates", [], {}, {"greeting_only": True}, "none", None, Why.COURTESY),
    ("spam never creates", [], {"type": "other"}, {"spam": True}, "none", None, Why.SPAM),
    ("stop word never creates", [], {}, {"opt_out": True}, "none", None, Why.OPT_OUT),
    ("bare yes creates nothing", [], {}, {"agrees": True}, "none", None, Why.NOTHING_SAID),
    ("status goes to what is in repair",
     [appeal("b", "quoted", 0, **GALAXY), appeal("a", "in_repair", 3, **IPHONE)],
     {"type": "status"}, {}, "existing", "a", Why.STATUS),
    ("status of the repair that was named, agreed or not",
     [appeal("b", "agreed", 0, repairs=["battery"], **GALAXY), appeal("a", "quoted", 3, repairs=["screen"], **IPHONE)],
     {"type": "status", "repairs": ["screen"]}, {}, "existing", "a", Why.STATUS),
    ("order number", [appeal("b", "in_repair", 0, 1, **GALAXY), appeal("a", "in_repair", 3, 7, **IPHONE)],
     {"type": "status"}, {"order_numbers": ["№7"]}, "existing", "a", Why.ORDER_NUMBER),
    ("the only open appeal takes follow-ups", [appeal("a", "collecting", 0, **IPHONE)],
     {"repairs": ["battery"]}, {}, "existing", "a", Why.ONLY_OPEN),
    ("modifier differs after a quote: another device", [appeal("a", "quoted", 0, **IPHONE)],
     {"brand": "Apple", "model": "iPhone 13 Pro", "type": "repair"}, {}, "new", None, Why.OTHER_DEVICE),
    ("modifier while collecting refines", [appeal("a", "collecting", 0, **IPHONE)],
     {"brand": "Apple", "model": "iPhone 13 Pro"}, {}, "existing", "a", Why.MODEL_REFINED),
    ("correction keeps the appeal", [appeal("a", "quoted", 0, **IPHONE)],
     {"brand": "Apple", "model": "iPhone 12"}, {"correction": True}, "existing", "a", Why.CORRECTION),
    ("digits are not a modifier: iPhone 1 is not iPhone 13", [appeal("a", "collecting", 0, **IPHONE)],
     {"brand": "Apple", "model": "iPhone 1"}, {}, "new", None, Why.OTHER_DEVICE),
    ("lost within 14 days returns", [appeal("a", "lost", 5, repairs=["screen"], **IPHONE)],
     IPHONE | {"repairs": ["screen"]}, {}, "reopen", "a", Why.LOST_RETURNS),
    ("second thought soon after a refusal", [appeal("a", "lost", 0.5, repairs=["screen"], **IPHONE)],
     {"type": "info"}, {}, "reopen", "a", Why.LOST_RETURNS),
    ("another matter two days after a refusal", [appeal("a", "lost", 2, repairs=["screen"], **IPHONE)],
     {"type": "info"}, {}, "new", None, Why.FIRST),
    ("two tied appeals are asked about",
     [appeal("a", "quoted", 0, **IPHONE), appeal("b", "quoted", 0, **GALAXY)],
     {}, {"agrees": True}, "ask", None, Why.SEVERAL_OPEN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "appeals", "say", "signal", "action", "letter", "why"), CASES, ids=[c[0] for c in CASES]
)
def test_rule(name: str, appeals: list[AppealView], say: dict[str, Any], signal: dict[str, Any], action: str,
              letter: str | None, why: Why) -> None:  # fmt: skip
    text = "спасибо, теперь всё работает" if name.startswith("thanks with words") else ""
    routing = route(appeals, say, text, **signal)
    target: UUID | None = derived_id("appeal", letter) if letter else None
    assert (routing.action, routing.appeal_id, routing.reason) == (action, target, why)


def test_linked_appeal_is_named() -> None:
    old = appeal("a", "quoted", 0, repairs=["screen"], **IPHONE)
    assert route([old], IPHONE | {"type": "repair", "repairs": ["battery"]}).alternatives == (old.appeal_id,)


def test_button_names_its_appeal() -> None:
    a, b = appeal("a", "quoted", 0, 1, **IPHONE), appeal("b", "quoted", 0, 2, **GALAXY)
    pressed = message("Да", button_payload=ChipPayload(2, "agreement", 1).encode())
    routing = ROUTER.route([pressed], Reading((hypothesis({}),), Signals(agrees=True)), [a, b])
    assert (routing.appeal_id, routing.reason) == (b.appeal_id, Why.BUTTON)


def test_quoted_message_names_its_appeal_unless_another_device_is_meant() -> None:
    a, b = appeal("a", "quoted", 0, 1, **IPHONE), appeal("b", "quoted", 0, 2, **GALAXY)
    ours = replace(message("цена"), direction="out", fresh=False, external_id="77", appeal_id=a.appeal_id)
    answer = message("а быстрее?", reply_to="77")
    routing = ROUTER.route([ours, answer], Reading((hypothesis({}),)), [b, a])
    assert (routing.appeal_id, routing.reason) == (a.appeal_id, Why.REPLY)
    routing = ROUTER.route([ours, answer], Reading((hypothesis(GALAXY),)), [b, a])
    assert routing.appeal_id == b.appeal_id


def test_answer_to_which_device() -> None:
    a = appeal("a", "quoted", 0, 1, **IPHONE)
    b = appeal("b", "quoted", 0, 2, **GALAXY)
    asked = replace(b, expecting="appeal", options=(str(b.appeal_id), str(a.appeal_id)))
    assert route([asked, a], {}, "2", choice=2).appeal_id == a.appeal_id


def test_every_device_of_a_list_gets_its_own_routing() -> None:
    open_one = appeal("a", "quoted", 0, repairs=["screen"], **IPHONE)
    reading = Reading((hypothesis(IPHONE | {"repairs": ["screen"]}), hypothesis(GALAXY | {"repairs": ["battery"]})))
    first, second = ROUTER.route_all([message("айфон и самсунг")], reading, [open_one])
    assert (first.action, first.hypothesis, second.action, second.hypothesis) == ("existing", 0, "new", 1)
    assert ROUTER.route([message("айфон и самсунг")], reading, [open_one]) == second


def test_constants_are_the_tenants() -> None:
    done = appeal("a", "done", 6, repairs=["screen"], **IPHONE)
    say, texts = Reading((hypothesis({"type": "info"}),)), [message("вопрос")]
    assert ROUTER.route(texts, say, [done]).action == "new"
    assert ROUTER.route(texts, say, [done], ResolutionSettings(post_service_days=7)).action == "reopen"


names = st.sampled_from([None, "Apple", "Samsung"])
models = st.sampled_from([None, "iPhone 13", "iPhone 13 Pro", "Galaxy A52"])
says = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([t.value for t in AppealType]), "brand": names.filter(bool),
        "model": models.filter(bool), "repairs": st.lists(st.sampled_from(REPAIR_TYPES), max_size=2),
        "class": st.sampled_from(["phone", "laptop"]),
        "candidates": st.just([["Apple", "iPhone 13"], ["Xiaomi", "Xiaomi 13"]]),
    },
)  # fmt: skip
flags = st.fixed_dictionaries(
    {},
    optional={
        name: st.booleans()
        for name in ("greeting_only", "thanks_only", "agrees", "declines", "correction", "spam", "opt_out", "off_topic")
    }
    | {"choice": st.integers(0, 9), "order_numbers": st.lists(st.sampled_from(["1", "№2", "x"]), max_size=2)},
)
open_ones = st.lists(
    st.tuples(
        st.sampled_from([s.value for s in AppealStatus]),
        st.floats(0, 60),
        says,
        st.sampled_from([None, "model", "appeal"]),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(says, flags, open_ones, st.text(max_size=30), st.text(max_size=20))
def test_routing_is_total_pure_and_names_only_known_appeals(
    say: dict[str, Any], signal: dict[str, Any], raw: list[Any], text: str, payload: str
) -> None:
    appeals = [
        appeal(str(i), status, age, i + 1, expecting=expecting, **facts)
        for i, (status, age, facts, expecting) in enumerate(raw)
    ]
    texts = [message(text, button_payload=payload)]
    reading = Reading((hypothesis(say),), signals(signal))
    routing = ROUTER.route(texts, reading, appeals)
    known = {a.appeal_id for a in appeals}
    assert routing == ROUTER.route(texts, reading, list(reversed(appeals))) or len(
        {a.touched_at for a in appeals}
    ) < len(appeals)
    assert routing.reason in set(Why)
    assert 0 < routing.confidence <= 1
    assert (routing.appeal_id is not None) == (routing.action in {"existing", "reopen"})
    assert routing.appeal_id is None or routing.appeal_id in known
    assert set(routing.alternatives) <= known
    if signal.get("thanks_only") or signal.get("greeting_only"):
        assert routing.action in {"none", "existing"}


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        ("quoted", "экран на galaxy a52", Why.CORRECTION),
        ("in_repair", "экран на galaxy a52", Why.CORRECTION),
        ("agreed", "и ещё экран на galaxy a52", Why.OTHER_DEVICE),
    ],
)
def test_an_edit_changes_the_appeal_its_message_had_opened(status: str, text: str, reason: Why) -> None:
    opened = appeal("a", status, **IPHONE, repairs=["screen"])
    edit = replace(message(text), kind="edit", appeal_id=opened.appeal_id)
    routing = ROUTER.route([edit], Reading((hypothesis({**GALAXY, "repairs": ["screen"]}),), signals({})), [opened])
    assert (routing.reason, routing.action) == (reason, "existing" if reason is Why.CORRECTION else "new")


def _two_phones() -> list[AppealView]:
    return [
        appeal("a", "in_repair", days_ago=2, number=1, brand="Apple", model="iPhone 13", repairs=["screen"]),
        appeal("b", "in_repair", days_ago=1, number=2, brand="Apple", model="iPhone 11", repairs=["battery"]),
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [("и 13 тоже?", 1), ("а тринадцатый?", 1), ("одиннадцатый как?", 2), ("а второй?", 1), ("а другой что?", 1),
     ("а первый?", 1)],
)  # fmt: skip
def test_an_appeal_can_be_meant_in_passing(text: str, number: int) -> None:
    appeals = _two_phones()
    found = route(appeals, {"type": "info"}, text)
    assert (found.appeal_id, found.reason) == (appeals[number - 1].appeal_id, Why.MENTION)


@pytest.mark.parametrize("text", ["приеду в 13", "через 11 дней", "13 рублей скиньте", "когда готово?", "а третий?"])
def test_times_and_amounts_name_no_model(text: str) -> None:
    assert route(_two_phones(), {"type": "info"}, text).reason != Why.MENTION


def test_one_more_device_is_no_correction_once_the_price_is_out() -> None:
    quoted = [appeal("a", "quoted", number=1, **IPHONE, repairs=["screen"])]
    more = {"brand": "Apple", "model": "iPhone 13 Pro"}
    assert route(quoted, more, "а на 13 про сколько?", correction=True).action == "new"
    assert route(quoted, more, "нет, 13 про", correction=True).appeal_id == quoted[0].appeal_id


def test_a_part_under_guarantee_is_about_the_repair_that_put_it_in() -> None:
    done = appeal("a", "done", days_ago=30, number=1, **IPHONE, repairs=["battery"])
    talk = appeal("b", "quoted", number=2, **IPHONE, repairs=["screen"])
    found = route([done, talk], {"type": "repair", "repairs": ["battery"]}, "а батарея на нём ещё на гарантии?")
    assert (found.action, found.appeal_id) == ("reopen", done.appeal_id)
    asks = route([done, talk], {"type": "info", "repairs": ["screen"]}, "экран у вас с гарантией?")
    assert asks.appeal_id == talk.appeal_id


def _held(control: Control, **more: Any) -> list[AppealView]:
    return [replace(appeal("a", "quoted", number=1, **IPHONE, repairs=["screen"]), control=control, **more)]


def test_where_the_bot_is_silenced_a_wish_about_the_same_device_stays() -> None:
    say = {"type": "repair", "repairs": ["battery"]}
    for control in (Control.HUMAN, Control.PAUSED, Control.OFF):
        assert route(_held(control), say, "а аккумулятор?").reason == Why.WITH_OPERATOR, control
    ended = _held(Control.PAUSED, control_until=START - timedelta(minutes=1))
    assert route(ended, say, "а аккумулятор?").action == "new"
    assert route(_held(Control.OFF), {**GALAXY, "type": "repair"}, "самсунг а52").action == "new"
